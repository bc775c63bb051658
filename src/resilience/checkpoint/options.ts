/** What checkpoints are set to, what they tell, and what they come back with. */

import { type Clock, HoldfastError } from "../../base/index.ts";
import type { CheckpointBackend } from "./backend.ts";
import type { CheckpointInfo } from "./envelope.ts";
import type { PassedOver } from "./search.ts";

export interface CheckpointsOptions {
  /** Closed together with the checkpoints that stand on it. */
  readonly backend: CheckpointBackend;
  /** Newest good versions that are left of each component. Default 3, at least 2, at most 1,000,000. */
  readonly keep?: number;
  /** Of one state, bytes. Default 256 MiB, at most 2 GiB less 1 KiB. */
  readonly limitBytes?: number;
  /** Components that may be registered. Default 1,000. */
  readonly componentLimit?: number;
  /** Calls that may wait for one component without being able to share a run. Default 16. */
  readonly queueLimit?: number;
  readonly clock?: Clock;
  /** For the nonce in each header. Default: the platform's. */
  readonly randomBytes?: (count: number) => Uint8Array;
}

export interface CheckpointOptions {
  readonly signal?: AbortSignal | undefined;
  /**
   * Of two writers that expect the same version, exactly one succeeds; the other gets CHECKPOINT_CONFLICT. The newest
   * version that the new one is to follow; 0 where there is to be none yet. Default: whatever is the newest.
   */
  readonly expectedVersion?: number;
}

export interface RestoreOptions {
  readonly signal?: AbortSignal | undefined;
  /** Default "latest": the newest good one. A number: that one or none. */
  readonly version?: number | "latest";
}

export interface Restored {
  readonly version: number;
  readonly info: CheckpointInfo;
  /** Newer versions that are damaged, the newest first. Empty where all is well. */
  readonly fellBack: readonly PassedOver[];
}

/** Of `checkpointAll`, in the order of registration: one of the two is there. */
export interface CheckpointOutcome {
  readonly id: string;
  readonly info?: CheckpointInfo;
  readonly error?: unknown;
}

export interface VerifiedVersion {
  readonly version: number;
  readonly verdict: "good" | "damaged" | "unknown-format";
  /** Where it is good. */
  readonly info?: CheckpointInfo;
  /** Where it is not. */
  readonly reason?: string;
}

/** On the topic `checkpoint.fell-back`. */
export interface CheckpointFallback {
  readonly id: string;
  readonly version: number;
  readonly fellBack: readonly PassedOver[];
}

/** On the topic `checkpoint.failed`. A failed prune after a checkpoint that was kept is told here and nowhere else. */
export interface CheckpointFailure {
  readonly id: string;
  readonly operation: "checkpoint" | "restore" | "prune";
  readonly error: unknown;
}

export interface CheckpointStatistics {
  /** Kept and acknowledged. */
  readonly checkpoints: number;
  readonly restores: number;
  readonly fallbacks: number;
  /** Versions removed because there were newer ones. */
  readonly pruned: number;
  /** Of checkpoints, restores and prunes; aborts and conflicts are not among them. */
  readonly failures: number;
  readonly conflicts: number;
  /** Kept bytes, headers included. */
  readonly bytesWritten: number;
  /** Time in which a checkpoint was being taken, prunes included. */
  readonly checkpointMs: number;
  /** Time within `timeWork`, less `checkpointMs` that fell into it; where that was never called, all other time. */
  readonly workMs: number;
  /** `checkpointMs / workMs`; 0 where there was no work. */
  readonly overheadRatio: number;
}

export interface Settings {
  readonly keep: number;
  readonly limitBytes: number;
  readonly componentLimit: number;
  readonly queueLimit: number;
}

const largestState = 2 ** 31 - 1_024;

/** Throws CHECKPOINT_BAD_OPTION. */
export function settingsOf(options: CheckpointsOptions): Settings {
  return {
    keep: whole("keep", options.keep ?? 3, 2, 1_000_000),
    limitBytes: whole("limitBytes", options.limitBytes ?? 256 * 1024 * 1024, 0, largestState),
    componentLimit: whole("componentLimit", options.componentLimit ?? 1_000, 1, 1_000_000),
    queueLimit: whole("queueLimit", options.queueLimit ?? 16, 1, 1_000_000),
  };
}

export function whole(name: string, value: number, least: number, most: number): number {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return value;
  throw new HoldfastError("CHECKPOINT_BAD_OPTION", `${name} is ${value}`, {
    hint: `Give a whole number from ${least} to ${most}.`,
    details: { name, value: String(value) },
  });
}
