/**
 * What was last known, for when it cannot be asked for: at most so many values (SPEC R13: 1,000), the least used given
 * up first, each with its age. That something is not there is known, too.
 */

import { type Clock, LruMap, systemClock } from "../../base/index.ts";
import { knownOptions, numberOption, partOption } from "../option.ts";

export interface FallbackCacheOptions {
  /** 1 or more. Default 1,000. */
  readonly limit?: number | undefined;
  /** After which a value is too old to be an answer. Default `Infinity`. */
  readonly ttlMs?: number | undefined;
  readonly clock?: Clock | undefined;
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

const owner = { name: "fallbackCache", code: "DEGRADED_OPTION" } as const;

/** Throws DEGRADED_OPTION. */
export function fallbackCache<V>(options: FallbackCacheOptions = {}): FallbackCache<V> {
  knownOptions(owner, options, ["limit", "ttlMs", "clock"]);
  const limit = numberOption(owner, "limit", options.limit ?? 1_000, { least: 1, whole: true });
  const ttlMs = numberOption(owner, "ttlMs", options.ttlMs ?? Infinity, { least: 0, endless: true });
  const clock = partOption(owner, "clock", options.clock, "schedule") ?? systemClock;
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
