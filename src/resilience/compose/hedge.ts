/**
 * Starts a second copy of a call that is slow, and takes whichever succeeds first: for operations that may be done
 * twice. After J. Dean and L. A. Barroso, "The Tail at Scale", CACM 56(2), 2013, who wait for the 95th percentile.
 *
 * - The others are aborted through signals of their own, with HEDGE_LOST; to a breaker inside that is a caller who
 *   left, so they count neither way. What ignores its signal is unheard, and a bulkhead keeps its slot for it.
 * - A copy that fails while others run is waited past. When all that run have failed, the call fails with the error of
 *   the first copy to fail: against failures there is retry, here no further copy is started for them.
 * - With a budget, copies are bounded together with the retries that share it.
 * - At most one timer a call, none after it.
 */

import {
  addAbortCallback,
  type Clock,
  HoldfastError,
  isThenable,
  LinkedController,
  type Listener,
  removeAbortCallback,
  systemClock,
  Topic,
} from "../../base/index.ts";
import { CallContext, holdUntilEnd, type Operation, type Policy, type RunOptions, untilCallerLeaves } from "../call.ts";
import {
  type Complete,
  durationOption,
  knownOptions,
  nameOption,
  numberOption,
  optionError,
  partOption,
} from "../option.ts";
import { LatencyQuantile } from "./latency-quantile.ts";
import type { RetryBudget } from "./retry-budget.ts";

/** A delay that follows the latency of late. */
export interface QuantileDelay {
  /** Above 0 and below 1: 0.95 hedges about every twentieth call. */
  readonly quantile: number;
  /** The delay while fewer than ten calls have succeeded. */
  readonly initialMs: number;
  /** Bounds of the delay. Default 1 ms and 1 minute. */
  readonly minimumMs?: number | undefined;
  readonly maximumMs?: number | undefined;
}

export interface HedgeOptions {
  /** Names the policy in its events. Default "hedge". */
  readonly name?: string | undefined;
  /** How long each copy may take before the next is started. */
  readonly delayMs: number | QuantileDelay;
  /** Copies beside the first: 1 to 100. Default 1. */
  readonly maximumHedges?: number | undefined;
  readonly budget?: RetryBudget | undefined;
  readonly clock?: Clock | undefined;
}

export interface HedgeEvent {
  readonly name: string;
  /** 1 for the first extra copy. */
  readonly hedge: number;
  readonly delayMs: number;
}

export interface HedgeStatistics {
  readonly calls: number;
  /** Extra copies started. */
  readonly hedges: number;
  /** Calls that an extra copy answered. */
  readonly hedgeWins: number;
  readonly failures: number;
  /** What the next call would wait before its first extra copy. */
  readonly delayMs: number;
}

interface Copy {
  readonly link: LinkedController;
  readonly isHedge: boolean;
  work: Promise<unknown> | undefined;
}

const owner = { name: "hedge", code: "HEDGE_OPTION" } as const;
const optionNames = ["name", "delayMs", "maximumHedges", "budget", "clock"];
const delayNames = ["quantile", "initialMs", "minimumMs", "maximumMs"];
const samplesNeeded = 10;

export class HedgePolicy implements Policy {
  readonly name: string;
  readonly maximumHedges: number;
  readonly clock: Clock;
  readonly budget: RetryBudget | undefined;
  readonly #fixedMs: number;
  readonly #bounds: Complete<QuantileDelay> | undefined;
  readonly #latency: LatencyQuantile | undefined;
  readonly #topic = new Topic<HedgeEvent>("hedge.started");
  readonly #counts = { calls: 0, hedges: 0, hedgeWins: 0, failures: 0 };

  constructor(options: HedgeOptions) {
    knownOptions(owner, options, optionNames);
    this.name = nameOption(owner, options.name, "hedge");
    const { delayMs } = options;
    this.#bounds = typeof delayMs === "object" ? boundsOf(delayMs) : undefined;
    this.#latency = this.#bounds === undefined ? undefined : new LatencyQuantile(this.#bounds.quantile);
    this.#fixedMs = typeof delayMs === "object" ? 0 : durationOption(owner, "delayMs", delayMs);
    const copies = { least: 1, most: 100, whole: true };
    this.maximumHedges = numberOption(owner, "maximumHedges", options.maximumHedges ?? 1, copies);
    this.budget = partOption(owner, "budget", options.budget, "tryWithdraw");
    this.clock = partOption(owner, "clock", options.clock, "schedule") ?? systemClock;
  }

