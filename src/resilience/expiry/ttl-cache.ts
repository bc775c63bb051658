/**
 * A cache whose entries end (SPEC R15, from Tezzeret): after a time to live, or when it would grow beyond so many
 * entries or bytes, the one that was used longest ago first. Nothing in it can grow without bound.
 *
 *   - What has expired is never served, swept or not. Time is the monotonic clock's: setting the wall clock changes
 *     nothing.
 *   - What `isReferenced` says is still in use is never taken out by a sweep or for room, expired or not; it goes when
 *     the reference has gone. Where only such entries are left, a new one is refused instead (`set` gives false).
 *   - `onRemoved` tells of every entry that leaves, once, with the reason: whoever owns what the entry stands for lets
 *     go of it then.
 */

import {
  type Clock,
  guardMetrics,
  HoldfastError,
  type Linked,
  LinkedOrder,
  type Listener,
  type Metrics,
  systemClock,
  Topic,
} from "../../base/index.ts";
import { functionOption, knownOptions, nameOption, numberOption, optionError, partOption } from "../option.ts";
import type { Sweepable } from "./sweeper.ts";

/** "deleted" by its owner, "replaced" by another value, "expired", or "evicted" for room. */
export type RemovalReason = "deleted" | "replaced" | "expired" | "evicted";

export interface TtlCacheOptions<Key, Value> {
  /** The label of its metrics. 1 to 200 characters. */
  readonly name: string;
  /** Above 0; `Infinity` for entries that only room ends. */
  readonly ttlMs: number;
  /** 1 or more. Default 100,000. */
  readonly limitEntries?: number | undefined;
  /** Of all sizes. Default: no limit; needs `sizeOf`. */
  readonly limitBytes?: number | undefined;
  /** In bytes; asked once, when the value is set. */
  readonly sizeOf?: ((value: Value, key: Key) => number) | undefined;
  /** True for what must not go yet: durable things that somebody refers to. An error counts as true. */
  readonly isReferenced?: ((key: Key, value: Value) => boolean) | undefined;
  readonly clock?: Clock | undefined;
  readonly metrics?: Metrics | undefined;
}

export interface Removal<Key, Value> {
  readonly cache: string;
  readonly key: Key;
  readonly value: Value;
  readonly reason: RemovalReason;
}

export interface TtlCacheStatistics {
  /** Expired ones that were not swept yet among them. */
  readonly entries: number;
  readonly bytes: number;
  readonly hits: number;
  readonly misses: number;
  readonly expired: number;
  readonly evicted: number;
  /** Values that found no room. */
  readonly refused: number;
  /** Expired, and kept because something refers to them, as the last sweep found. */
  readonly held: number;
}

export interface TtlCache<Key, Value> extends Sweepable {
  /** Entries, expired ones that were not swept yet among them. */
  readonly size: number;
  readonly bytes: number;
  /** The value, which counts as used; undefined where there is none or it has expired. */
  get(key: Key): Value | undefined;
  /** As `get`, without counting as a use. */
  peek(key: Key): Value | undefined;
  has(key: Key): boolean;
  /** False where there is no room: then an old value is gone, too. Throws MEMORY_BAD_SIZE, MEMORY_OPTION. */
  set(key: Key, value: Value, options?: { readonly ttlMs?: number | undefined }): boolean;
  /** A new time to live for what has not expired. False where there is nothing. Throws MEMORY_OPTION. */
  renew(key: Key, ttlMs?: number): boolean;
  delete(key: Key): boolean;
  clear(): void;
  /** What has not expired, the one used longest ago first. */
  entries(): IterableIterator<[Key, Value]>;
  statistics(): TtlCacheStatistics;
  onRemoved(listener: Listener<Removal<Key, Value>>): Disposable;
}

const owner = { name: "ttlCache", code: "MEMORY_OPTION" } as const;
const optionNames = [...["name", "ttlMs", "limitEntries", "limitBytes", "sizeOf", "isReferenced", "clock", "metrics"]];

function lifeOption(value: unknown): number {
  return numberOption(owner, "ttlMs", value, { least: 1e-3, endless: true });
}

