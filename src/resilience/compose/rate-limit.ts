/**
 * Bounds how many calls are made in a time: on average `permits` per `perMs`, at most `burst` at once after a rest.
 *
 * The generic cell rate algorithm (ITU-T I.371): one number, the time at which the next call would be on schedule.
 * Times are kept multiplied by `permits`, so that with whole milliseconds every sum is exact, however many calls there
 * were. By the monotonic clock: setting the time changes nothing; a suspend counts as no time.
 *
 * In mode "wait" callers stand in one bounded line; no newcomer overtakes, who aborts leaves at once and uses up
 * nothing. One timer while somebody waits, none else.
 */

import { type Clock, HoldfastError, type Listener, systemClock, Topic } from "../../base/index.ts";
import { CallContext, type Operation, type Policy, type RunOptions, untilCallerLeaves } from "../call.ts";
import { choiceOption, durationOption, knownOptions, nameOption, numberOption, partOption } from "../option.ts";
import { WaitingLine } from "./waiting-line.ts";

export interface RateLimitOptions {
  /** Names the policy in its errors and events. Default "rate limit". */
  readonly name?: string | undefined;
  /** Calls per `perMs`: 1 to 10⁹. */
  readonly permits: number;
  /** 1 ms or longer. */
  readonly perMs: number;
  /** Calls at once after a rest: 1 to 10⁹. Default `permits`. */
  readonly burst?: number | undefined;
  /** What happens to a call too many: refused with RATE_LIMITED, or made to wait. Default "reject". */
  readonly mode?: "reject" | "wait" | undefined;
  /** In mode "wait": callers that may wait. Default 100. */
  readonly queueLimit?: number | undefined;
  /** In mode "wait": how long one may wait. Default: no limit beyond what the line's length and the rate come to. */
  readonly queueTimeoutMs?: number | undefined;
  readonly clock?: Clock | undefined;
}

export interface RateLimitEvent {
  readonly name: string;
  readonly retryAfterMs: number;
  readonly queued: number;
}

export interface RateLimitStatistics {
  readonly admitted: number;
  /** Of the admitted, those that had to wait. */
  readonly delayed: number;
  readonly rejected: number;
  readonly queued: number;
  /** Calls that would be let through now. */
  readonly available: number;
}

const owner = { name: "rateLimit", code: "RATE_OPTION" } as const;
const optionNames = ["name", "permits", "perMs", "burst", "mode", "queueLimit", "queueTimeoutMs", "clock"];

export class RateLimitPolicy implements Policy {
  readonly name: string;
  readonly mode: "reject" | "wait";
  readonly #permits: number;
  readonly #perMs: number;
  /** How far ahead of schedule a call may be. All times here are ms · permits. */
  readonly #tolerance: number;
  /** When the next call is on schedule. */
  #due = 0;
  readonly #queueLimit: number;
  readonly #queueTimeoutMs: number;
  readonly #clock: Clock;
  readonly #line: WaitingLine<void>;
  #stopTimer: (() => void) | undefined;
  readonly #topic = new Topic<RateLimitEvent>("rate-limit.rejected");
  readonly #counts = { admitted: 0, delayed: 0, rejected: 0 };

