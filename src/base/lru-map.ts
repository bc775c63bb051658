/** A map of at most so many entries, which gives up the one that was longest without use. All operations are O(1). */

import { assert } from "./errors.ts";
import { type Linked, LinkedOrder } from "./linked-order.ts";

interface Entry<Key, Value> extends Linked<Entry<Key, Value>> {
  readonly key: Key;
  value: Value;
}

export class LruMap<Key, Value> {
  readonly limit: number;
  readonly #entries = new Map<Key, Entry<Key, Value>>();
  /** In order of use, the oldest first. */
  readonly #order = new LinkedOrder<Entry<Key, Value>>();
  readonly #onEvicted: ((key: Key, value: Value) => void) | undefined;

  constructor(limit: number, onEvicted?: (key: Key, value: Value) => void) {
    assert(Number.isSafeInteger(limit) && limit > 0, "the limit of an LruMap is a whole number above 0");
    this.limit = limit;
    this.#onEvicted = onEvicted;
  }

  get size(): number {
    return this.#entries.size;
  }

  has(key: Key): boolean {
    return this.#entries.has(key);
  }

  /** The value, which counts as used. */
  get(key: Key): Value | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#order.moveToEnd(entry);
    return entry.value;
  }

  /** The value; its place in the order stays. */
  peek(key: Key): Value | undefined {
    return this.#entries.get(key)?.value;
  }

  set(key: Key, value: Value): void {
    const known = this.#entries.get(key);
    if (known !== undefined) {
      known.value = value;
      this.#order.moveToEnd(known);
      return;
    }
    const entry: Entry<Key, Value> = { key, value, before: undefined, after: undefined };
    this.#entries.set(key, entry);
    this.#order.append(entry);
    if (this.#entries.size <= this.limit) return;
    const oldest = this.#order.first!;
    this.delete(oldest.key);
    this.#onEvicted?.(oldest.key, oldest.value);
  }

  delete(key: Key): boolean {
    const entry = this.#entries.get(key);
    if (entry === undefined) return false;
    this.#order.remove(entry);
    return this.#entries.delete(key);
  }

  clear(): void {
    this.#entries.clear();
    this.#order.clear();
  }

  /** The oldest first. */
  *entries(): Generator<[Key, Value], void> {
    for (const { key, value } of this.#order) yield [key, value];
  }
}
