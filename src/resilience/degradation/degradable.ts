/**
 * A store that goes on answering while what is behind it does not (SPEC R13): the ladder of levels, the replay queue
 * and the fallback cache around anything with `get`, `put` and `delete`.
 *
 * Every answer says what it is worth. A write is "durable" (the store has it), "queued-durable" (it is in the queue's
 * journal) or "queued-volatile" (in memory only). A read is "fresh" (the store just said so), "stale" (what the store
 * said earlier) or "fallback" (accepted here and not in the store yet, or the caller's own substitute), with its age.
 * Writes of one key take effect in the order in which they were made, and a read sees the writes made before it here.
 *
 * Probes run by one timer, only while there is something to recover from; when the best level is reached again the
 * queue is drained. What protects the store itself, a breaker or a retry, is given as a policy for each direction.
 */

import {
  type Clock,
  errorText,
  guardMetrics,
  HoldfastError,
  hexOf,
  type Listener,
  type Metrics,
  reportFailure,
  systemClock,
  systemRandom,
  untilAborted,
} from "../../base/index.ts";
import { CallContext, type Policy, type RunOptions } from "../call.ts";
import { knownOptions, numberOption, partOption } from "../option.ts";
import type {
  Change,
  Degradable,
  DegradableOptions,
  ReadResult,
  WriteOptions,
  WriteResult,
} from "./degradable-store.ts";
import { type FallbackCache, fallbackCache } from "./fallback-cache.ts";
import type { DegradationLadder, LevelStep } from "./ladder.ts";
import type { Codec, ReplayItem } from "./replay-items.ts";
import type { DrainReport, ReplayQueue } from "./replay-options.ts";
import { replayQueue } from "./replay-queue.ts";
import { type StorageLevel, storageCapabilities, storageLadder, storageLevelFor } from "./storage-levels.ts";

const owner = { name: "degradable", code: "DEGRADED_OPTION" } as const;
const optionNames = [
  ...["store", "readPolicy", "writePolicy", "ladder", "isOutage", "levelFor", "queue", "codec", "cache", "fallback"],
  ...["probe", "probeEveryMs", "clock", "random", "metrics"],
];

/**
 * With a journal in `queue`, what an earlier process left waiting is waiting when this resolves. Rejects with
 * DEGRADED_OPTION, DEGRADED_JOURNAL_DAMAGED.
 */
export async function degradable<V>(options: DegradableOptions<V>): Promise<Degradable<V>> {
  const degraded = new DegradedStore(options);
  await degraded.open();
  return degraded;
}

/** As many as it takes to tell an outage from one bad write. */
const probeItems = 3;

class DegradedStore<V> implements Degradable<V> {
  readonly #options: DegradableOptions<V>;
  readonly #clock: Clock;
  readonly #metrics: Metrics | undefined;
  readonly #ladder: DegradationLadder<StorageLevel>;
  readonly #cache: FallbackCache<V>;
  readonly #closing = new AbortController();
  /** The last write under way of each key: the next one waits for it. */
  readonly #turns = new Map<string, Promise<unknown>>();
  #queue!: ReplayQueue<Change<V>>;
  #lastKey = "";
  /** The last write that was tried was taken. */
  #takesWrites = false;
  #stopTimer: (() => void) | undefined;
  #recovering: Promise<boolean> | undefined;
  #ladderWatch: Disposable;

  constructor(options: DegradableOptions<V>) {
    this.#options = options;
    knownOptions(owner, options, optionNames);
    for (const method of ["get", "put", "delete"]) partOption(owner, "store", options.store ?? null, method);
    this.#clock = partOption(owner, "clock", options.clock, "schedule") ?? systemClock;
    this.#metrics = guardMetrics(options.metrics);
    numberOption(owner, "probeEveryMs", options.probeEveryMs ?? 1_000, { least: 1, endless: true });
    partOption(owner, "readPolicy", options.readPolicy, "run");
    partOption(owner, "writePolicy", options.writePolicy, "run");
    this.#ladder = options.ladder ?? storageLadder({ clock: this.#clock, metrics: options.metrics });
    this.#cache = fallbackCache({ ...options.cache, clock: options.cache?.clock ?? this.#clock });
    this.#ladderWatch = this.#ladder.onChange(() => this.#watch());
  }

