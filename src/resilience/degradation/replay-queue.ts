/**
 * Writes that wait for their target to come back (SPEC R13): at most 10,000, drained in batches of 100, in order.
 *
 * What it promises:
 *   - Items of one key are applied in the order in which they were accepted, one after the other; over all keys the
 *     order is the same, but that a key whose item fails is left behind for this drain while the others go on. With
 *     `order: "strict"` nothing overtakes anything.
 *   - A full queue refuses (DEGRADED_QUEUE_FULL). Nothing is ever dropped: an item leaves when it was applied, or as a
 *     dead letter after `deadLetterAfter` failures of its own, and dead letters count towards the limit.
 *   - With a journal, "queued-durable" means that the item is on the disk. After a crash it may be applied once more,
 *     with the same idempotency key. A key counts as waiting (`has`) until the journal says that its last item is done:
 *     whoever writes past the queue only then can never be overtaken by a repetition.
 *   - An outage of the target ends a drain and counts against no item. Where an error does not tell an outage from an
 *     item's own fault (`isOutage`), what happens to others does: a failure counts against its item once another item
 *     was applied in the same drain, or the caller knows that the target works; three that fail in a row with no
 *     success between them are an outage.
 *
 * The same idempotency key twice while the first waits is one item: the second is dropped and answered like the first,
 * or with `onDuplicate: "replace"` takes its place in the order with the newer value.
 */

import {
  type Clock,
  delay,
  guardMetrics,
  HoldfastError,
  hexOf,
  LinkedController,
  type Listener,
  type Metrics,
  systemClock,
  systemRandom,
  Topic,
  untilAborted,
} from "../../base/index.ts";
import { type DrainEnd, DrainRun } from "./drain-run.ts";
import { type DeadLetter, type HeldItem, itemOf, type ReplayItem, ReplayItems } from "./replay-items.ts";
import { type JournalRecord, JournalWriter } from "./replay-journal.ts";
import {
  checkQueueOptions,
  type DrainReport,
  type Queued,
  type ReplayDrainOptions,
  type ReplayQueue,
  type ReplayQueueOptions,
} from "./replay-options.ts";

/**
 * With a journal, what it holds is waiting when this resolves. Rejects with DEGRADED_OPTION, DEGRADED_JOURNAL_DAMAGED.
 */
export async function replayQueue<T>(options: ReplayQueueOptions<T>): Promise<ReplayQueue<T>> {
  checkQueueOptions(options);
  const codec = options.codec ?? { encode: (value: T): unknown => value, decode: (payload: unknown) => payload as T };
  const random = options.random ?? systemRandom;
  const items = new ReplayItems<T>(codec, hexOf(Uint8Array.from({ length: 8 }, () => Math.floor(random() * 256))));
  const { journal, clock = systemClock } = options;
  if (journal === undefined) return new Queue(options, items, undefined);
  const records = await journal.load();
  items.restore(records);
  if (records.length === 0) await journal.rewrite(items.records());
  const writer = new JournalWriter({
    journal,
    clock,
    snapshot: () => items.records(),
    alive: () => items.waiting + items.dead + 1,
    records: Math.max(1, records.length),
    compactFrom: options.compactFrom ?? 1_000,
  });
  return new Queue(options, items, writer);
}

class Queue<T> implements ReplayQueue<T> {
  readonly #options: ReplayQueueOptions<T>;
  readonly #items: ReplayItems<T>;
  readonly #writer: JournalWriter | undefined;
  readonly #clock: Clock;
  readonly #metrics: Metrics | undefined;
  readonly #limit: number;
  readonly #limitBytes: number;
  readonly #died = new Topic<DeadLetter<T>>("degradation.dead-letter");
  readonly #drained = new Topic<DrainReport>("degradation.drained");
  #draining: Promise<DrainReport> | undefined;
  #closed: Promise<void> | undefined;
  #controller: LinkedController | undefined;

