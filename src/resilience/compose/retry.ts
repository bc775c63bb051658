/**
 * Makes a call again after it failed, a bounded number of times, with a wait between that spreads callers.
 *
 * - Who aborts ends the wait within the turn, and the operation is never called again.
 * - When no attempt is left, or the failure is not for retrying, the caller gets the operation's own last error (or its
 *   last result, where that was what was not good enough): the very value, in no wrapper. `onGiveUp` says why.
 * - Without a filter all errors are retried but those that say `retryable: false` and broken invariants.
 * - A refusal that says when to come again (`retryAfterMs`, of a breaker or a rate limit) is waited for, and the
 *   back-off added on top, so that those who were refused together do not come together. One that says a time beyond
 *   `retryAfterLimitMs` is given up on at once.
 * - With a budget, extra calls are bounded over all policies that share it.
 */

import {
  AssertionFailure,
  type Clock,
  delay,
  HoldfastError,
  type Listener,
  type Random,
  systemClock,
  systemRandom,
  Topic,
} from "../../base/index.ts";
import { CallContext, type Operation, type Policy, type RunOptions, untilCallerLeaves } from "../call.ts";
import type { Condition, ConditionContext } from "../condition.ts";
import {
  choiceOption,
  durationOption,
  functionOption,
  knownOptions,
  nameOption,
  numberOption,
  partOption,
} from "../option.ts";
import { type Backoff, type BackoffStep, decorrelatedJitter } from "./backoff.ts";
import { detailOf, type FailurePredicate, failureVariables, filterOption } from "./failure-filter.ts";
import type { RetryBudget } from "./retry-budget.ts";

export interface RetryOptions {
  /** Names the policy in its events. Default "retry". */
  readonly name?: string | undefined;
  /** The first call included: 1 or more, or Infinity. Default 3. */
  readonly maximumAttempts?: number | undefined;
  /** Default `decorrelatedJitter()`: 100 ms to 30 s. */
  readonly backoff?: Backoff | undefined;
  /** No single wait for the back-off is longer. Default 1 hour. */
  readonly maximumDelayMs?: number | undefined;
  /** Whether a refusal's `retryAfterMs` is waited for. Default true. */
  readonly honourRetryAfter?: boolean | undefined;
  /** Given up on at once where a refusal asks for a longer wait. Default 1 minute. */
  readonly retryAfterLimitMs?: number | undefined;
  readonly budget?: RetryBudget | undefined;
  /** Whether an error is for retrying. Without it see above. */
  readonly retryable?: FailurePredicate | undefined;
  /** Whether a result is as bad as an error. */
  readonly retryableResult?: ((result: unknown, context: CallContext) => boolean) | undefined;
  /**
   * One more condition for errors, as an expression or a function. Expressions know `attempt` (those made),
   * `max_attempts`, `depth` (retries made), `max_depth`, `elapsed_time` (ms since the call began), `error_code`,
   * `retryable`, `retry_after` and `timeout` (ms, as the error tells them, else 0), and `variables`.
   */
  readonly when?: Condition | FailurePredicate | undefined;
  /** What else an expression may ask; wins over the names above. */
  readonly variables?: ConditionContext | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
}

export interface RetryEvent {
  readonly name: string;
  /** The attempt that failed. */
  readonly attempt: number;
  readonly delayMs: number;
  readonly error: unknown;
}

export interface GiveUpEvent {
  readonly name: string;
  readonly attempts: number;
  /** No attempt left; a filter said no; the refusal asks for too long a wait; the budget is spent. */
  readonly reason: GiveUpReason;
  readonly error: unknown;
}

export type GiveUpReason = "attempts" | "filter" | "retry-after" | "budget";

export interface RetryStatistics {
  readonly calls: number;
  readonly attempts: number;
  readonly successes: number;
  /** Calls given up on. */
  readonly failures: number;
  /** Calls whose caller left. */
  readonly aborted: number;
}

const owner = { name: "retry", code: "RETRY_OPTION" } as const;
const optionNames = [
  ...["name", "maximumAttempts", "backoff", "maximumDelayMs", "honourRetryAfter", "retryAfterLimitMs", "budget"],
  ...["retryable", "retryableResult", "when", "variables", "clock", "random"],
];

