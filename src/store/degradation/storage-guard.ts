/**
 * The store behind the storage breaker (SPEC S9: 5 failures, 2 successes, 60 s) with the levels of R13.
 *
 *     normal        writes go to log and memory
 *     read-only     the log or the flushes fail: reads go on, writes wait in the queue
 *     memory-only   segments cannot be read either: memory, blocks and items read last answer, all else is an error
 *
 * Failures count for the breaker (failure.ts says which), and the first of them begins attempts to recover: a quarter
 * of a second later, then twice as long each time, until the breaker opens and makes it 60 s. One attempt at a time:
 *
 *     let the failed log go  →  a new log  →  a test entry, synced  →  all that is in memory into segments
 *
 * So what readers saw becomes durable before anything else is written. Each attempt that succeeds is a good probe; two
 * lead one level up. Back at normal the queue is drained in its order; who writes meanwhile waits for that, so that
 * nothing overtakes. Nothing is called durable before it is.
 */

import { type Clock, HoldfastError } from "../../base/index.ts";
import {
  breakerPresets,
  type CircuitBreaker,
  circuitBreaker,
  type DegradationLadder,
  Refusal,
  type StorageLevel,
  storageLadder,
} from "../../resilience/index.ts";
import type { Planned } from "../engine/change-plan.ts";
import type { StoreEvent } from "../store.ts";
import { degradedError, isStorageFailure, levelAfter, reasonOf, type Waiting } from "./failure.ts";
import type { LogHolder } from "./log-holder.ts";
import type { WriteQueue } from "./write-queue.ts";

const firstAttemptMs = 250;
const longestWaitMs = 60_000;
/** An attempt flushes all that is in memory, to a disk that is not at its best. */
const attemptLimitMs = 600_000;

export interface GuardPort {
  readonly clock: Clock;
  readonly log: LogHolder;
  readonly queue: WriteQueue;
  publish(event: StoreEvent): void;
  /** Deletes what nobody needs any more, where that goes. */
  makeRoom(): Promise<void>;
  /** Everything in memory goes into segments, or with `frozenOnly` what waits for that anyway. */
  save(frozenOnly: boolean): Promise<void>;
  /** Another log is written to. */
  renewed(): void;
  /** Rejects where a segment cannot be read. */
  readSegments(): Promise<void>;
  /** Puts a write into the store that waited. */
  apply(planned: readonly Planned[]): Promise<void>;
}

export class StorageGuard {
  readonly #port: GuardPort;
  readonly #breaker: CircuitBreaker;
  readonly #ladder: DegradationLadder<StorageLevel>;
  /** Kept here too: it is asked for with every read and write. */
  #level: StorageLevel = "normal";
  #toldFailure: HoldfastError | undefined;
  #lastError: unknown;
  #attempting: Promise<void> | undefined;
  #attempts = 0;
  #cancelAttempt: (() => void) | undefined;
  #attemptAtMs: number | undefined;
  #draining: Promise<void> | undefined;
  #isFlushFailing = false;
  #isEnding = false;
  #changed = Promise.withResolvers<void>();

