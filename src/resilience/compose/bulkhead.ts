/**
 * Bounds how many operations run at once, so that one slow dependency cannot take everything a program has.
 *
 * - A slot is held until the operation has truly ended: that its caller left, or that a timeout or a hedge answered
 *   without it, frees nothing, whichever policy stands outside the other.
 * - Who waits stands in one line. A slot that comes free goes straight to its head; a newcomer never overtakes. Who
 *   aborts leaves the line at once, and the place is free.
 * - Beyond `concurrency` running and `queueLimit` waiting a call is refused in O(1) with BULKHEAD_FULL.
 */

import { type Clock, HoldfastError, type Listener, systemClock, Topic } from "../../base/index.ts";
import { CallContext, type Hold, type Operation, type Policy, type RunOptions, untilCallerLeaves } from "../call.ts";
import { durationOption, knownOptions, nameOption, numberOption, partOption } from "../option.ts";
import { WaitingLine } from "./waiting-line.ts";

export interface BulkheadOptions {
  /** Names the policy in its errors and events. Default "bulkhead". */
  readonly name?: string | undefined;
  /** Operations at once: 1 or more. */
  readonly concurrency: number;
  /** Callers that may wait for a slot. Default 0. */
  readonly queueLimit?: number | undefined;
  /** How long one may wait. Default: no limit. */
  readonly queueTimeoutMs?: number | undefined;
  readonly clock?: Clock | undefined;
}

export interface BulkheadEvent {
  readonly name: string;
  /** No room; waited too long. */
  readonly reason: "full" | "queue-timeout";
  readonly running: number;
  readonly queued: number;
}

export interface BulkheadStatistics {
  /** Slots taken and callers waiting, at this moment. */
  readonly running: number;
  readonly queued: number;
  /** The most slots that were ever taken at once. */
  readonly peak: number;
  readonly admitted: number;
  /** Calls refused for want of room, and calls that waited too long. */
  readonly rejected: number;
  readonly queueTimeouts: number;
}

/** A taken place. Disposing of it gives it back, once; what outlives the call keeps it for longer. */
export class BulkheadSlot implements Disposable, Hold {
  readonly #free: () => void;
  readonly #outer: Hold | undefined;
  #holders = 1;
  #disposed = false;

  constructor(free: () => void, outer?: Hold) {
    this.#free = free;
    this.#outer = outer;
  }

  retain(): void {
    this.#outer?.retain();
    this.#holders++;
  }

  release(): void {
    this.#outer?.release();
    this.#letGo();
  }

  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#letGo();
  }

  #letGo(): void {
    this.#holders--;
    if (this.#holders === 0) this.#free();
  }
}

const owner = { name: "bulkhead", code: "BULKHEAD_OPTION" } as const;
const optionNames = ["name", "concurrency", "queueLimit", "queueTimeoutMs", "clock"];

export class BulkheadPolicy implements Policy {
  readonly name: string;
  readonly concurrency: number;
  readonly queueLimit: number;
  readonly #queueTimeoutMs: number;
  readonly #line: WaitingLine<void>;
  readonly #free = (): void => this.#giveBack();
  readonly #topic = new Topic<BulkheadEvent>("bulkhead.rejected");
  #running = 0;
  readonly #counts = { peak: 0, admitted: 0, rejected: 0, queueTimeouts: 0 };

  constructor(options: BulkheadOptions) {
    knownOptions(owner, options, optionNames);
    this.name = nameOption(owner, options.name, "bulkhead");
    this.concurrency = numberOption(owner, "concurrency", options.concurrency, { least: 1, whole: true });
    this.queueLimit = numberOption(owner, "queueLimit", options.queueLimit ?? 0, { least: 0, whole: true });
    const { queueTimeoutMs } = options;
    this.#queueTimeoutMs =
      queueTimeoutMs === undefined ? Infinity : durationOption(owner, "queueTimeoutMs", queueTimeoutMs);
    this.#line = new WaitingLine(partOption(owner, "clock", options.clock, "schedule") ?? systemClock);
  }

  run<T>(operation: Operation<T>, options?: RunOptions): Promise<T> {
    return untilCallerLeaves(this.#run(operation, CallContext.of(options)), options);
  }

  /**
   * A slot, for work that is no function to call. Rejects with BULKHEAD_FULL or BULKHEAD_QUEUE_TIMEOUT (retryable), or
   * with the signal's reason.
   */
  async acquire(options: RunOptions = {}): Promise<BulkheadSlot> {
    const context = CallContext.of(options);
    context.throwIfAborted();
    if (!this.#takeNow()) await this.#queue(context.callerSignal);
    return new BulkheadSlot(this.#free, context.hold);
  }

  /** A slot if one is free. */
  tryAcquire(): BulkheadSlot | undefined {
    return this.#takeNow() ? new BulkheadSlot(this.#free) : undefined;
  }

  statistics(): BulkheadStatistics {
    return { running: this.#running, queued: this.#line.length, ...this.#counts };
  }

  /** Called when a call was refused. */
  onReject(listener: Listener<BulkheadEvent>): Disposable {
    return this.#topic.subscribe(listener);
  }

  async #run<T>(operation: Operation<T>, context: CallContext): Promise<T> {
    context.throwIfAborted();
    if (!this.#takeNow()) await this.#queue(context.callerSignal);
    const slot = new BulkheadSlot(this.#free, context.hold);
    try {
      // The caller may have left between the turn and this moment.
      context.throwIfAborted();
      return await operation(context.with({ hold: slot }));
    } finally {
      slot[Symbol.dispose]();
    }
  }

  /** While anybody waits all slots are taken: to take a free one overtakes nobody. */
  #takeNow(): boolean {
    if (this.#running >= this.concurrency) return false;
    this.#running++;
    if (this.#running > this.#counts.peak) this.#counts.peak = this.#running;
    this.#counts.admitted++;
    return true;
  }

  #queue(signal: AbortSignal | undefined): Promise<void> {
    if (this.#line.length >= this.queueLimit) {
      this.#counts.rejected++;
      throw this.#refusal("full", "BULKHEAD_FULL", "all slots are taken and nobody else may wait");
    }
    return this.#line.join({ signal, limitMs: this.#queueTimeoutMs, tooLong: () => this.#waitedTooLong() });
  }

  #giveBack(): void {
    if (this.#line.length > 0) {
      this.#counts.admitted++;
      this.#line.serve();
    } else this.#running--;
  }

  #waitedTooLong(): HoldfastError {
    this.#counts.queueTimeouts++;
    const text = `no slot came free within ${this.#queueTimeoutMs} ms`;
    return this.#refusal("queue-timeout", "BULKHEAD_QUEUE_TIMEOUT", text);
  }

  #refusal(
    reason: BulkheadEvent["reason"],
    code: "BULKHEAD_FULL" | "BULKHEAD_QUEUE_TIMEOUT",
    text: string,
  ): HoldfastError {
    const { name, concurrency, queueLimit } = this;
    const counts = { running: this.#running, queued: this.#line.length };
    if (this.#topic.active) this.#topic.publish({ name, reason, ...counts });
    return new HoldfastError(code, `${name}: ${text}`, {
      hint: "Come again later, or allow more at once.",
      retryable: true,
      details: { policy: name, concurrency, queueLimit, ...counts },
    });
  }
}

/** Throws BULKHEAD_OPTION. Its `run` rejects with BULKHEAD_FULL or BULKHEAD_QUEUE_TIMEOUT (both retryable). */
export function bulkhead(options: BulkheadOptions): BulkheadPolicy {
  return new BulkheadPolicy(options);
}
