/**
 * What a failure says of the storage, and what it does not.
 *
 *     what failed                            counts for the breaker      level
 *     a write or sync of the log             once for each log           read-only at once, for a failed log is over
 *     a flush                                each time                   read-only once the breaker is open
 *     an attempt to recover                  each time                   stays
 *     a read, while the log is down too      no                          memory-only
 *     a read, while the log works            no: one bad place of a      stays; the reader is told
 *                                            device stops no writer
 *     large content of a write               each time                   read-only once the breaker is open
 *     a merge                                with a breaker of its own   stays; merges rest
 *
 * Nothing follows from what is the caller's (conflicts, options, sizes, aborts), from damage, which has its own ways,
 * from what resolves by itself (WAL_FULL, WAL_BUSY, STORE_COMPACTION_MEMORY), and from a store that is being closed.
 */

import { errorText, HoldfastError } from "../../base/index.ts";
import { type StorageLevel, storageLevelFor } from "../../resilience/index.ts";

/** Whether the storage refused, and not the one who asked. */
export function isStorageFailure(error: unknown): boolean {
  return HoldfastError.is(error) && (error.code.startsWith("DISK_") || error.code === "WAL_FAILED");
}

/** A log that failed takes away what the disk under it takes away: segments and memory can still be read. */
export function levelAfter(error: unknown, operation: "read" | "write"): StorageLevel {
  const isLog = HoldfastError.is(error) && error.code === "WAL_FAILED";
  return storageLevelFor(isLog ? error.cause : error, operation);
}

export function reasonOf(error: unknown): string {
  return HoldfastError.is(error) ? error.rawMessage : errorText(error);
}

export interface Waiting {
  readonly level: StorageLevel;
  /** Until the next attempt to recover; undefined where none is planned. */
  readonly retryAfterMs: number | undefined;
}

export function degradedError(what: string, { level, retryAfterMs }: Waiting): HoldfastError {
  const when = retryAfterMs === undefined ? "later" : `in ${Math.ceil(retryAfterMs)} ms`;
  return new HoldfastError("STORE_DEGRADED", `the store is ${level}: ${what}`, {
    hint: `Try again ${when}; the event "level" tells when the store is normal again.`,
    retryable: true,
    details: { level, ...(retryAfterMs === undefined ? {} : { retryAfterMs: Math.ceil(retryAfterMs) }) },
  });
}
