/** What a breaker tells: its changes, its failures, its numbers. */

import type { BreakerState, Opening, Outcome } from "./state.ts";

export interface BreakerStateChange {
  readonly breaker: string;
  readonly from: BreakerState;
  readonly to: BreakerState;
  /** By the wall clock. */
  readonly atMs: number;
  /** Counts the states entered. */
  readonly generation: number;
  /** What opened it, where `to` is "open". */
  readonly opening: Opening | undefined;
}

export interface FailedCall {
  readonly breaker: string;
  readonly error: unknown;
  /** What it was taken for: "neutral" where it was excluded or the caller had aborted. */
  readonly outcome: Outcome;
  /** True where the call began in an earlier state and so counted for nothing. */
  readonly late: boolean;
}

/** A check that did not hold. Where `state` is "open", conservative mode takes `message` for its reason (SPEC R5). */
export interface CheckFailure {
  readonly breaker: string;
  readonly message: string;
  readonly value: unknown;
  /** As it was found, before the violation counted. */
  readonly state: BreakerState;
}

/** Since construction. A call is counted once: as success, failure, neutral, late or rejected. */
export interface BreakerStatistics {
  readonly successes: number;
  readonly failures: number;
  readonly neutral: number;
  readonly late: number;
  readonly rejected: number;
  readonly checkFailures: number;
  readonly openings: number;
}

export interface BreakerExplanation {
  readonly breaker: string;
  readonly state: BreakerState;
  /** By the wall clock. */
  readonly sinceMs: number;
  /** Which rule opened it last, and the numbers it saw. */
  readonly opening: Opening | undefined;
  /** Until trial calls are let in, where it is open. */
  readonly retryAfterMs: number;
  /** Share of calls admitted now. */
  readonly admission: number;
  readonly consecutiveFailures: number;
  readonly averageRate: number;
  /** Calls counted since it closed. */
  readonly calls: number;
  readonly window: { readonly calls: number; readonly failures: number; readonly slow: number } | undefined;
  readonly isolatedBy: readonly string[];
}
