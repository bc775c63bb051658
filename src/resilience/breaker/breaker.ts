/**
 * A circuit breaker (SPEC R1-R7): stops calling what fails, tries it again with few calls, lets the load back in by and
 * by, and survives a restart.
 *
 * It guards functions (`run`, `runSync`) and anything else (`acquire`). Verdicts count in the state in which their call
 * was admitted and nowhere else; a caller's own abort and excluded errors move nothing; listeners cannot change a
 * result; there is no timer, so nothing has to be shut down.
 */

import { type Clock, HoldfastError, type Listener, reportFailure, Topic } from "../../base/index.ts";
import { CallContext, type Operation, type Policy, type RunOptions, untilCallerLeaves } from "../call.ts";
import { within } from "./check-option.ts";
import type { BreakerExplanation, BreakerStateChange, BreakerStatistics, CheckFailure, FailedCall } from "./events.ts";
import { explain } from "./explain.ts";
import type { Isolation } from "./isolation.ts";
import { BreakerMachine, type Probe } from "./machine.ts";
import { type BreakerSettings, type CircuitBreakerOptions, settingsOf } from "./options.ts";
import { Permit } from "./permit.ts";
import { refusalError } from "./refusal-error.ts";
import { type BreakerState, type Outcome, Refusal } from "./state.ts";

/** Throws BREAKER_OPTION where an option is not what it may be. */
export function circuitBreaker(options: CircuitBreakerOptions): CircuitBreaker {
  const settings = settingsOf(options);
  return new CircuitBreaker(options.name, settings);
}

export class CircuitBreaker implements Policy {
  readonly name: string;
  readonly #settings: BreakerSettings;
  readonly #clock: Clock;
  readonly #machine: BreakerMachine;
  readonly #counts = { successes: 0, failures: 0, neutral: 0, rejected: 0, checkFailures: 0, openings: 0 };
  #reactions: Reactions | undefined;
  // Made when first subscribed to: of thousands of breakers few have listeners of their own.
  #isolations: Set<Isolation> | undefined;
  #stateChange: Topic<BreakerStateChange> | undefined;
  #failedCall: Topic<FailedCall> | undefined;
  #checkFailure: Topic<CheckFailure> | undefined;

  /** Use `circuitBreaker(options)`. */
  constructor(name: string, settings: BreakerSettings) {
    this.name = name;
    this.#settings = settings;
    this.#clock = settings.clock;
    this.#machine = new BreakerMachine(settings, (from, to) => this.#onTransition(from, to));
  }

  /** @internal For those who keep and restore its state. */
  get machine(): BreakerMachine {
    return this.#machine;
  }

  get state(): BreakerState {
    return this.#machine.state;
  }

