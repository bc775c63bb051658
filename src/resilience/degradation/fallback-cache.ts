/**
 * What was last known, for when it cannot be asked for: at most so many values (SPEC R13: 1,000), the least used given
 * up first, each with its age. That something is not there is known, too.
 */

import { type Clock, LruMap, systemClock } from "../../base/index.ts";

export interface FallbackCacheOptions {
  /** Default 1,000. */
  readonly limit?: number;
  /** After which a value is too old to be an answer. Default `Infinity`. */
  readonly ttlMs?: number;
  readonly clock?: Clock;
}

export interface Remembered<V> {
  /** undefined where it is known that there is none. */
  readonly value: V | undefined;
  readonly ageMs: number;
}

export interface FallbackCache<V> {
  readonly size: number;
  /** undefined where nothing is known, or only what is too old. */
  get(key: string): Remembered<V> | undefined;
  remember(key: string, value: V | undefined): void;
  forget(key: string): void;
}

export function fallbackCache<V>(options: FallbackCacheOptions = {}): FallbackCache<V> {
  const { limit = 1_000, ttlMs = Infinity, clock = systemClock } = options;
  const known = new LruMap<string, { readonly value: V | undefined; readonly atMs: number }>(limit);
  return {
    get size() {
      return known.size;
    },
    get(key) {
      const found = known.get(key);
      if (found === undefined) return undefined;
      const ageMs = clock.monotonicMs() - found.atMs;
      if (ageMs < ttlMs) return { value: found.value, ageMs };
      known.delete(key);
      return undefined;
    },
    remember: (key, value) => known.set(key, { value, atMs: clock.monotonicMs() }),
    forget: (key) => void known.delete(key),
  };
}
