/**
 * What a replay queue holds: the items that wait, in order, and the dead letters; found by key, by idempotency key and
 * by sequence number, each in O(1). Knows how to become journal records and how to be made from them.
 */

import { HoldfastError } from "../../base/index.ts";
import type { AddRecord, JournalRecord } from "./replay-journal.ts";

export interface ReplayItem<T> {
  /** Grows with every item; items of one key are applied in this order. */
  readonly sequence: number;
  readonly key: string;
  /** The same for every time this item is applied: what receives it can tell a repetition by it. */
  readonly idempotencyKey: string;
  readonly value: T;
  /** Wall-clock time at which it was accepted. */
  readonly atMs: number;
  /** How often it was applied and failed by its own fault. */
  readonly attempts: number;
}

export interface DeadLetter<T> extends ReplayItem<T> {
  readonly reason: string;
}

export interface HeldItem<T> {
  readonly sequence: number;
  readonly key: string;
  readonly idempotencyKey: string;
  value: T;
  readonly atMs: number;
  attempts: number;
  dead: string | undefined;
  /** Applied, but the journal does not say so yet: it holds its key's place until it does. */
  applied: boolean;
  /** Being applied right now. */
  taken: boolean;
  /** As the journal writes its value; 0 without a journal. */
  bytes: number;
}

export interface Codec<T> {
  encode(value: T): unknown;
  decode(payload: unknown): T;
}

export class ReplayItems<T> {
  id: string;
  next = 1;
  /** Of all values, waiting and dead, where there is a journal. */
  bytes = 0;
  readonly #codec: Codec<T>;
  readonly #bySequence = new Map<number, HeldItem<T>>();
  readonly #byIdempotencyKey = new Map<string, HeldItem<T>>();
  readonly #byKey = new Map<string, { count: number; last: HeldItem<T> }>();
  readonly #dead = new Map<number, HeldItem<T>>();

  constructor(codec: Codec<T>, id: string) {
    this.#codec = codec;
    this.id = id;
  }

  get waiting(): number {
    return this.#bySequence.size;
  }

  get dead(): number {
    return this.#dead.size;
  }

  /** Waiting items in order; what is added while the iteration goes on is part of it. */
  inOrder(): MapIterator<HeldItem<T>> {
    return this.#bySequence.values();
  }