  constructor(port: GuardPort) {
    this.#port = port;
    const { storage } = breakerPresets;
    this.#breaker = circuitBreaker({
      ...{ ...storage, name: "store", clock: port.clock, jitter: 0, ramp: false },
      opensOn: { ...storage.opensOn, averageRate: false },
      halfOpen: { ...storage.halfOpen, probeTimeoutMs: attemptLimitMs },
    });
    this.#ladder = storageLadder({ clock: port.clock });
    this.#ladder.onChange(({ to, reason }) => {
      this.#level = to;
      port.publish({ kind: "level", level: to, reason });
      this.#tellWaiting();
    });
    this.#breaker.onStateChange(({ to }) => {
      if (to === "open") this.#worsen(this.#lastError, "write");
    });
    port.queue.drainInto({
      apply: (planned) => this.#apply(planned),
      gaveUp: (reason) => port.publish({ kind: "failed", what: "queued write", error: reason }),
    });
  }

  get level(): StorageLevel {
    return this.#level;
  }

  /** Writes have to be queued: now, whatever was known a moment ago. */
  get isDegraded(): boolean {
    if (this.#port.log.failure !== undefined) this.logFailed();
    return this.#level !== "normal";
  }

  /** While what was queued is put into the store; ends when that is done, or the store is degraded again. */
  get draining(): Promise<void> | undefined {
    return this.#draining;
  }

  /** A flush failed, and another attempt comes. */
  get isFlushFailing(): boolean {
    return this.#isFlushFailing && !this.#isEnding;
  }

  /** Resolves with the next flush that succeeds, and with the next change of the level. */
  get changed(): Promise<void> {
    return this.#changed.promise;
  }

  get #waiting(): Waiting {
    const atMs = this.#attemptAtMs;
    const retryAfterMs = atMs === undefined ? undefined : Math.max(0, atMs - this.#port.clock.monotonicMs());
    return { level: this.#level, retryAfterMs };
  }

  /** Throws STORE_DEGRADED, retryable, unless all is well. */
  refuseDegraded(what: string): void {
    if (this.isDegraded) throw degradedError(what, this.#waiting);
  }

  /** Rejects with STORE_QUEUE_FULL. */
  async enqueue(planned: readonly Planned[]): Promise<void> {
    await this.#port.queue.add(planned, this.#waiting);
  }

  /** The log's failure counts once, however many learn of it. */
  logFailed(): void {
    const { failure } = this.#port.log;
    if (failure === undefined || failure === this.#toldFailure) return;
    this.#toldFailure = failure;
    this.#worsen(failure, "write");
    this.#failed("log", failure);
  }

  /** Something of a write failed that is not the log. */
  writeFailed(error: unknown): void {
    if (isStorageFailure(error)) this.#failed("write", error);
  }

  readFailed(error: unknown): void {
    if (isStorageFailure(error) && this.isDegraded) this.#worsen(error, "read");
  }

  flushFailed(error: unknown): void {
    this.#isFlushFailing = true;
    // It waited for the log, which failed.
    if (this.isDegraded && HoldfastError.is(error) && error.code === "WAL_FAILED") return;
    // An attempt to recover says itself how it went.
    if (this.#attempting === undefined && !this.#isEnding) this.#failed("flush", error);
  }

  flushed(): void {
    this.#isFlushFailing = false;
    this.#tellWaiting();
  }

  /** Somebody has seen the storage work: try now (SPEC R9). */
  allowProbe(): void {
    if (this.#cancelAttempt === undefined) return;
    this.#breaker.allowProbe();
    this.#attemptIn(0);
  }

  /** Ends attempts, and makes a last one where anything depends on it. What then is left in the queue is lost. */
  async end(): Promise<void> {
    this.#isEnding = true;
    this.#cancelAttempt?.();
    this.#cancelAttempt = undefined;
    this.#tellWaiting();
    await this.#attempting;
    await this.#draining;
    const { log, queue } = this.#port;
    if (log.failure === undefined && queue.size === 0) return;
    try {
      await this.#recover();
      await queue.drain();
    } catch (error) {
      this.#lastError = error;
    }
  }

  /** What kept back what was not saved. */
  get lastError(): unknown {
    return this.#lastError;
  }

  #worsen(error: unknown, operation: "read" | "write"): void {
    const level = levelAfter(error, operation);
    this.#ladder.worsen(level, `${operation === "read" ? "reading" : "writing"} fails: ${reasonOf(error)}`);
  }

  #failed(what: string, error: unknown): void {
    this.#lastError = error;
    const permit = this.#breaker.tryAcquire();
    if (!(permit instanceof Refusal)) permit.fail(error);
    this.#port.publish({ kind: "failed", what, error });
    if (this.#attempting === undefined) this.#attemptIn(this.#backoffMs);
  }

  get #backoffMs(): number {
    return Math.min(longestWaitMs, firstAttemptMs * 2 ** this.#attempts);
  }

  /** Keeps the process: what waits is nowhere else. */
  #attemptIn(delayMs: number): void {
    if (this.#isEnding) return;
    this.#cancelAttempt?.();
    const { clock } = this.#port;
    this.#attemptAtMs = clock.monotonicMs() + delayMs;
    this.#cancelAttempt = clock.schedule(delayMs, () => {
      this.#cancelAttempt = undefined;
      this.#attempting ??= this.#attempt().finally(() => this.#attempted());
    });
  }

  #attempted(): void {
    this.#attempting = undefined;
    if (this.#cancelAttempt !== undefined) return;
    this.#attemptAtMs = undefined;
    // It may have failed anew while the last attempt came to its end.
    if (this.isDegraded || this.#isFlushFailing) this.#attemptIn(this.#backoffMs);
  }

  /** Good probes one after the other up to the normal level, or a failed one and another attempt later. */
  async #attempt(): Promise<void> {
    do {
      const permit = this.#breaker.tryAcquire();
      if (permit instanceof Refusal) return this.#attemptIn(permit.retryAfterMs ?? longestWaitMs);
      try {
        await this.#recover();
      } catch (error) {
        this.#attemptFailed(error);
        permit.fail(error);
        return this.#attemptIn(this.#backoffMs);
      }
      this.#attempts = 0;
      permit.succeed();
      this.#climb();
    } while (!this.#isEnding && (this.#level !== "normal" || this.#breaker.state !== "closed"));
  }

  #attemptFailed(error: unknown): void {
    this.#lastError = error;
    this.#attempts++;
    this.#ladder.probeFailed();
    const { failure } = this.#port.log;
    if (failure !== undefined && failure !== this.#toldFailure) {
      this.#toldFailure = failure;
      this.#worsen(failure, "write");
    }
    this.#port.publish({ kind: "failed", what: "recovery", error });
  }

  async #recover(): Promise<void> {
    const { log, clock } = this.#port;
    if (log.failure !== undefined) {
      await log.release();
      await this.#port.makeRoom();
      await log.renew();
      this.#port.renewed();
    }
    await log.probe(clock);
    if (log.hasGap) {
      await this.#port.save(false);
      log.closeGap();
    } else await this.#port.save(true);
    // What is in segments was truncated, and that may have failed.
    if (log.failure !== undefined) throw log.failure;
    if (this.#level === "memory-only") await this.#port.readSegments();
  }

  /** Where the queue has something, it is drained from the very turn on in which the level is normal. */
  #climb(): void {
    if (this.#port.queue.size === 0 || this.#draining !== undefined) {
      this.#ladder.probeSucceeded();
      return;
    }
    const drained = Promise.withResolvers<void>();
    this.#draining = drained.promise;
    this.#ladder.probeSucceeded();
    const draining = this.#level === "normal" ? this.#drain() : Promise.resolve();
    void draining.finally(() => {
      this.#draining = undefined;
      drained.resolve();
    });
  }

  async #drain(): Promise<void> {
    const left = await this.#port.queue.drain();
    if (left === undefined || this.#isEnding || this.isDegraded) return;
    // Who wrote meanwhile must not come before what is left.
    this.#worsen(left.error, "write");
    this.#failed("queued write", left.error);
  }

  async #apply(planned: readonly Planned[]): Promise<void> {
    if (this.isDegraded && !this.#isEnding) throw degradedError("what is queued has to wait", this.#waiting);
    if (this.#port.log.failure !== undefined) throw this.#port.log.failure;
    await this.#port.apply(planned);
  }

  #tellWaiting(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }
}