/** The failure of one attempt, and what the call was at the time. */
interface Attempt {
  readonly number: number;
  readonly context: CallContext;
  readonly startMs: number;
  readonly previousDelayMs: number;
  /** True where the result was not good enough: then there is no error. */
  readonly byResult: boolean;
  readonly error: unknown;
}

export class RetryPolicy implements Policy {
  readonly name: string;
  readonly maximumAttempts: number;
  readonly #backoff: Backoff;
  readonly #maximumDelayMs: number;
  readonly #retryAfterLimitMs: number | undefined;
  readonly #budget: RetryBudget | undefined;
  readonly #retryable: FailurePredicate;
  readonly #retryableResult: ((result: unknown, context: CallContext) => boolean) | undefined;
  readonly #when: Condition | FailurePredicate | undefined;
  readonly #variables: ConditionContext;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #retries = new Topic<RetryEvent>("retry.attempt");
  readonly #giveUps = new Topic<GiveUpEvent>("retry.give-up");
  readonly #counts = { calls: 0, attempts: 0, successes: 0, failures: 0, aborted: 0 };

  constructor(options: RetryOptions) {
    knownOptions(owner, options, optionNames);
    this.name = nameOption(owner, options.name, "retry");
    const attempts = { least: 1, whole: true, endless: true };
    this.maximumAttempts = numberOption(owner, "maximumAttempts", options.maximumAttempts ?? 3, attempts);
    this.#backoff = functionOption(owner, "backoff", options.backoff) ?? decorrelatedJitter();
    this.#maximumDelayMs = durationOption(owner, "maximumDelayMs", options.maximumDelayMs ?? 3_600_000);
    const limitMs = durationOption(owner, "retryAfterLimitMs", options.retryAfterLimitMs ?? 60_000);
    const honours = choiceOption(owner, "honourRetryAfter", options.honourRetryAfter ?? true, [true, false]);
    this.#retryAfterLimitMs = honours ? limitMs : undefined;
    this.#budget = partOption(owner, "budget", options.budget, "tryWithdraw");
    this.#retryable = functionOption(owner, "retryable", options.retryable) ?? isRetryable;
    this.#retryableResult = functionOption(owner, "retryableResult", options.retryableResult);
    this.#when = filterOption(owner, "when", options.when);
    this.#variables = options.variables ?? {};
    this.#clock = partOption(owner, "clock", options.clock, "schedule") ?? systemClock;
    this.#random = functionOption(owner, "random", options.random) ?? systemRandom;
  }