  deadLetters(): readonly HeldItem<T>[] {
    return [...this.#dead.values()];
  }

  deadLetter(sequence: number): HeldItem<T> | undefined {
    return this.#dead.get(sequence);
  }

  byIdempotencyKey(key: string): HeldItem<T> | undefined {
    return this.#byIdempotencyKey.get(key);
  }

  hasKey(key: string): boolean {
    return this.#byKey.has(key);
  }

  /** The item of that key that comes last. */
  lastOf(key: string): HeldItem<T> | undefined {
    return this.#byKey.get(key)?.last;
  }

  add(from: {
    readonly key: string;
    readonly value: T;
    readonly atMs: number;
    readonly idempotencyKey: string | undefined;
    readonly bytes: number;
  }): HeldItem<T> {
    const { key, value, atMs, idempotencyKey, bytes } = from;
    const sequence = this.next++;
    const item: HeldItem<T> = {
      sequence,
      key,
      idempotencyKey: idempotencyKey ?? `${this.id}-${sequence}`,
      value,
      atMs,
      attempts: 0,
      dead: undefined,
      applied: false,
      taken: false,
      bytes,
    };
    this.#hold(item);
    return item;
  }

  /** Takes a waiting item out. */
  remove(item: HeldItem<T>): void {
    if (!this.#bySequence.delete(item.sequence)) return;
    this.bytes -= item.bytes;
    if (this.#byIdempotencyKey.get(item.idempotencyKey) === item) this.#byIdempotencyKey.delete(item.idempotencyKey);
    const known = this.#byKey.get(item.key);
    if (known === undefined) return;
    known.count--;
    if (known.count === 0) this.#byKey.delete(item.key);
    else if (known.last === item) known.last = this.#lastLeft(item.key) ?? known.last;
  }

  bury(item: HeldItem<T>, reason: string): void {
    this.remove(item);
    item.dead = reason;
    this.#holdDead(item);
  }

  forgetDead(item: HeldItem<T>): void {
    if (this.#dead.delete(item.sequence)) this.bytes -= item.bytes;
  }

  /** The item says something else from now on. */
  replace(item: HeldItem<T>, value: T, bytes: number): void {
    this.bytes += bytes - item.bytes;
    item.bytes = bytes;
    item.value = value;
  }

  /** How many bytes a value takes in the journal. Throws DEGRADED_NOT_SERIALISABLE. */
  bytesOf(key: string, value: T): number {
    try {
      const text = JSON.stringify(this.#codec.encode(value));
      if (text !== undefined) return text.length;
    } catch (error) {
      throw notSerialisable(key, error);
    }
    throw notSerialisable(key, undefined);
  }

  /** As an item that was just accepted is written. */
  recordOf(item: HeldItem<T>): AddRecord {
    const { sequence, key, idempotencyKey, atMs, attempts, dead } = item;
    const payload = this.#codec.encode(item.value);
    return {
      kind: "add",
      sequence,
      key,
      idempotencyKey,
      payload,
      atMs,
      attempts,
      ...(dead === undefined ? {} : { dead }),
    };
  }

  /** Everything that is alive. */
  records(): readonly JournalRecord[] {
    const held = [...this.#bySequence.values()].filter(({ applied }) => !applied);
    const all = [...held, ...this.#dead.values()].sort((a, b) => a.sequence - b.sequence);
    return [{ kind: "queue", id: this.id, next: this.next }, ...all.map((item) => this.recordOf(item))];
  }

  /** What the records come to. Throws DEGRADED_JOURNAL_DAMAGED where they are not records. */
  restore(records: readonly JournalRecord[]): void {
    for (const [place, record] of records.entries()) {
      try {
        this.#restoreOne(record);
      } catch (error) {
        throw new HoldfastError("DEGRADED_JOURNAL_DAMAGED", `record ${place} of the replay journal cannot be read`, {
          hint: "Was it written with another codec? Keep the file, and read what is in it by hand.",
          details: { record: place },
          cause: error,
        });
      }
    }
  }

  #restoreOne(record: JournalRecord): void {
    if (record.kind === "queue") {
      this.id = record.id;
      this.next = Math.max(this.next, record.next);
    } else if (record.kind === "add") this.#restoreAdded(record);
    else if (record.kind === "done") {
      for (const sequence of record.sequences) {
        const item = this.#bySequence.get(sequence);
        if (item !== undefined) this.remove(item);
        const letter = this.#dead.get(sequence);
        if (letter !== undefined) this.forgetDead(letter);
      }
    } else {
      const item = this.#bySequence.get(record.sequence);
      if (item === undefined) return;
      if (record.kind === "replace") this.replace(item, this.#codec.decode(record.payload), lengthOf(record.payload));
      else if (record.kind === "attempts") item.attempts = record.attempts;
      else if (record.kind === "dead") this.bury(item, record.reason);
      else throw new TypeError(`a record of the kind "${(record as { readonly kind: unknown }).kind}"`);
    }
  }

  #restoreAdded(record: AddRecord): void {
    const { sequence, key, idempotencyKey, atMs, attempts, dead } = record;
    if (!Number.isSafeInteger(sequence) || typeof key !== "string" || typeof idempotencyKey !== "string") {
      throw new TypeError("an item without a sequence number, a key or an idempotency key");
    }
    this.next = Math.max(this.next, sequence + 1);
    // A rewrite may hold what a record after it says again.
    if (this.#bySequence.has(sequence) || this.#dead.has(sequence)) return;
    const value = this.#codec.decode(record.payload);
    const bytes = lengthOf(record.payload);
    const item = { sequence, key, idempotencyKey, value, atMs, attempts, dead, applied: false, taken: false, bytes };
    if (dead === undefined) this.#hold(item);
    else this.#holdDead(item);
  }

  #holdDead(item: HeldItem<T>): void {
    this.#dead.set(item.sequence, item);
    this.bytes += item.bytes;
  }

  #hold(item: HeldItem<T>): void {
    this.#bySequence.set(item.sequence, item);
    this.bytes += item.bytes;
    this.#byIdempotencyKey.set(item.idempotencyKey, item);
    const known = this.#byKey.get(item.key);
    if (known === undefined) this.#byKey.set(item.key, { count: 1, last: item });
    else {
      known.count++;
      known.last = item;
    }
  }

  /** Only where an item in the middle is taken back, which happens when a journal refuses it. */
  #lastLeft(key: string): HeldItem<T> | undefined {
    let last: HeldItem<T> | undefined;
    for (const item of this.#bySequence.values()) if (item.key === key) last = item;
    return last;
  }
}

/** As others get to see it. */
export function itemOf<T>(item: HeldItem<T>): ReplayItem<T> {
  const { sequence, key, idempotencyKey, value, atMs, attempts } = item;
  return { sequence, key, idempotencyKey, value, atMs, attempts };
}

function lengthOf(payload: unknown): number {
  return JSON.stringify(payload).length;
}

function notSerialisable(key: string, cause: unknown): HoldfastError {
  return new HoldfastError("DEGRADED_NOT_SERIALISABLE", `the value of "${key}" cannot be written as JSON`, {
    hint: "Give the queue a codec that turns values into plain data.",
    details: { key },
    cause,
  });
}
