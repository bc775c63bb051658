/**
 * The words of a circuit breaker (SPEC R1): its states, the outcomes of a call, and why it opened.
 */

/** "isolated" is laid over the other three by hand (R6); what lies below goes on by its own time meanwhile. */
export type BreakerState = "closed" | "open" | "half-open" | "isolated";

/** "neutral" is neither: an excluded error, or a caller that no longer wants the result (R4). It moves nothing. */
export type Outcome = "success" | "failure" | "neutral";

export type OpeningRule =
  /** Failures in a row. */
  | "consecutive-failures"
  /** The moving average of the failure rate. */
  | "average-rate"
  /** The share of failures in the window. */
  | "window-failures"
  /** The share of slow calls in the window. */
  | "window-slow-calls"
  /** A trial call failed in half-open. */
  | "probe-failed"
  /** A trial call did not end within its lease. */
  | "probe-expired"
  /** `trip` was called. */
  | "by-hand"
  /** A snapshot could not be believed. */
  | "damaged-snapshot";

/** Which rule opened the breaker, and the numbers that it saw. */
export interface Opening {
  readonly rule: OpeningRule;
  readonly numbers: Readonly<Record<string, number>>;
  /** For people, without the breaker's name: "5 failures in a row, 5 allowed". */
  readonly reason: string;
}

/** A call that was not let in. */
export class Refusal {
  readonly state: BreakerState;
  /** When to come back at the earliest; a hint, not a reservation. Undefined where only a person can end it. */
  readonly retryAfterMs: number | undefined;
  readonly reason: string;

  constructor(state: BreakerState, retryAfterMs: number | undefined, reason: string) {
    this.state = state;
    this.retryAfterMs = retryAfterMs;
    this.reason = reason;
  }
}
