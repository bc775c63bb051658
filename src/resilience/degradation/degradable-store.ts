/** What goes into a degradable store, and what comes out of it. */

import type { Clock, Listener, Metrics, Random } from "../../base/index.ts";
import type { Policy, RunOptions } from "../call.ts";
import type { FallbackCacheOptions } from "./fallback-cache.ts";
import type { DegradationLadder, LevelStep } from "./ladder.ts";
import type { Codec } from "./replay-items.ts";
import type { DrainReport, ReplayQueue, ReplayQueueOptions } from "./replay-options.ts";
import type { StorageLevel } from "./storage-levels.ts";

export interface WriteContext {
  readonly signal: AbortSignal;
  /** The same whenever this very write is tried again. */
  readonly idempotencyKey: string;
}

export interface DegradableStore<V> {
  get(key: string, signal: AbortSignal): PromiseLike<V | undefined> | V | undefined;
  /** Durable when it resolves. */
  put(key: string, value: V, context: WriteContext): PromiseLike<void> | void;
  delete(key: string, context: WriteContext): PromiseLike<void> | void;
}

export type Change<V> = { readonly kind: "put"; readonly value: V } | { readonly kind: "delete" };

export interface DegradableOptions<V> {
  readonly store: DegradableStore<V>;
  /** Around each read: a breaker, a timeout, or several composed. */
  readonly readPolicy?: Policy | undefined;
  /** Around each write, those of a drain too. */
  readonly writePolicy?: Policy | undefined;
  readonly ladder?: DegradationLadder<StorageLevel> | undefined;
  /**
   * False for an error that is the caller's own: the caller gets it, and a write that waits becomes a dead letter by
   * it. Default: every error of a call is an outage; for writes that wait see replay-queue.ts.
   */
  readonly isOutage?: ((error: unknown) => boolean) | undefined;
  /**
   * Where a failure leaves the store; undefined where it says nothing beyond that one call. Default: a breaker's
   * refusal and errors of the disk and the log step down; other errors do so only where there is no policy to judge.
   */
  readonly levelFor?: ((error: unknown, operation: "read" | "write") => StorageLevel | undefined) | undefined;
  readonly queue?: Omit<ReplayQueueOptions<Change<V>>, "apply" | "codec"> | undefined;
  /** For values that JSON cannot say, where the queue has a journal. */
  readonly codec?: Codec<V> | undefined;
  readonly cache?: FallbackCacheOptions | undefined;
  /** The answer of last resort to a read. */
  readonly fallback?: ((key: string) => V | undefined) | undefined;
  /** Rejects while the store is away. Default: the oldest write that waits, else a read of the last key asked for. */
  readonly probe?: ((signal: AbortSignal) => PromiseLike<unknown> | unknown) | undefined;
  /** Default 1,000; `Infinity`: only `recover` probes. */
  readonly probeEveryMs?: number | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
  readonly metrics?: Metrics | undefined;
}

export interface WriteResult {
  readonly durability: "durable" | "queued-durable" | "queued-volatile";
  readonly level: StorageLevel;
  readonly idempotencyKey: string;
}

export interface ReadResult<V> {
  readonly value: V | undefined;
  readonly freshness: "fresh" | "stale" | "fallback";
  /** 0 when fresh. Of a write that waits it goes by the wall clock, for it may come from an earlier process. */
  readonly ageMs: number;
  readonly level: StorageLevel;
}

export interface WriteOptions extends RunOptions {
  /** Default: a random one. */
  readonly idempotencyKey?: string | undefined;
}

export interface Degradable<V> extends AsyncDisposable {
  readonly level: StorageLevel;
  readonly queue: ReplayQueue<Change<V>>;
  /** Throws DEGRADED_UNAVAILABLE where neither the store nor anything else has an answer. */
  get(key: string, options?: RunOptions): Promise<ReadResult<V>>;
  /** Throws DEGRADED_QUEUE_FULL; an error that is no outage comes through. */
  put(key: string, value: V, options?: WriteOptions): Promise<WriteResult>;
  delete(key: string, options?: WriteOptions): Promise<WriteResult>;
  /** One probe now, and the drain where it reaches the best level. True where nothing is left to recover. */
  recover(options?: RunOptions): Promise<boolean>;
  onLevelChange(listener: Listener<LevelStep<StorageLevel>>): Disposable;
  onDrained(listener: Listener<DrainReport>): Disposable;
}
