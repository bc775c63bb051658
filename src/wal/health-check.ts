/**
 * The log's own health check (SPEC R9): a test entry is written and synced. It is part of a transaction that is
 * aborted, so no reader and no recovery ever sees it; what it costs is a frame or two, which truncation takes away.
 */

import { type Clock, systemClock, utf8 } from "../base/index.ts";
import type { HealthCheck } from "../resilience/index.ts";
import type { Wal } from "./wal.ts";

export interface WalCheckOptions {
  /** Default "wal". */
  readonly name?: string | undefined;
  readonly clock?: Clock | undefined;
}

/** Unhealthy where the log takes nothing any more; measures `sync_ms`, from the entry to its acknowledgement. */
export function walCheck(wal: Wal, { name = "wal", clock = systemClock }: WalCheckOptions = {}): HealthCheck {
  return {
    name,
    // Without the signal: as long as a sync hangs this goes on, and so no further entry is put behind it.
    async check() {
      const startMs = clock.monotonicMs();
      const transaction = wal.begin(utf8("health check"));
      transaction.append(utf8("A health check writes this and takes it back."));
      await transaction.abort();
      return { state: "healthy", values: { sync_ms: clock.monotonicMs() - startMs } };
    },
  };
}
