/**
 * Remembers what writers were acknowledged, over all their lives, and says what of it a log does not keep.
 *
 * What must hold: every acknowledged write is there with its very content, unless it was truncated; a write is there
 * with all its entries in order or not at all; what an aborted transaction wrote is nowhere; no sequence number and no
 * entry is there twice, or ever stood for something else; a writer's writes are in its order; and what one writer found
 * is found by the next.
 */
import { nameOf, type PayloadName, writeKey } from "./payload.ts";

interface Acknowledged {
  /** No entry of it has this sequence number or a lower one. */
  readonly after: number;
  /** undefined for a transaction: its entries stand wherever there was room. */
  readonly lastSequence: number | undefined;
}

export interface ReadEntry {
  readonly sequence: number;
  readonly payload: Uint8Array;
}

interface Found {
  readonly name: PayloadName;
  readonly sequence: number;
}

export class LogWitness {
  readonly #acknowledged = new Map<string, Acknowledged>();
  readonly #begun = new Map<string, number>();
  readonly #aborted = new Set<string>();
  /** What each sequence number has stood for, ever. */
  readonly #stoodFor = new Map<number, string>();
  /** All that were asked for, whether or not they came about. */
  readonly #truncations = [0];
  #complaints: string[] = [];

  get acknowledged(): number {
    return this.#acknowledged.size;
  }

  /** Takes in a line of a writer, and gives what is wrong with it. */
  hear(line: string): readonly string[] {
    this.#complaints = [];
    const [word, key = "", first, second] = line.split(" ");
    if (word === "aborted") this.#aborted.add(key);
    if (word === "truncating") this.#truncations.push(Number(key));
    if (word === "begun") this.#begun.set(key, Number(first));
    if (word === "committed") this.#acknowledged.set(key, { after: this.#begun.get(key)!, lastSequence: undefined });
    if (word === "acked") {
      const [entries, lastSequence] = [Number(first), Number(second)];
      this.#acknowledged.set(key, { after: lastSequence - entries, lastSequence });
      this.#checkNumber(lastSequence, `${key} entry ${entries - 1}`);
    }
    return this.#complaints;
  }

  /** What is wrong with what a log gives out, one thing a line. */
  complaintsAbout(entries: readonly ReadEntry[]): readonly string[] {
    this.#complaints = [];
    const writes = this.#gather(entries);
    for (const [key, found] of writes) this.#checkWhole(key, found);
    const truncatedBefore = Math.max(...this.#truncations);
    for (const [key, { after, lastSequence }] of this.#acknowledged) {
      const last = writes.get(key)?.at(-1)?.sequence;
      if (last === undefined && (lastSequence ?? after + 1) >= truncatedBefore)
        this.#complain(`${key} is not there any more`);
      if (last === undefined || lastSequence === undefined || last === lastSequence) continue;
      this.#complain(`${key} was acknowledged as ${lastSequence} and is ${last}`);
    }
    return this.#complaints;
  }

  /** What a log gave out to a writer, who may have acted on it, counts as acknowledged: it must stay. */
  keep(entries: readonly ReadEntry[]): void {
    for (const { sequence, payload } of entries) {
      const name = nameOf(payload);
      if (name === undefined || name.entry !== name.of - 1 || this.#acknowledged.has(writeKey(name))) continue;
      const after = this.#begun.get(writeKey(name));
      this.#acknowledged.set(
        writeKey(name),
        after === undefined
          ? { after: sequence - name.of, lastSequence: sequence }
          : { after, lastSequence: undefined },
      );
    }
  }

  #gather(entries: readonly ReadEntry[]): Map<string, Found[]> {
    const writes = new Map<string, Found[]>();
    const latest = new Map<string, number>();
    let lastPlain = 0;
    for (const { sequence, payload } of entries) {
      const name = nameOf(payload);
      if (name === undefined) {
        this.#complain(`entry ${sequence} holds what nobody wrote`);
        continue;
      }
      const key = writeKey(name);
      this.#checkNumber(sequence, `${key} entry ${name.entry}`);
      // Entries of transactions come with their commit; all others in the order of their numbers.
      if (!isTransaction(key)) {
        if (sequence <= lastPlain) this.#complain(`entry ${sequence} comes after ${lastPlain}`);
        lastPlain = sequence;
      }
      const whose = `r${name.run}/${name.writer}`;
      if (name.write < (latest.get(whose) ?? 0)) this.#complain(`${key} comes after a later write of ${whose}`);
      latest.set(whose, name.write);
      const found = writes.get(key);
      if (found === undefined) writes.set(key, [{ name, sequence }]);
      else found.push({ name, sequence });
    }
    return writes;
  }

  #checkWhole(key: string, found: readonly Found[]): void {
    const { of } = found[0]!.name;
    if (this.#aborted.has(key)) this.#complain(`${key} was aborted and is there`);
    const missing = of - found.length;
    const inOrder = found.every(({ name }, place) => name.entry === missing + place);
    const rising = found.every(({ sequence }, place) => place === 0 || sequence > found[place - 1]!.sequence);
    if (!inOrder || !rising) this.#complain(`${key} is there out of order, or an entry is there twice`);
    if (missing === 0) return;
    // A truncation forgets entries, not writes: the first ones of a write may lie before it. Which one was the last to
    // come about, before a kill, nobody knows.
    const before = this.#begun.get(key) ?? found[0]!.sequence - missing - 1;
    const { sequence } = found[0]!;
    const isCut = this.#truncations.some((point) => before + missing < point && point <= sequence);
    if (!isCut) this.#complain(`${key} is there with ${found.length} of ${of} entries`);
  }

  #checkNumber(sequence: number, what: string): void {
    const before = this.#stoodFor.get(sequence);
    if (before !== undefined && before !== what) this.#complain(`${sequence} was ${before} and is ${what}`);
    this.#stoodFor.set(sequence, what);
  }

  #complain(text: string): void {
    this.#complaints.push(text);
  }
}

function isTransaction(key: string): boolean {
  return key.includes("/t");
}