  constructor(options: ReplayQueueOptions<T>, items: ReplayItems<T>, writer: JournalWriter | undefined) {
    this.#options = options;
    this.#items = items;
    this.#writer = writer;
    this.#clock = options.clock ?? systemClock;
    this.#metrics = guardMetrics(options.metrics);
    this.#limit = options.limit ?? 10_000;
    this.#limitBytes = options.limitBytes ?? 256 * 2 ** 20;
    this.#measure();
  }

  get size(): number {
    return this.#items.waiting;
  }

  get deadLetters(): readonly DeadLetter<T>[] {
    return this.#items.deadLetters().map((item) => ({ ...itemOf(item), reason: item.dead ?? "" }));
  }

  has(key: string): boolean {
    return this.#items.hasKey(key);
  }

  latest(key: string): ReplayItem<T> | undefined {
    const item = this.#items.lastOf(key);
    return item === undefined ? undefined : itemOf(item);
  }

  async enqueue(
    key: string,
    value: T,
    options: { readonly idempotencyKey?: string | undefined; readonly signal?: AbortSignal | undefined } = {},
  ): Promise<Queued> {
    options.signal?.throwIfAborted();
    if (this.#closed !== undefined) {
      throw this.#closedError();
    }
    const { idempotencyKey } = options;
    const known = idempotencyKey === undefined ? undefined : this.#items.byIdempotencyKey(idempotencyKey);
    if (known !== undefined && !known.applied) {
      const duplicate = this.#duplicate(known, value);
      if (duplicate !== undefined) return duplicate;
    }
    const bytes = this.#bytesOf(key, value);
    if (this.size + this.#items.dead >= this.#limit || this.#items.bytes + bytes > this.#limitBytes) throw this.#full();
    const item = this.#items.add({ key, value, atMs: this.#clock.nowMs(), idempotencyKey, bytes });
    this.#measure();
    const isDurable = await this.#write([this.#items.recordOf(item)]);
    if (!isDurable && this.#writer !== undefined && this.#options.onJournalFailure === "refuse") this.#takeBack(item);
    return queuedAs(item, isDurable, false);
  }

  drain(options: ReplayDrainOptions = {}): Promise<DrainReport> {
    if (options.signal?.aborted === true) return Promise.reject(options.signal.reason);
    this.#draining ??= this.#drain(options).finally(() => {
      this.#draining = undefined;
    });
    return untilAborted(this.#draining, options.signal);
  }

  async requeue(sequence: number): Promise<boolean> {
    const letter = this.#items.deadLetter(sequence);
    if (letter === undefined) return false;
    this.#items.forgetDead(letter);
    const item = this.#items.add(letter);
    await this.#write([{ kind: "done", sequences: [sequence] }, this.#items.recordOf(item)]);
    this.#measure();
    return true;
  }

  async discard(sequence: number): Promise<boolean> {
    const letter = this.#items.deadLetter(sequence);
    if (letter === undefined) return false;
    this.#items.forgetDead(letter);
    await this.#write([{ kind: "done", sequences: [sequence] }]);
    this.#measure();
    return true;
  }

  onDeadLetter(listener: Listener<DeadLetter<T>>): Disposable {
    return this.#died.subscribe(listener);
  }

  onDrained(listener: Listener<DrainReport>): Disposable {
    return this.#drained.subscribe(listener);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await (this.#closed ??= this.#close());
  }

  async #close(): Promise<void> {
    this.#controller?.abort(this.#closedError());
    await this.#draining?.catch(() => undefined);
    await this.#writer?.close();
  }

