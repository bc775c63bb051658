/**
 * Runs one check again and again: each run with its own time limit, never two at once.
 *
 * A run whose time is up is told so by its signal and counts as failed at once. Until it ends, it is not started again:
 * each period that it goes on hanging counts as one more failure and one skipped run. What it says late is not heard.
 */

import { type Clock, HoldfastError, reportFailure } from "../../base/index.ts";
import { type CheckResult, failureOf, type HealthCheck, resultOf } from "./check.ts";

interface Run {
  readonly controller: AbortController;
  readonly result: Promise<CheckResult>;
  readonly settle: (found: CheckResult) => void;
  timedOut: boolean;
}

export class CheckRunner {
  readonly check: HealthCheck;
  readonly everyMs: number;
  readonly timeoutMs: number;
  runs = 0;
  timeouts = 0;
  /** Periods in which no run was started because an earlier one still hung. */
  skipped = 0;
  readonly #clock: Clock;
  readonly #onResult: (result: CheckResult) => void;
  #stopTimer: (() => void) | undefined;
  #running: Run | undefined;
  #disposed = false;

  constructor(options: {
    readonly check: HealthCheck;
    readonly everyMs: number;
    readonly timeoutMs: number;
    readonly clock: Clock;
    readonly onResult: (result: CheckResult) => void;
  }) {
    this.check = options.check;
    this.everyMs = options.everyMs;
    this.timeoutMs = options.timeoutMs;
    this.#clock = options.clock;
    this.#onResult = options.onResult;
  }

  /** True while a run goes on after its time was up. */
  get isHung(): boolean {
    return this.#running?.timedOut === true;
  }

  /** The first run after `firstMs`, the others every period from then on. */
  start(firstMs: number): void {
    this.#stopTimer = this.#clock.schedule(
      firstMs,
      () => {
        this.start(this.everyMs);
        if (this.#running === undefined) void this.run();
        else if (this.isHung) this.#skip();
        else this.skipped++;
      },
      { background: true },
    );
  }

  /** The result of a run made now, or of the one under way; settles when its time is up at the latest. */
  run(): Promise<CheckResult> {
    if (this.#disposed) return Promise.resolve(failureOf("the checks were stopped"));
    if (this.#running !== undefined) {
      return this.isHung ? Promise.resolve(this.#skip()) : this.#running.result;
    }
    const controller = new AbortController();
    this.runs++;
    const { promise: result, resolve: settle } = Promise.withResolvers<CheckResult>();
    const running: Run = { controller, result, settle, timedOut: false };
    this.#running = running;
    const stopTimeout = this.#clock.schedule(this.timeoutMs, () => this.#timeOut(running), { background: true });
    controller.signal.addEventListener("abort", stopTimeout, { once: true });
    const end = (found: CheckResult): void => {
      stopTimeout();
      if (this.#running === running) this.#running = undefined;
      if (!running.timedOut && !this.#disposed) this.#tell(found);
      settle(found);
    };
    void invoke(this.check, controller.signal).then(end, (error: unknown) => end(failureOf(error)));
    return result;
  }

  /** Nothing is heard of it from here on. */
  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#stopTimer?.();
    const error = new HoldfastError("HEALTH_CHECKS_STOPPED", `the check "${this.check.name}" was stopped`);
    this.#running?.controller.abort(error);
    this.#running?.settle(failureOf(error));
    try {
      this.check[Symbol.dispose]?.();
    } catch (fault) {
      reportFailure("health.check", fault);
    }
  }

  /** What hears of a result, a breaker of somebody else's say, may fail without an effect on the checks. */
  #tell(found: CheckResult): void {
    try {
      this.#onResult(found);
    } catch (fault) {
      reportFailure("health.check", fault);
    }
  }

  #timeOut(running: Run): void {
    running.timedOut = true;
    this.timeouts++;
    const error = new HoldfastError(
      "HEALTH_CHECK_TIMEOUT",
      `the check "${this.check.name}" took longer than ${this.timeoutMs} ms`,
      { retryable: true, details: { check: this.check.name, timeoutMs: this.timeoutMs } },
    );
    const found = failureOf(error);
    this.#tell(found);
    running.settle(found);
    running.controller.abort(error);
  }

  #skip(): CheckResult {
    this.skipped++;
    const found: CheckResult = { state: "unhealthy", detail: `the check "${this.check.name}" still hangs` };
    this.#tell(found);
    return found;
  }
}

async function invoke(check: HealthCheck, signal: AbortSignal): Promise<CheckResult> {
  return resultOf(await check.check(signal));
}