/** Throws MEMORY_OPTION. */
export function ttlCache<Key, Value>(options: TtlCacheOptions<Key, Value>): TtlCache<Key, Value> {
  return new Cache(options);
}

interface Entry<Key, Value> extends Linked<Entry<Key, Value>> {
  readonly key: Key;
  readonly value: Value;
  readonly bytes: number;
  expiresMs: number;
}

/** How many entries that may not go are passed over in search of room. */
const searchLimit = 64;

class Cache<Key, Value> implements TtlCache<Key, Value> {
  readonly name: string;
  readonly #options: TtlCacheOptions<Key, Value>;
  readonly #clock: Clock;
  readonly #metrics: Metrics | undefined;
  readonly #limitEntries: number;
  readonly #limitBytes: number;
  readonly #entries = new Map<Key, Entry<Key, Value>>();
  /** In order of use, the one used longest ago first. */
  readonly #order = new LinkedOrder<Entry<Key, Value>>();
  readonly #counts = { hits: 0, misses: 0, expired: 0, evicted: 0, refused: 0 };
  readonly #removed = new Topic<Removal<Key, Value>>("memory.removed");
  #bytes = 0;
  #held = 0;
  /** A sweep under way: where it stands, how many it has yet to look at, how many of those seen are held. */
  #sweep: { readonly walk: MapIterator<[Key, Entry<Key, Value>]>; left: number; held: number } | undefined;

