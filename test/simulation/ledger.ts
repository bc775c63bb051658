/**
 * What a log was asked to keep, and what it may therefore hold: the oracle of the simulation.
 *
 * A log holds the groups that were submitted, in the order of their commits, up to some group that is not before the
 * last acknowledged one; of these, the entries from some truncation on that is not before the last one that was
 * acknowledged. Nothing else, in no other order. A number that was given out once is never given out again.
 */

export interface Entry {
  readonly sequence: number;
  readonly text: string;
}

export interface Submitted {
  readonly entries: readonly Entry[];
  acknowledged: boolean;
}

export class Ledger {
  /** In the order of their commits. */
  readonly groups: Submitted[] = [];
  readonly #truncations: { readonly before: number; done: boolean }[] = [];
  #highest = 0;
  /** What went wrong already while the work was done. */
  problem: string | undefined;

  /** Notes what is about to be written; call `acknowledge` with it once the log says that it is durable. */
  submit(entries: readonly Entry[]): Submitted {
    const group = { entries, acknowledged: false };
    this.groups.push(group);
    return group;
  }

  /** Notes, in the order in which they are drawn, which number an entry got. */
  giveOut({ sequence, text }: Entry): Entry {
    if (sequence <= this.#highest) this.problem ??= `${text} got the number ${sequence}, which was given out before`;
    this.#highest = Math.max(this.#highest, sequence);
    return { sequence, text };
  }

  truncate(before: number): { done: boolean } {
    const truncation = { before, done: false };
    this.#truncations.push(truncation);
    return truncation;
  }

  /** Equal for ledgers that allow the same. */
  get signature(): string {
    const groups = this.groups.map(({ entries, acknowledged }) => `${acknowledged ? "+" : "-"}${printed(entries)}`);
    const truncations = this.#truncations.map(({ before, done }) => `${done ? "+" : "-"}${before}`);
    return `${groups.join("|")};${truncations.join()};${this.#highest}`;
  }

  /** Why the log must not hold these entries, or undefined. */
  refusal(found: readonly Entry[]): string | undefined {
    const least = this.groups.findLastIndex(({ acknowledged }) => acknowledged) + 1;
    const truncated = Math.max(0, ...this.#truncations.filter(({ done }) => done).map(({ before }) => before));
    const later = this.#truncations.map(({ before }) => before).filter((before) => before > truncated);
    for (const before of [truncated, ...later]) {
      const wanted: Entry[] = [];
      for (let count = 0; count <= this.groups.length; count++) {
        if (count > 0) wanted.push(...this.#entriesOf(count - 1, before));
        if (count >= least && isSame(wanted, found)) return undefined;
      }
    }
    const sure = this.groups.slice(0, least).map(({ entries }) => printed(entries));
    const maybe = this.groups.slice(least).map(({ entries }) => printed(entries));
    const cut = later.length === 0 ? `${truncated}` : `${truncated} or ${later.join(" or ")}`;
    return `found [${printed(found)}]; acknowledged [${sure.join(" | ")}], submitted [${maybe.join(" | ")}], from ${cut}`;
  }

  /** Whether these are what was submitted, in order and without a gap, though the end may be missing. */
  isPrefix(found: readonly Entry[]): boolean {
    const all = this.groups.flatMap((_, place) => this.#entriesOf(place, 0));
    const from = found[0] === undefined ? 0 : all.findIndex(({ sequence }) => sequence === found[0]?.sequence);
    return from >= 0 && isSame(all.slice(from, from + found.length), found);
  }

  /** The ledger of a log that was opened and held this: it must hold that from now on, and nothing more returns. */
  settled(found: readonly Entry[]): Ledger {
    const ledger = new Ledger();
    ledger.groups.push({ entries: found, acknowledged: true });
    ledger.#highest = this.#highest;
    ledger.problem = this.problem;
    return ledger;
  }

  #entriesOf(place: number, before: number): Entry[] {
    return this.groups[place]?.entries.filter(({ sequence }) => sequence >= before) ?? [];
  }
}

function isSame(one: readonly Entry[], other: readonly Entry[]): boolean {
  return (
    one.length === other.length &&
    one.every(({ sequence, text }, place) => sequence === other[place]?.sequence && text === other[place]?.text)
  );
}

export function printed(entries: readonly Entry[]): string {
  return entries.map(({ sequence, text }) => `${sequence}:${text.slice(0, 8)}`).join(" ");
}