  get #name(): string {
    return this.#options.name ?? "writes";
  }

  async #drain({ signal, limit = Infinity, targetWorks = false }: ReplayDrainOptions): Promise<DrainReport> {
    const batch = this.#options.batch ?? 100;
    let size = Math.min(batch, this.#options.rampFrom ?? batch);
    using controller = new LinkedController(signal);
    this.#controller = controller;
    const run = new DrainRun(this.#items, this.#options, { signal: controller.signal, limit, targetWorks });
    let ended: DrainEnd | undefined;
    while (ended === undefined) {
      const records = await run.batch(size);
      ended = (await this.#settle(run, records)) ? run.ended : "journal";
      size = Math.min(batch, size * 2);
      if (ended === undefined) await this.#rest(run.signal);
    }
    this.#controller = undefined;
    const { applied, failed, deadLettered, error } = run;
    const report: DrainReport = {
      applied,
      failed,
      deadLettered,
      left: this.size,
      ended,
      ...(error === undefined ? {} : { error }),
    };
    this.#metrics?.count("holdfast_replay_queue_applied_total", applied, { queue: this.#name });
    this.#measure();
    this.#drained.publish(report);
    return report;
  }

  /** Lets go of what was applied once the journal says so. */
  async #settle(run: DrainRun<T>, records: readonly JournalRecord[]): Promise<boolean> {
    const { letters } = run;
    run.letters = [];
    for (const item of letters) this.#died.publish({ ...itemOf(item), reason: item.dead ?? "" });
    const isDurable = records.length === 0 || this.#writer === undefined || (await this.#write(records));
    if (!isDurable) return false;
    for (const item of run.appliedItems) this.#items.remove(item);
    run.appliedItems = [];
    return true;
  }

  async #rest(signal: AbortSignal): Promise<void> {
    const { restMs = 0 } = this.#options;
    if (restMs > 0) await delay(restMs, { clock: this.#clock, signal }).catch(() => undefined);
  }

  async #write(records: readonly JournalRecord[]): Promise<boolean> {
    return this.#writer === undefined ? false : this.#writer.write(records);
  }

  /** The answer to a second one of the same idempotency key; undefined where the first is on its way and too late. */
  #duplicate(known: HeldItem<T>, value: T): Promise<Queued> | undefined {
    if (this.#options.onDuplicate !== "replace") {
      // After whatever is being written, the first one among it.
      return this.#write([]).then((isDurable) => queuedAs(known, isDurable, true));
    }
    if (known.taken) return undefined;
    const bytes = this.#bytesOf(known.key, value);
    if (this.#items.bytes - known.bytes + bytes > this.#limitBytes) throw this.#full();
    this.#items.replace(known, value, bytes);
    const { sequence, payload } = this.#items.recordOf(known);
    return this.#write([{ kind: "replace", sequence, payload }]).then((isDurable) => queuedAs(known, isDurable, true));
  }

  #takeBack(item: HeldItem<T>): void {
    if (item.taken || item.applied || item.dead !== undefined) return;
    this.#items.remove(item);
    this.#measure();
    throw new HoldfastError("DEGRADED_JOURNAL_FAILED", `the replay queue "${this.#name}" cannot write its journal`, {
      hint: "Look at the disk that the journal is on.",
      retryable: true,
      cause: this.#writer?.failure,
    });
  }

  #bytesOf(key: string, value: T): number {
    return this.#writer === undefined ? 0 : this.#items.bytesOf(key, value);
  }

  #closedError(): HoldfastError {
    return new HoldfastError("DEGRADED_QUEUE_CLOSED", `the replay queue "${this.#name}" is closed`);
  }

  #full(): HoldfastError {
    this.#metrics?.count("holdfast_replay_queue_refused_total", 1, { queue: this.#name });
    return new HoldfastError(
      "DEGRADED_QUEUE_FULL",
      `the replay queue "${this.#name}" is full: ${this.size} items wait and ${this.#items.dead} are dead letters`,
      {
        hint: "Try again when the queue has been drained; requeue or discard dead letters.",
        retryable: true,
        details: {
          ...{ queue: this.#name, waiting: this.size, dead: this.#items.dead, limit: this.#limit },
          ...{ bytes: this.#items.bytes, limitBytes: this.#limitBytes },
        },
      },
    );
  }

  #measure(): void {
    this.#metrics?.gauge("holdfast_replay_queue_items", this.size, { queue: this.#name });
    this.#metrics?.gauge("holdfast_replay_queue_dead_letters", this.#items.dead, { queue: this.#name });
  }
}

function queuedAs<T>(item: HeldItem<T>, isDurable: boolean, isDuplicate: boolean): Queued {
  const { sequence, idempotencyKey } = item;
  return { durability: isDurable ? "queued-durable" : "queued-volatile", sequence, idempotencyKey, isDuplicate };
}