  constructor(options: TtlCacheOptions<Key, Value>) {
    knownOptions(owner, options, optionNames);
    const limit = { least: 1, endless: true };
    this.name = nameOption(owner, options.name, "cache");
    this.#options = options;
    this.#clock = partOption(owner, "clock", options.clock, "schedule") ?? systemClock;
    this.#limitEntries = numberOption(owner, "limitEntries", options.limitEntries ?? 100_000, {
      least: 1,
      whole: true,
    });
    this.#limitBytes = numberOption(owner, "limitBytes", options.limitBytes ?? Infinity, limit);
    this.#metrics = guardMetrics(options.metrics);
    lifeOption(options.ttlMs);
    functionOption(owner, "isReferenced", options.isReferenced);
    if (functionOption(owner, "sizeOf", options.sizeOf) === undefined && options.limitBytes !== undefined) {
      throw optionError(owner, "sizeOf", undefined, "a function, which limitBytes needs");
    }
  }

  get size(): number {
    return this.#entries.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get(key: Key): Value | undefined {
    const entry = this.#live(key);
    if (entry === undefined) {
      this.#counts.misses++;
      return undefined;
    }
    this.#counts.hits++;
    this.#order.moveToEnd(entry);
    return entry.value;
  }

  peek(key: Key): Value | undefined {
    return this.#live(key)?.value;
  }

  has(key: Key): boolean {
    return this.#live(key) !== undefined;
  }

  set(key: Key, value: Value, options: { readonly ttlMs?: number | undefined } = {}): boolean {
    const ttlMs = lifeOption(options.ttlMs ?? this.#options.ttlMs);
    const bytes = this.#sizeOf(key, value);
    const removals: Removal<Key, Value>[] = [];
    const before = this.#entries.get(key);
    if (before !== undefined) removals.push(this.#take(key, before, this.#isExpired(before) ? "expired" : "replaced"));
    const hasRoom = this.#makeRoom(bytes, removals);
    if (hasRoom) {
      const expiresMs = this.#clock.monotonicMs() + ttlMs;
      const entry: Entry<Key, Value> = { key, value, bytes, expiresMs, before: undefined, after: undefined };
      this.#entries.set(key, entry);
      this.#order.append(entry);
      this.#bytes += bytes;
    } else {
      this.#counts.refused++;
      this.#metrics?.count("holdfast_ttl_refused_total", 1, { cache: this.name });
    }
    // Told last: an observer may call back, and must find the cache as it is to be.
    for (const removal of removals) this.#removed.publish(removal);
    return hasRoom;
  }

  renew(key: Key, ttlMs = this.#options.ttlMs): boolean {
    lifeOption(ttlMs);
    const entry = this.#live(key);
    if (entry === undefined) return false;
    entry.expiresMs = this.#clock.monotonicMs() + ttlMs;
    return true;
  }

  delete(key: Key): boolean {
    const entry = this.#entries.get(key);
    if (entry === undefined) return false;
    const isExpired = this.#isExpired(entry);
    this.#removed.publish(this.#take(key, entry, isExpired ? "expired" : "deleted"));
    return !isExpired;
  }

  clear(): void {
    for (const key of [...this.#entries.keys()]) this.delete(key);
  }

  *entries(): IterableIterator<[Key, Value]> {
    for (const entry of this.#order) if (!this.#isExpired(entry)) yield [entry.key, entry.value];
  }

  statistics(): TtlCacheStatistics {
    return { entries: this.size, bytes: this.#bytes, held: this.#held, ...this.#counts };
  }

  onRemoved(listener: Listener<Removal<Key, Value>>): Disposable {
    return this.#removed.subscribe(listener);
  }

  /** Looks at up to `limit` entries, going on where it stopped. */
  sweepSlice(limit: number): { readonly removed: number; readonly isDone: boolean } {
    this.#sweep ??= { walk: this.#entries.entries(), left: this.#entries.size, held: 0 };
    const sweep = this.#sweep;
    let removed = 0;
    for (let looked = 0; looked < limit && sweep.left > 0; looked++) {
      const { value: found, done } = sweep.walk.next();
      sweep.left = done === true ? 0 : sweep.left - 1;
      if (done === true || !this.#isExpired(found[1])) continue;
      if (this.#isHeld(found[0], found[1])) sweep.held++;
      else if (this.#entries.get(found[0]) === found[1]) {
        this.#removed.publish(this.#take(found[0], found[1], "expired"));
        removed++;
      }
    }
    if (sweep.left > 0) return { removed, isDone: false };
    this.#held = sweep.held;
    this.#sweep = undefined;
    return { removed, isDone: true };
  }

  #live(key: Key): Entry<Key, Value> | undefined {
    const entry = this.#entries.get(key);
    return entry === undefined || this.#isExpired(entry) ? undefined : entry;
  }

  #isExpired(entry: Entry<Key, Value>): boolean {
    return this.#clock.monotonicMs() >= entry.expiresMs;
  }

  #isHeld(key: Key, entry: Entry<Key, Value>): boolean {
    try {
      return this.#options.isReferenced?.(key, entry.value) === true;
    } catch {
      return true;
    }
  }

  /** What there is to tell of it. */
  #take(key: Key, entry: Entry<Key, Value>, reason: RemovalReason): Removal<Key, Value> {
    this.#entries.delete(key);
    this.#order.remove(entry);
    this.#bytes -= entry.bytes;
    if (reason === "expired" || reason === "evicted") this.#counts[reason]++;
    return { cache: this.name, key, value: entry.value, reason };
  }

  /** Those used longest ago go; those that may not go yet count as used, and no more than a few are passed over. */
  #makeRoom(bytes: number, removals: Removal<Key, Value>[]): boolean {
    if (bytes > this.#limitBytes) return false;
    let held = 0;
    while (this.#entries.size >= this.#limitEntries || this.#bytes + bytes > this.#limitBytes) {
      const entry = this.#order.first;
      if (entry === undefined || held >= Math.min(searchLimit, this.#entries.size)) return false;
      const isHeld = this.#isHeld(entry.key, entry);
      // The guard is the user's, and may have taken it out itself.
      if (this.#entries.get(entry.key) !== entry) continue;
      if (isHeld) {
        held++;
        this.#order.moveToEnd(entry);
      } else removals.push(this.#take(entry.key, entry, this.#isExpired(entry) ? "expired" : "evicted"));
    }
    return true;
  }

  #sizeOf(key: Key, value: Value): number {
    const bytes = this.#options.sizeOf?.(value, key) ?? 0;
    if (bytes >= 0 && bytes < Infinity) return bytes;
    throw new HoldfastError("MEMORY_BAD_SIZE", `the cache "${this.name}" was told a size of ${bytes} bytes`, {
      hint: "sizeOf gives a number from 0 up.",
      details: { cache: this.name },
    });
  }
}