  /**
   * Calls the operation, if it may be called. Rejects with the operation's own error; with BREAKER_OPEN,
   * BREAKER_HALF_OPEN, BREAKER_RAMPING or BREAKER_ISOLATED, which carry `retryAfterMs` in their details; or, without
   * calling, with the signal's reason; it does so too when the signal aborts meanwhile, and then counts how the
   * operation ends: neutral if it fails.
   */
  run<T>(operation: Operation<T>, options?: RunOptions): Promise<T> {
    const context = CallContext.of(options);
    if (context.aborted) return Promise.reject(context.reason);
    const probe = this.#machine.steady ? undefined : this.#machine.admit();
    if (probe instanceof Refusal) return Promise.reject(this.#refused(probe));
    const isPlain = probe === undefined && !context.isAbortable && this.#settings.slowCallMs === Infinity;
    const reactions = isPlain ? (this.#reactions ??= this.#react()) : this.#react(context, probe);
    try {
      const result = operation(context);
      const promise = result instanceof Promise ? result : Promise.resolve(result);
      const settled = promise.then(reactions.fulfilled as (value: T) => T, reactions.rejected);
      return isPlain ? settled : untilCallerLeaves(settled, options);
    } catch (error) {
      return Promise.reject(error).catch(reactions.rejected);
    }
  }

  /** As `run`, for an operation that ends when it returns. A promise it returns is a result like any other. */
  runSync<T>(operation: () => T): T {
    const machine = this.#machine;
    const probe = machine.steady ? undefined : this.#admit();
    const generation = machine.generation;
    const startedMs = this.#startedMs();
    let result: T;
    try {
      result = operation();
    } catch (error) {
      this.#failed(error, undefined, generation, probe, startedMs);
      throw error;
    }
    this.#ended(result, generation, probe, startedMs);
    return result;
  }

  /** Leave for one call that is no function. Throws as `run` does; `tryAcquire` returns the refusal instead. */
  acquire(): Permit {
    const permit = this.tryAcquire();
    if (permit instanceof Refusal) throw refusalError(this.name, permit);
    return permit;
  }

  tryAcquire(): Permit | Refusal {
    const machine = this.#machine;
    const probe = machine.admit();
    if (probe instanceof Refusal) {
      this.#counts.rejected++;
      return probe;
    }
    const generation = machine.generation;
    const startedMs = this.#clock.monotonicMs();
    return new Permit((outcome, error) => {
      if (outcome === "failure") this.#failed(error, undefined, generation, probe, startedMs);
      else this.#settle(outcome, generation, probe, startedMs);
    });
  }

  /**
   * In place of an assertion (SPEC R5): a condition that does not hold is counted, is a failure of what this guards,
   * and is told to `onCheckFailed`, with the state in which that found the breaker. Returns whether it holds; never
   * throws.
   */
  check(condition: unknown, message: string, value?: unknown): boolean {
    if (condition) return true;
    const { state } = this;
    this.#counts.checkFailures++;
    this.#measure("count", "check_failures_total", 1);
    this.#machine.fail();
    (this.#checkFailure ?? checkFailures).publish({ breaker: this.name, message, value, state });
    return false;
  }

  /** Refuses every call until disposed of (or for `forMs`); several may hold it at once. What lies below goes on. */
  isolate(reason: string, options: { readonly forMs?: number | undefined } = {}): Isolation {
    const { forMs } = options;
    const expiresAtMs =
      forMs === undefined ? Infinity : this.#clock.monotonicMs() + within("isolation's forMs", forMs, 0);
    const release = (): void => {
      this.#isolations?.delete(isolation);
      this.#machine.release(isolation);
    };
    const isolation: Isolation = { reason, expiresAtMs, release, [Symbol.dispose]: release };
    this.#isolations = new Set([...this.isolations, isolation]);
    this.#machine.hold(isolation);
    return isolation;
  }

  /** Who holds it by hand now, those of a restored snapshot among them; each can be released here. */
  get isolations(): readonly Isolation[] {
    const { holds } = this.#machine;
    return [...(this.#isolations ?? [])].filter((isolation) => holds.includes(isolation));
  }

  /** Opens it now, as a rule would. */
  trip(reason: string): void {
    this.#machine.open({ rule: "by-hand", numbers: {}, reason });
  }

  /** Lets trial calls in now, where it is open: somebody has seen a recovery (SPEC R9). */
  allowProbe(): void {
    this.#machine.allowProbe();
  }

  /** True where forgetting it would lose no more than counts: closed, everything admitted, held by nobody. */
  get isSteady(): boolean {
    return this.state === "closed" && this.#machine.steady;
  }

  /** Closes it, with nothing remembered and everything admitted. Isolations stay; `isolations` releases them. */
  reset(): void {
    this.#machine.close(undefined);
  }

  statistics(): BreakerStatistics {
    return { ...this.#counts, late: this.#machine.late };
  }

  /** Why it is in the state it is in: the rule and the numbers. `explanationText` makes a sentence of it. */
  explain(): BreakerExplanation {
    return explain(this.name, this.#machine);
  }

  /** Every change of state; on the diagnostics channel `holdfast:breaker.state` too. */
  onStateChange(listener: Listener<BreakerStateChange>): Disposable {
    return (this.#stateChange ??= new Topic(stateChanges.name)).subscribe(listener);
  }

  /** Every call that failed or was excluded; `holdfast:breaker.failure`. */
  onFailure(listener: Listener<FailedCall>): Disposable {
    return (this.#failedCall ??= new Topic(failedCalls.name)).subscribe(listener);
  }

  /** Every check that did not hold; `holdfast:breaker.check`. */
  onCheckFailed(listener: Listener<CheckFailure>): Disposable {
    return (this.#checkFailure ??= new Topic(checkFailures.name)).subscribe(listener);
  }

  /**
   * What follows on the end of a call that is admitted now. Of most calls nothing has to be remembered but the
   * generation, and then one pair does for all of them.
   */
  #react(context?: CallContext, probe?: Probe): Reactions {
    const { generation } = this.#machine;
    const startedMs = this.#startedMs();
    return {
      fulfilled: (result) => {
        this.#ended(result, generation, probe, startedMs);
        return result;
      },
      rejected: (error) => {
        this.#failed(error, context, generation, probe, startedMs);
        throw error;
      },
    };
  }

  /** Infinity where nobody asks how long calls take: then the clock is left alone. */
  #startedMs(): number {
    return this.#settings.slowCallMs === Infinity ? Infinity : this.#clock.monotonicMs();
  }

  #ended(result: unknown, generation: number, probe: Probe | undefined, startedMs: number): void {
    const { classifyResult } = this.#settings;
    if (classifyResult !== undefined) {
      this.#settle(this.#ask(classifyResult, result, "success"), generation, probe, startedMs);
    } else if (this.#machine.succeed(generation, probe, startedMs)) this.#counts.successes++;
  }

  #admit(): Probe | undefined {
    const probe = this.#machine.admit();
    if (probe instanceof Refusal) throw this.#refused(probe);
    return probe;
  }

  #refused(refusal: Refusal): HoldfastError {
    this.#counts.rejected++;
    return refusalError(this.name, refusal);
  }

  #failed(
    error: unknown,
    context: CallContext | undefined,
    generation: number,
    probe: Probe | undefined,
    startedMs: number,
  ): void {
    const outcome = this.#outcomeOf(error, context);
    const counted = this.#settle(outcome, generation, probe, startedMs);
    (this.#failedCall ?? failedCalls).publish({ breaker: this.name, error, outcome, late: !counted });
  }

  #settle(outcome: Outcome, generation: number, probe: Probe | undefined, startedMs: number): boolean {
    if (!this.#machine.settle(outcome, generation, probe, startedMs)) return false;
    if (outcome === "neutral") this.#counts.neutral++;
    else if (outcome === "success") this.#counts.successes++;
    else {
      this.#counts.failures++;
      this.#measure("count", "failures_total", 1);
    }
    return true;
  }

  #outcomeOf(error: unknown, context: CallContext | undefined): Outcome {
    // A timeout around the breaker aborts too, and is what the breaker is there to see.
    if (context?.aborted === true && !isTimeout(context.reason)) return "neutral";
    return this.#ask(this.#settings.classifyError, error, "failure");
  }

  /** A classifier is the user's: what it throws must not take the place of a result. */
  #ask(classify: ((value: unknown) => Outcome) | undefined, value: unknown, otherwise: Outcome): Outcome {
    if (classify === undefined) return otherwise;
    try {
      const outcome = classify(value);
      return outcome === "success" || outcome === "failure" || outcome === "neutral" ? outcome : otherwise;
    } catch {
      return otherwise;
    }
  }

  /** What collects metrics is the user's, as a listener is: what it throws is reported and changes nothing. */
  #measure(kind: "count" | "gauge", what: string, value: number): void {
    try {
      this.#settings.metrics?.[kind](`holdfast_breaker_${what}`, value, { breaker: this.name });
    } catch (error) {
      reportFailure("metrics", error);
    }
  }

  #onTransition(from: BreakerState, to: BreakerState): void {
    this.#reactions = undefined;
    if (to === "open") this.#counts.openings++;
    if (from === to) return;
    this.#measure("gauge", "state", stateNumbers[to]);
    const own = this.#stateChange ?? stateChanges;
    const all = this.#settings.keyedStateChange;
    if (!own.active && all?.active !== true) return;
    const { opening, generation, sinceMs } = this.#machine;
    const change: BreakerStateChange = {
      breaker: this.name,
      from,
      to,
      atMs: sinceMs,
      generation,
      opening: to === "open" ? opening : undefined,
    };
    own.publish(change);
    all?.publish(change);
  }
}

/** Where a breaker has no listeners of its own there may still be some on the diagnostics channels. */
const stateChanges = /* @__PURE__ */ new Topic<BreakerStateChange>("breaker.state");
const failedCalls = /* @__PURE__ */ new Topic<FailedCall>("breaker.failure");
const checkFailures = /* @__PURE__ */ new Topic<CheckFailure>("breaker.check");

interface Reactions {
  readonly fulfilled: (result: unknown) => unknown;
  readonly rejected: (error: unknown) => never;
}

/** As metrics have it: the higher, the less is admitted. */
const stateNumbers = { closed: 0, "half-open": 1, open: 2, isolated: 3 } as const;

function isTimeout(reason: unknown): boolean {
  return HoldfastError.is(reason) && reason.code === "TIMEOUT_EXCEEDED";
}
