/**
 * Bounds how long an operation may take.
 *
 * Either way the operation's own signal aborts with TIMEOUT_EXCEEDED when time is up. "abandon" (the default) then
 * answers at once: a deadline that an operation can ignore is none. "cooperative" waits for the operation to end, for
 * `abortGraceMs` at most where that is given; a result that comes all the same is handed on, for the work is done.
 *
 * What a caller aborts is never called a timeout. What goes on after it was abandoned is unheard, but counted, and a
 * bulkhead keeps its slot for it whichever of the two stands outside. At most one timer a call, none after it.
 */

import {
  type Clock,
  HoldfastError,
  isThenable,
  LinkedController,
  type Listener,
  systemClock,
  Topic,
} from "../../base/index.ts";
import { CallContext, holdUntilEnd, type Operation, type Policy, type RunOptions, untilCallerLeaves } from "../call.ts";
import { choiceOption, durationOption, knownOptions, nameOption, partOption } from "../option.ts";

export interface TimeoutOptions {
  /** Names the policy in its errors and events. Default "timeout". */
  readonly name?: string | undefined;
  /** Above 0; a function is asked at each call, so that a mode of the service can stretch it. */
  readonly timeoutMs: number | ((context: CallContext) => number);
  /** Default "abandon". */
  readonly mode?: "cooperative" | "abandon" | undefined;
  /** How long a cooperative operation may take to end once its signal has aborted. Default: no limit. */
  readonly abortGraceMs?: number | undefined;
  readonly clock?: Clock | undefined;
}

export interface TimeoutEvent {
  readonly name: string;
  readonly timeoutMs: number;
  readonly attempt: number;
}

export interface TimeoutStatistics {
  readonly calls: number;
  /** Calls whose time was up. */
  readonly timeouts: number;
  /** Of these, calls answered before their operation had ended. */
  readonly abandoned: number;
  /** Abandoned operations that run at this moment. */
  readonly abandonedRunning: number;
}

const owner = { name: "timeout", code: "TIMEOUT_OPTION" } as const;
const optionNames = ["name", "timeoutMs", "mode", "abortGraceMs", "clock"];
const shortestMs = 1e-3;

export class TimeoutPolicy implements Policy {
  readonly name: string;
  readonly mode: "cooperative" | "abandon";
  readonly #timeoutMs: number | ((context: CallContext) => number);
  readonly #abortGraceMs: number;
  readonly #clock: Clock;
  readonly #topic = new Topic<TimeoutEvent>("timeout.exceeded");
  readonly #counts = { calls: 0, timeouts: 0, abandoned: 0, abandonedRunning: 0 };

  constructor(options: TimeoutOptions) {
    knownOptions(owner, options, optionNames);
    this.name = nameOption(owner, options.name, "timeout");
    this.#timeoutMs =
      typeof options.timeoutMs === "function"
        ? options.timeoutMs
        : durationOption(owner, "timeoutMs", options.timeoutMs, shortestMs);
    this.mode = choiceOption(owner, "mode", options.mode ?? "abandon", ["cooperative", "abandon"]);
    const graceMs = options.abortGraceMs;
    if (graceMs !== undefined) durationOption(owner, "abortGraceMs", graceMs);
    this.#abortGraceMs = this.mode === "abandon" ? 0 : (graceMs ?? Infinity);
    this.#clock = partOption(owner, "clock", options.clock, "schedule") ?? systemClock;
  }

  run<T>(operation: Operation<T>, options?: RunOptions): Promise<T> {
    const context = CallContext.of(options);
    const work = new Promise<T>((resolve, reject) => this.#start(operation, context, resolve, reject));
    return untilCallerLeaves(work, options);
  }

  statistics(): TimeoutStatistics {
    return { ...this.#counts };
  }

  /** Called when the time of a call is up. */
  onTimeout(listener: Listener<TimeoutEvent>): Disposable {
    return this.#topic.subscribe(listener);
  }

  /** Runs as a promise's executor: what it throws rejects. */
  #start<T>(
    operation: Operation<T>,
    context: CallContext,
    resolve: (value: T | PromiseLike<T>) => void,
    reject: (error: unknown) => void,
  ): void {
    context.throwIfAborted();
    const timeoutMs = this.#timeoutFor(context);
    this.#counts.calls++;
    let stopTimer = (): void => {};
    const link = new LinkedController(context.callerSignal, () => stopTimer());
    const work = this.#begin(operation, context.with({ signal: link }), link, resolve);
    if (work === undefined) return;

    let exceeded: HoldfastError | undefined;
    let isAbandoned = false;
    const abandon = (): void => {
      isAbandoned = true;
      link[Symbol.dispose]();
      this.#counts.abandoned++;
      this.#counts.abandonedRunning++;
      holdUntilEnd(context, work);
      reject(exceeded);
    };
    const end = (): void => {
      link[Symbol.dispose]();
      if (isAbandoned) this.#counts.abandonedRunning--;
      else stopTimer();
    };
    const expire = (): void => {
      this.#counts.timeouts++;
      exceeded = this.#exceeded(timeoutMs);
      // Before the signal aborts: what its listeners do must find the call answered, or the timer to call off.
      if (this.#abortGraceMs === 0) abandon();
      else stopTimer = this.#clock.schedule(this.#abortGraceMs, abandon);
      if (this.#topic.active) this.#topic.publish({ name: this.name, timeoutMs, attempt: context.attempt });
      link.abort(exceeded);
    };
    if (!link.aborted) stopTimer = this.#clock.schedule(timeoutMs, expire);
    work.then(
      (result) => {
        end();
        resolve(result);
      },
      (error: unknown) => {
        end();
        reject(exceeded === undefined || error === exceeded ? error : this.#exceeded(timeoutMs, error));
      },
    );
  }

  /** Calls the operation. Undefined where it has answered already, which needs no timer. */
  #begin<T>(
    operation: Operation<T>,
    context: CallContext,
    link: LinkedController,
    resolve: (value: T) => void,
  ): Promise<T> | undefined {
    try {
      const value = operation(context);
      if (isThenable(value)) return Promise.resolve(value);
      resolve(value);
    } catch (error) {
      link[Symbol.dispose]();
      throw error;
    }
    link[Symbol.dispose]();
    return undefined;
  }

  #timeoutFor(context: CallContext): number {
    const { name } = this;
    if (typeof this.#timeoutMs === "number") return this.#timeoutMs;
    return durationOption({ ...owner, name }, "timeoutMs", this.#timeoutMs(context), shortestMs);
  }

  #exceeded(timeoutMs: number, cause?: unknown): HoldfastError {
    return new HoldfastError("TIMEOUT_EXCEEDED", `${this.name}: the operation took longer than ${timeoutMs} ms`, {
      hint: "Find what is slow, or allow it more time.",
      retryable: true,
      details: { policy: this.name, timeoutMs },
      cause,
    });
  }
}

/** Throws TIMEOUT_OPTION. Its `run` rejects with TIMEOUT_EXCEEDED (retryable). */
export function timeout(options: TimeoutOptions): TimeoutPolicy {
  return new TimeoutPolicy(options);
}