  run<T>(operation: Operation<T>, options?: RunOptions): Promise<T> {
    return untilCallerLeaves(this.#run(operation, CallContext.of(options)), options);
  }

  statistics(): RetryStatistics {
    return { ...this.#counts };
  }

  /** Called before the wait for each further attempt. */
  onRetry(listener: Listener<RetryEvent>): Disposable {
    return this.#retries.subscribe(listener);
  }

  /** Called when a call has failed for good. */
  onGiveUp(listener: Listener<GiveUpEvent>): Disposable {
    return this.#giveUps.subscribe(listener);
  }

  async #run<T>(operation: Operation<T>, outer: CallContext): Promise<T> {
    this.#counts.calls++;
    const call = this.#budget?.enter(outer) ?? outer;
    const startMs = this.#when === undefined ? 0 : this.#clock.monotonicMs();
    let previousDelayMs = 0;
    for (let number = 1; ; number++) {
      this.#leaveIfAborted(call);
      const context = call.attempt === number ? call : nextAttempt(call, number);
      this.#counts.attempts++;
      let byResult = true;
      let result: T | undefined;
      let error: unknown;
      try {
        result = await operation(context);
      } catch (thrown) {
        byResult = false;
        error = thrown;
      }
      if (byResult && !this.#isForRepeating(result, context)) {
        this.#counts.successes++;
        return result as T;
      }
      this.#leaveIfAborted(call);
      const attempt = { number, context, startMs, previousDelayMs, byResult, error };
      if (!this.#goesOn(attempt)) {
        if (byResult) return result as T;
        throw error;
      }
      previousDelayMs = this.#delayAfter(attempt);
      if (this.#retries.active)
        this.#retries.publish({ name: this.name, attempt: number, delayMs: previousDelayMs, error });
      await this.#wait(previousDelayMs + this.#retryAfter(error), call);
    }
  }

  async #wait(delayMs: number, call: CallContext): Promise<void> {
    try {
      await delay(delayMs, { clock: this.#clock, signal: call.callerSignal });
    } catch (reason) {
      this.#counts.aborted++;
      throw reason;
    }
  }

  #leaveIfAborted(call: CallContext): void {
    if (!call.aborted) return;
    this.#counts.aborted++;
    throw call.reason;
  }

  #goesOn(attempt: Attempt): boolean {
    const reason = this.#reasonToGiveUp(attempt);
    if (reason === undefined) return true;
    this.#counts.failures++;
    if (this.#giveUps.active) {
      this.#giveUps.publish({ name: this.name, attempts: attempt.number, reason, error: attempt.error });
    }
    return false;
  }

  /** The budget is asked last, so that nothing is taken from it for an attempt that is not made. */
  #reasonToGiveUp(attempt: Attempt): GiveUpReason | undefined {
    if (attempt.number >= this.maximumAttempts) return "attempts";
    if (!attempt.byResult && !this.#isForRetrying(attempt)) return "filter";
    if (this.#retryAfter(attempt.error) > (this.#retryAfterLimitMs ?? Infinity)) return "retry-after";
    return this.#budget?.tryWithdraw() === false ? "budget" : undefined;
  }

  #isForRetrying(attempt: Attempt): boolean {
    const { error, context } = attempt;
    try {
      if (!this.#retryable(error, context)) return false;
      if (this.#when === undefined) return true;
      return typeof this.#when === "function"
        ? this.#when(error, context)
        : this.#when.test({ ...this.#variablesOf(attempt), ...this.#variables });
    } catch (fault) {
      throw this.#faulty("RETRY_FILTER", "the filter of errors", fault, error);
    }
  }

  #isForRepeating(result: unknown, context: CallContext): boolean {
    try {
      return this.#retryableResult?.(result, context) === true;
    } catch (fault) {
      throw this.#faulty("RETRY_FILTER", "the filter of results", fault);
    }
  }

  /** The call has failed by a function that was asked about it; that hides no error of the operation's. */
  #faulty(code: "RETRY_FILTER" | "RETRY_BACKOFF", what: string, fault: unknown, ...own: unknown[]): HoldfastError {
    this.#counts.failures++;
    return new HoldfastError(code, `${this.name}: ${what} failed itself`, {
      hint: "The cause holds the operation's error where there was one, then the function's own.",
      cause: new AggregateError([...own, fault], `${what} failed`),
    });
  }

  #variablesOf({ number, context, error, startMs }: Attempt): ConditionContext {
    return {
      ...failureVariables(error, context),
      max_attempts: this.maximumAttempts,
      depth: number - 1,
      max_depth: this.maximumAttempts - 1,
      elapsed_time: this.#clock.monotonicMs() - startMs,
    };
  }

  #delayAfter({ number, previousDelayMs, error }: Attempt): number {
    const delayMs = this.#askBackoff({ attempt: number, previousDelayMs, random: this.#random, error });
    // Where nothing sane was said the longest wait is the careful one: the shortest would be a busy loop.
    if (typeof delayMs !== "number" || Number.isNaN(delayMs)) return this.#maximumDelayMs;
    return Math.min(Math.max(0, delayMs), this.#maximumDelayMs);
  }

  #askBackoff(step: BackoffStep): number {
    try {
      return this.#backoff(step);
    } catch (fault) {
      throw this.#faulty("RETRY_BACKOFF", "the back-off", fault, step.error);
    }
  }

  #retryAfter(error: unknown): number {
    return this.#retryAfterLimitMs === undefined ? 0 : (detailOf(error, "retryAfterMs") ?? 0);
  }
}

/**
 * Throws RETRY_OPTION. Its `run` rejects with the operation's last error, or with RETRY_FILTER or RETRY_BACKOFF where a
 * function of these options threw.
 */
export function retry(options: RetryOptions = {}): RetryPolicy {
  return new RetryPolicy(options);
}

function nextAttempt(call: CallContext, number: number): CallContext {
  return call.with({ attempt: number, isExtra: number > 1 || call.isExtra });
}

function isRetryable(error: unknown): boolean {
  return HoldfastError.is(error) ? error.retryable : !(error instanceof AssertionFailure);
}
