/** A map of at most so many entries, which gives up the one that was longest without use. All operations are O(1). */

import { assert } from "./errors.ts";

export class LruMap<Key, Value> {
  readonly limit: number;
  /** In order of use, the oldest first: a Map keeps the order in which keys were added. */
  readonly #entries = new Map<Key, Value>();
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
    const value = this.#entries.get(key);
    if (value === undefined && !this.#entries.has(key)) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, value as Value);
    return value;
  }

  /** The value; its place in the order stays. */
  peek(key: Key): Value | undefined {
    return this.#entries.get(key);
  }

  set(key: Key, value: Value): void {
    this.#entries.delete(key);
    this.#entries.set(key, value);
    if (this.#entries.size <= this.limit) return;
    const [oldest] = this.#entries;
    this.#entries.delete(oldest![0]);
    this.#onEvicted?.(oldest![0], oldest![1]);
  }

  delete(key: Key): boolean {
    return this.#entries.delete(key);
  }

  clear(): void {
    this.#entries.clear();
  }

  /** The oldest first. */
  entries(): MapIterator<[Key, Value]> {
    return this.#entries.entries();
  }
}