  run<T>(operation: Operation<T>, options?: RunOptions): Promise<T> {
    const outer = CallContext.of(options);
    const work = new Promise<T>((resolve, reject) => {
      outer.throwIfAborted();
      this.#counts.calls++;
      new HedgedCall(this, this.#report, operation, this.budget?.enter(outer) ?? outer, resolve, reject).start();
    });
    return untilCallerLeaves(work, options);
  }

  statistics(): HedgeStatistics {
    return { ...this.#counts, delayMs: this.delayMs() };
  }

  /** Called when an extra copy is started. */
  onHedge(listener: Listener<HedgeEvent>): Disposable {
    return this.#topic.subscribe(listener);
  }

  delayMs(): number {
    if (this.#bounds === undefined || this.#latency === undefined) return this.#fixedMs;
    if (this.#latency.count < samplesNeeded) return this.#bounds.initialMs;
    return Math.min(Math.max(this.#latency.valueMs, this.#bounds.minimumMs), this.#bounds.maximumMs);
  }

  /** What a call tells its policy. */
  readonly #report: Report = {
    hedged: (hedge, delayMs) => {
      this.#counts.hedges++;
      if (this.#topic.active) this.#topic.publish({ name: this.name, hedge, delayMs });
    },
    won: (byHedge, firstCopyMs) => {
      if (byHedge) this.#counts.hedgeWins++;
      this.#latency?.add(firstCopyMs());
    },
    failed: () => {
      this.#counts.failures++;
    },
  };
}

interface Report {
  hedged(hedge: number, delayMs: number): void;
  /**
   * Where an extra copy won, the time of the first is what it has taken so far: a lower bound, without which the delay
   * would learn from the fast calls alone and sink.
   */
  won(byHedge: boolean, firstCopyMs: () => number): void;
  failed(): void;
}

/** One call and its copies. */
class HedgedCall<T> {
  readonly #policy: HedgePolicy;
  readonly #report: Report;
  readonly #operation: Operation<T>;
  readonly #context: CallContext;
  readonly #resolve: (value: T) => void;
  readonly #reject: (error: unknown) => void;
  readonly #copies: Copy[] = [];
  readonly #startMs: number;
  #running = 0;
  #isSettled = false;
  #hasFailed = false;
  #firstError: unknown;
  #stopTimer = (): void => {};
  #signal: AbortSignal | undefined;
  readonly #onAbort = (): void => this.#leave();

  constructor(
    policy: HedgePolicy,
    report: Report,
    operation: Operation<T>,
    context: CallContext,
    resolve: (value: T) => void,
    reject: (error: unknown) => void,
  ) {
    this.#policy = policy;
    this.#report = report;
    this.#operation = operation;
    this.#context = context;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#startMs = policy.clock.monotonicMs();
  }

  start(): void {
    this.#signal = this.#context.callerSignal;
    if (this.#signal !== undefined) addAbortCallback(this.#signal, this.#onAbort);
    this.#launch();
    this.#expectNext();
  }

  #launch(): void {
    const isHedge = this.#copies.length > 0;
    const copy: Copy = { link: new LinkedController(undefined), isHedge, work: undefined };
    this.#copies.push(copy);
    this.#running++;
    try {
      const value = this.#operation(
        isHedge
          ? this.#context.with({ signal: copy.link, isHedge, isExtra: true })
          : this.#context.with({ signal: copy.link }),
      );
      if (!isThenable(value)) return this.#succeed(copy, value);
      const work = Promise.resolve(value);
      copy.work = work;
      work.then(
        (result) => this.#succeed(copy, result),
        (error: unknown) => this.#fail(copy, error),
      );
    } catch (error) {
      this.#fail(copy, error);
    }
  }

  #expectNext(): void {
    const hedge = this.#copies.length;
    if (this.#isSettled || this.#context.aborted || hedge > this.#policy.maximumHedges) return;
    const delayMs = this.#policy.delayMs();
    this.#stopTimer = this.#policy.clock.schedule(delayMs, () => {
      if (this.#policy.budget?.tryWithdraw() === false) return;
      this.#report.hedged(hedge, delayMs);
      this.#launch();
      this.#expectNext();
    });
  }

  #succeed(copy: Copy, value: T): void {
    copy.work = undefined;
    this.#running--;
    if (this.#isSettled) return;
    this.#settle();
    this.#report.won(copy.isHedge, () => this.#policy.clock.monotonicMs() - this.#startMs);
    this.#resolve(value);
    if (this.#running > 0) this.#dropOthers();
  }

  #fail(copy: Copy, error: unknown): void {
    copy.work = undefined;
    this.#running--;
    if (this.#isSettled) return;
    if (!this.#hasFailed) {
      this.#hasFailed = true;
      this.#firstError = error;
    }
    if (this.#running > 0) return;
    this.#settle();
    this.#report.failed();
    this.#reject(this.#firstError);
  }

  #settle(): void {
    this.#isSettled = true;
    this.#stopTimer();
    if (this.#signal !== undefined) removeAbortCallback(this.#signal, this.#onAbort);
  }

  #dropOthers(): void {
    const reason = new HoldfastError("HEDGE_LOST", `${this.#policy.name}: another copy of the call has answered`);
    for (const { link, work } of this.#copies) {
      if (work === undefined) continue;
      holdUntilEnd(this.#context, work);
      link.abort(reason);
    }
  }

  /** The caller has left: no more copies, and those that run are told. */
  #leave(): void {
    this.#stopTimer();
    for (const { link } of this.#copies) link.abort(this.#context.reason);
  }
}

/** Throws HEDGE_OPTION. */
export function hedge(options: HedgeOptions): HedgePolicy {
  return new HedgePolicy(options);
}

function boundsOf(options: QuantileDelay): Complete<QuantileDelay> {
  knownOptions(owner, options, delayNames);
  const quantile = numberOption(owner, "quantile", options.quantile, { least: Number.MIN_VALUE, most: 1 - 2 ** -20 });
  const initialMs = durationOption(owner, "initialMs", options.initialMs);
  const minimumMs = durationOption(owner, "minimumMs", options.minimumMs ?? 1);
  const maximumMs = durationOption(owner, "maximumMs", options.maximumMs ?? Math.max(60_000, minimumMs));
  if (maximumMs >= minimumMs) return { quantile, initialMs, minimumMs, maximumMs };
  throw optionError(owner, "maximumMs", maximumMs, `at least minimumMs (${minimumMs})`);
}
