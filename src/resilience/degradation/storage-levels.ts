/**
 * The levels of a storage engine (SPEC R13, from T4DX), and what of it still works at each.
 *
 *   0 normal       everything
 *   1 read-only    the disk fails writes: reads from what is there, writes wait in the replay queue, no compaction
 *   2 memory-only  the log is not available: reads from the fallback cache, writes wait in the replay queue
 */

import { type Clock, HoldfastError, type Metrics } from "../../base/index.ts";
import { type DegradationLadder, degradationLadder } from "./ladder.ts";

export const storageLevels = ["normal", "read-only", "memory-only"] as const;

export type StorageLevel = (typeof storageLevels)[number];

export interface StorageCapabilities {
  readonly durableWrites: boolean;
  readonly reads: "store" | "cache";
  readonly compaction: boolean;
}

const capabilities: Readonly<Record<StorageLevel, StorageCapabilities>> = {
  normal: { durableWrites: true, reads: "store", compaction: true },
  "read-only": { durableWrites: false, reads: "store", compaction: false },
  "memory-only": { durableWrites: false, reads: "cache", compaction: false },
};

export function storageCapabilities(level: StorageLevel): StorageCapabilities {
  return capabilities[level];
}

/** Up after two good probes for each step, as the storage breaker's two successes. */
export function storageLadder(
  options: {
    readonly clock?: Clock | undefined;
    readonly metrics?: Metrics | undefined;
    readonly climbAfter?: number | undefined;
  } = {},
): DegradationLadder<StorageLevel> {
  return degradationLadder({ name: "storage", levels: storageLevels, ...options });
}

/** Where an error leaves a store: a log that fails, or a read that fails, takes away more than a write that fails. */
export function storageLevelFor(error: unknown, operation: "read" | "write"): StorageLevel {
  if (operation === "read") return "memory-only";
  return HoldfastError.is(error) && error.code.startsWith("WAL_") ? "memory-only" : "read-only";
}
