/** What checkpoints are set to, what they tell, and what they come back with. */

import type { Clock } from "../../base/index.ts";
import { durationOption, functionOption, knownOptions, numberOption, partOption } from "../option.ts";
import type { CheckpointBackend } from "./backend.ts";
import type { CheckpointInfo } from "./envelope.ts";
import type { PassedOver } from "./search.ts";

const owner = { name: "checkpoints", code: "CHECKPOINT_OPTION" } as const;

export interface CheckpointsOptions {
  /** Closed together with the checkpoints that stand on it. */
  readonly backend: CheckpointBackend;
  /** Newest good versions that are left of each component. Default 3, at least 2, at most 1,000,000. */
  readonly keep?: number | undefined;
  /** Of one state, bytes. Default 256 MiB, at most 2 GiB less 1 KiB. */
  readonly limitBytes?: number | undefined;
  /** Components that may be registered. Default 1,000. */
  readonly componentLimit?: number | undefined;
  /** Calls that may wait for one component without being able to share a run. Default 16. */
  readonly queueLimit?: number | undefined;
  readonly clock?: Clock | undefined;
  /** For the nonce in each header. Default: the platform's. */
  readonly randomBytes?: ((count: number) => Uint8Array) | undefined;
}

export interface CheckpointOptions {
  readonly signal?: AbortSignal | undefined;
  /**
   * Of two writers that expect the same version, exactly one succeeds; the other gets CHECKPOINT_CONFLICT. The newest
   * version that the new one is to follow; 0 where there is to be none yet. Default: whatever is the newest.
   */
  readonly expectedVersion?: number | undefined;
}

export interface RestoreOptions {
  readonly signal?: AbortSignal | undefined;
  /** Default "latest": the newest good one. A number: that one or none. */
  readonly version?: number | "latest" | undefined;
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

/** How long a server may take to answer. Throws CHECKPOINT_OPTION. */
export function timeoutOption(timeoutMs: number): number {
  return durationOption(owner, "timeoutMs", timeoutMs, 1);
}

export interface Settings {
  readonly keep: number;
  readonly limitBytes: number;
  readonly componentLimit: number;
  readonly queueLimit: number;
}

const largestState = 2 ** 31 - 1_024;

const optionNames = ["backend", "keep", "limitBytes", "componentLimit", "queueLimit", "clock", "randomBytes"];

/** Throws CHECKPOINT_OPTION. */
export function settingsOf(options: CheckpointsOptions): Settings {
  knownOptions(owner, options, optionNames);
  partOption(owner, "backend", options.backend ?? null, "put");
  partOption(owner, "clock", options.clock, "schedule");
  functionOption(owner, "randomBytes", options.randomBytes);
  return {
    keep: whole("keep", options.keep ?? 3, 2, 1_000_000),
    limitBytes: whole("limitBytes", options.limitBytes ?? 256 * 1024 * 1024, 0, largestState),
    componentLimit: whole("componentLimit", options.componentLimit ?? 1_000, 1, 1_000_000),
    queueLimit: whole("queueLimit", options.queueLimit ?? 16, 1, 1_000_000),
  };
}

export function whole(name: string, value: number, least: number, most: number): number {
  return numberOption(owner, name, value, { least, most, whole: true });
}