  async open(): Promise<void> {
    const { random, metrics, codec, queue = {}, isOutage } = this.#options;
    this.#queue = await replayQueue<Change<V>>({
      ...queue,
      clock: queue.clock ?? this.#clock,
      random: queue.random ?? random,
      metrics: queue.metrics ?? metrics,
      isOutage: queue.isOutage ?? isOutage,
      codec: codec && changeCodec(codec),
      apply: (item, signal) => this.#replay(item, signal),
    });
    this.#watch();
  }

  get level(): StorageLevel {
    return this.#ladder.level;
  }

  get queue(): ReplayQueue<Change<V>> {
    return this.#queue;
  }

  async get(key: string, options: RunOptions = {}): Promise<ReadResult<V>> {
    options.signal?.throwIfAborted();
    this.#lastKey = key;
    const waiting = this.#queue.latest(key);
    if (waiting !== undefined) {
      const value = waiting.value.kind === "put" ? waiting.value.value : undefined;
      return this.#read(value, "fallback", Math.max(0, this.#clock.nowMs() - waiting.atMs));
    }
    let cause: unknown;
    if (storageCapabilities(this.level).reads === "store") {
      try {
        const value = await this.#ask(key, options);
        this.#cache.remember(key, value);
        return this.#read(value, "fresh", 0);
      } catch (error) {
        this.#failed(error, "read", options.signal);
        cause = error;
      }
    }
    const remembered = this.#cache.get(key);
    if (remembered !== undefined) return this.#read(remembered.value, "stale", remembered.ageMs);
    const substitute = this.#options.fallback?.(key);
    if (substitute !== undefined) return this.#read(substitute, "fallback", 0);
    throw this.#unavailable(key, cause);
  }

  put(key: string, value: V, options: WriteOptions = {}): Promise<WriteResult> {
    return this.#write(key, { kind: "put", value }, options);
  }

  delete(key: string, options: WriteOptions = {}): Promise<WriteResult> {
    return this.#write(key, { kind: "delete" }, options);
  }

  recover(options: RunOptions = {}): Promise<boolean> {
    this.#recovering ??= this.#recover().finally(() => {
      this.#recovering = undefined;
      this.#watch();
    });
    return untilAborted(this.#recovering, options.signal);
  }

  onLevelChange(listener: Listener<LevelStep<StorageLevel>>): Disposable {
    return this.#ladder.onChange(listener);
  }

  onDrained(listener: Listener<DrainReport>): Disposable {
    return this.#queue.onDrained(listener);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopTimer?.();
    this.#stopTimer = undefined;
    this.#ladderWatch[Symbol.dispose]();
    this.#closing.abort(new HoldfastError("DEGRADED_QUEUE_CLOSED", "the store is closed"));
    await this.#recovering;
    await this.#queue[Symbol.asyncDispose]();
  }

  async #write(key: string, change: Change<V>, options: WriteOptions): Promise<WriteResult> {
    const { signal } = options;
    const idempotencyKey = options.idempotencyKey ?? this.#newKey();
    return this.#inTurn(key, signal, async () => {
      if (this.#goesThrough(key)) {
        try {
          await this.#send(key, change, idempotencyKey, signal);
          return this.#written("durable", idempotencyKey);
        } catch (error) {
          this.#failed(error, "write", signal);
        }
      }
      const { durability } = await this.#queue.enqueue(key, change, { idempotencyKey, signal });
      this.#watch();
      return this.#written(durability, idempotencyKey);
    });
  }

  /** Past the queue only where nothing waits that must come first. */
  #goesThrough(key: string): boolean {
    if (!storageCapabilities(this.level).durableWrites) return false;
    return this.#options.queue?.order === "strict" ? this.#queue.size === 0 : !this.#queue.has(key);
  }

  async #inTurn<T>(key: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(key) ?? Promise.resolve();
    const turn = before.then(() => {
      signal?.throwIfAborted();
      return work();
    });
    const ended = turn.then(
      () => undefined,
      () => undefined,
    );
    this.#turns.set(key, ended);
    void ended.then(() => {
      if (this.#turns.get(key) === ended) this.#turns.delete(key);
    });
    return untilAborted(turn, signal);
  }

  async #send(key: string, change: Change<V>, idempotencyKey: string, signal: AbortSignal | undefined): Promise<void> {
    const { store, writePolicy = direct } = this.#options;
    await writePolicy.run(
      async (context) => {
        const write = { signal: context.signal, idempotencyKey };
        if (change.kind === "put") await store.put(key, change.value, write);
        else await store.delete(key, write);
      },
      { signal },
    );
    this.#takesWrites = true;
    this.#cache.remember(key, change.kind === "put" ? change.value : undefined);
  }

  async #replay(item: ReplayItem<Change<V>>, signal: AbortSignal): Promise<void> {
    await this.#send(item.key, item.value, item.idempotencyKey, signal);
  }

  #ask(key: string, options: RunOptions): Promise<V | undefined> {
    const { store, readPolicy = direct } = this.#options;
    return readPolicy.run(async (context) => store.get(key, context.signal), { signal: options.signal });
  }

  /** Throws what is not an outage; else notes where it leaves the store. */
  #failed(error: unknown, operation: "read" | "write", signal: AbortSignal | undefined): void {
    if (signal?.aborted === true) throw error;
    if (this.#isOwnFault(error)) throw error;
    if (operation === "write") this.#takesWrites = false;
    const levelFor = this.#options.levelFor ?? ((cause, kind) => this.#usualLevelFor(cause, kind));
    try {
      const level = levelFor(error, operation);
      if (level !== undefined) this.#ladder.worsen(level, errorText(error));
    } catch (fault) {
      // A user's function that fails, or names a level that is none, must not take the place of the store's error.
      reportFailure("degradation.level-for", fault);
    }
    this.#watch();
  }

  #isOwnFault(error: unknown): boolean {
    try {
      return this.#options.isOutage?.(error) === false;
    } catch (fault) {
      reportFailure("degradation.is-outage", fault);
      return false;
    }
  }

  #usualLevelFor(error: unknown, operation: "read" | "write"): StorageLevel | undefined {
    const policy = operation === "read" ? this.#options.readPolicy : this.#options.writePolicy;
    const isClear = HoldfastError.is(error) && /^(BREAKER|DISK|WAL)_/.test(error.code);
    return isClear || policy === undefined ? storageLevelFor(error, operation) : undefined;
  }

  async #recover(): Promise<boolean> {
    const { signal } = this.#closing;
    if (this.#ladder.depth > 0 && !(await this.#probes(signal))) return false;
    if (this.#ladder.depth > 0) return false;
    if (this.#queue.size > 0) await this.#drain(signal);
    return this.#ladder.depth === 0 && this.#queue.size === 0;
  }

  async #probes(signal: AbortSignal): Promise<boolean> {
    try {
      if (this.#options.probe !== undefined) await this.#options.probe(signal);
      else if (this.#queue.size === 0) await this.#ask(this.#lastKey, { signal });
      else this.#refuseOutage(await this.#queue.drain({ signal, limit: probeItems }));
    } catch {
      this.#ladder.probeFailed();
      return false;
    }
    this.#ladder.probeSucceeded();
    return true;
  }

  #refuseOutage(report: DrainReport): void {
    if (report.ended === "outage" || report.ended === "journal" || report.ended === "aborted") {
      throw report.error ?? new Error(report.ended);
    }
  }

  async #drain(signal: AbortSignal): Promise<void> {
    const report = await this.#queue.drain({ signal, targetWorks: this.#takesWrites }).catch(() => undefined);
    if (report?.ended === "outage") this.#failed(report.error, "write", undefined);
  }

  /** One timer while there is something to recover from, and none else. */
  #watch(): void {
    const { probeEveryMs = 1_000 } = this.#options;
    const isIdle = this.#ladder.depth === 0 && this.#queue.size === 0;
    if (isIdle || this.#stopTimer !== undefined || this.#recovering !== undefined || this.#closing.signal.aborted)
      return;
    const onTime = (): void => {
      this.#stopTimer = undefined;
      this.recover().catch((error: unknown) => reportFailure("degradation.recover", error));
    };
    this.#stopTimer = this.#clock.schedule(probeEveryMs, onTime, { background: true });
  }

  #read(value: V | undefined, freshness: ReadResult<V>["freshness"], ageMs: number): ReadResult<V> {
    this.#metrics?.count("holdfast_degradable_reads_total", 1, { freshness });
    return { value, freshness, ageMs, level: this.level };
  }

  #written(durability: WriteResult["durability"], idempotencyKey: string): WriteResult {
    this.#metrics?.count("holdfast_degradable_writes_total", 1, { durability });
    return { durability, level: this.level, idempotencyKey };
  }

  #newKey(): string {
    const random = this.#options.random ?? systemRandom;
    return hexOf(Uint8Array.from({ length: 16 }, () => Math.floor(random() * 256)));
  }

  #unavailable(key: string, cause: unknown): HoldfastError {
    return new HoldfastError("DEGRADED_UNAVAILABLE", `no answer for "${key}" at the level ${this.level}`, {
      hint: "Try again when the store has recovered.",
      retryable: true,
      details: { key, level: this.level },
      ...(cause === undefined ? {} : { cause }),
    });
  }
}

/** No policy: the operation as it is, heard until the signal aborts. */
const direct: Policy = {
  run: async (operation, options) => {
    const signal = options?.signal;
    signal?.throwIfAborted();
    return untilAborted(Promise.resolve(operation(CallContext.of(options))), signal);
  },
};

function changeCodec<V>(codec: Codec<V>): Codec<Change<V>> {
  return {
    encode: (change) => (change.kind === "put" ? { kind: "put", value: codec.encode(change.value) } : change),
    decode: (payload) => {
      const change = payload as Change<unknown>;
      return change.kind === "put" ? { kind: "put", value: codec.decode(change.value) } : { kind: "delete" };
    },
  };
}