  constructor(options: RateLimitOptions) {
    knownOptions(owner, options, optionNames);
    this.name = nameOption(owner, options.name, "rate limit");
    const count = { least: 1, most: 1e9, whole: true };
    this.#permits = numberOption(owner, "permits", options.permits, count);
    this.#perMs = durationOption(owner, "perMs", options.perMs, 1);
    const burst = numberOption(owner, "burst", options.burst ?? this.#permits, count);
    this.#tolerance = (burst - 1) * this.#perMs;
    this.mode = choiceOption(owner, "mode", options.mode ?? "reject", ["reject", "wait"]);
    const queue = { least: 0, whole: true };
    const queueLimit = numberOption(owner, "queueLimit", options.queueLimit ?? 100, queue);
    this.#queueLimit = this.mode === "wait" ? queueLimit : 0;
    const { queueTimeoutMs } = options;
    this.#queueTimeoutMs =
      queueTimeoutMs === undefined ? Infinity : durationOption(owner, "queueTimeoutMs", queueTimeoutMs);
    this.#clock = partOption(owner, "clock", options.clock, "schedule") ?? systemClock;
    this.#line = new WaitingLine(this.#clock, () => this.#rest());
    this.#due = this.#now();
  }

  run<T>(operation: Operation<T>, options?: RunOptions): Promise<T> {
    return untilCallerLeaves(this.#run(operation, CallContext.of(options)), options);
  }

  /** Ends when a call may be made. Rejects with RATE_LIMITED, or with the signal's reason. */
  async acquire(options: RunOptions = {}): Promise<void> {
    const context = CallContext.of(options);
    context.throwIfAborted();
    if (!this.tryAcquire()) await this.#queue(context.callerSignal);
  }

  /** Whether a call may be made now; where it may, it is counted. Never overtakes who waits. */
  tryAcquire(): boolean {
    if (this.#line.length > 0 || !this.#take()) return false;
    this.#counts.admitted++;
    return true;
  }

  statistics(): RateLimitStatistics {
    const early = Math.max(0, this.#due - this.#now());
    const available = Math.max(0, Math.floor((this.#tolerance - early) / this.#perMs) + 1);
    return { ...this.#counts, queued: this.#line.length, available };
  }

  /** Called when a call was refused. */
  onReject(listener: Listener<RateLimitEvent>): Disposable {
    return this.#topic.subscribe(listener);
  }

  async #run<T>(operation: Operation<T>, context: CallContext): Promise<T> {
    context.throwIfAborted();
    if (!this.tryAcquire()) {
      await this.#queue(context.callerSignal);
      context.throwIfAborted();
    }
    return await operation(context);
  }

  #now(): number {
    return this.#clock.monotonicMs() * this.#permits;
  }

  #take(): boolean {
    const now = this.#now();
    if (this.#due - now > this.#tolerance) return false;
    this.#due = Math.max(this.#due, now) + this.#perMs;
    return true;
  }

  /** Until a call may be made if `ahead` others are made first. */
  #waitMs(ahead: number): number {
    return Math.max(0, (this.#due + ahead * this.#perMs - this.#tolerance - this.#now()) / this.#permits);
  }

  #queue(signal: AbortSignal | undefined): Promise<void> {
    if (this.#line.length >= this.#queueLimit) throw this.#refusal();
    const turn = this.#line.join({ signal, limitMs: this.#queueTimeoutMs, tooLong: () => this.#refusal() });
    if (this.#line.length > 0) this.#expectTurn();
    return turn;
  }

  #expectTurn(): void {
    // Timers of the platform know whole milliseconds, and a turn that is early by a part of one would wait once more.
    this.#stopTimer ??= this.#clock.schedule(Math.ceil(this.#waitMs(0)), () => {
      this.#stopTimer = undefined;
      while (this.#line.length > 0 && this.#take()) {
        this.#counts.admitted++;
        this.#counts.delayed++;
        this.#line.serve();
      }
      if (this.#line.length > 0) this.#expectTurn();
    });
  }

  /** Nobody waits any more. */
  #rest(): void {
    this.#stopTimer?.();
    this.#stopTimer = undefined;
  }

  #refusal(): HoldfastError {
    this.#counts.rejected++;
    const { name } = this;
    const queued = this.#line.length;
    const retryAfterMs = Math.ceil(this.#waitMs(queued));
    if (this.#topic.active) this.#topic.publish({ name, retryAfterMs, queued });
    return new HoldfastError("RATE_LIMITED", `${name}: more calls than ${this.#permits} per ${this.#perMs} ms`, {
      hint: `Come again in ${retryAfterMs} ms.`,
      retryable: true,
      details: { policy: name, retryAfterMs, permits: this.#permits, perMs: this.#perMs, queued },
    });
  }
}

/** Throws RATE_OPTION. Its `run` rejects with RATE_LIMITED (retryable; `details.retryAfterMs`). */
export function rateLimit(options: RateLimitOptions): RateLimitPolicy {
  return new RateLimitPolicy(options);
}
