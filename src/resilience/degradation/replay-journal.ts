/**
 * How a replay queue survives a crash: a port, the records that go through it, and the writer between queue and port.
 *
 * The writer gives all that waits to the journal in one go (one sync for many), keeps the order, and knows what to do
 * when the journal fails: the old file is never written again; everything that is alive is written anew, and until that
 * has worked nothing is called durable. Where most of the journal is spent, the same rewrite makes it small again.
 */

import type { Clock } from "../../base/index.ts";

/** Where records are kept. `diskReplayJournal` is one. */
export interface ReplayJournal extends AsyncDisposable {
  /** Everything kept, in order. Called once, before anything else. */
  load(): Promise<readonly JournalRecord[]>;
  /** Durable when it resolves; after a crash before that, all or nothing. After a failure only `rewrite` helps. */
  append(records: readonly JournalRecord[]): Promise<void>;
  /** Puts these in the place of everything, atomically and durably. */
  rewrite(records: readonly JournalRecord[]): Promise<void>;
}

export interface QueueRecord {
  readonly kind: "queue";
  /** Random, once for each journal: makes the idempotency keys of different queues different. */
  readonly id: string;
  /** The least sequence number that was never used. */
  readonly next: number;
}

export interface AddRecord {
  readonly kind: "add";
  readonly sequence: number;
  readonly key: string;
  readonly idempotencyKey: string;
  readonly payload: unknown;
  /** Wall-clock time. */
  readonly atMs: number;
  readonly attempts: number;
  /** Why it is a dead letter; undefined while it waits. */
  readonly dead?: string;
}

export type JournalRecord =
  | QueueRecord
  | AddRecord
  | { readonly kind: "replace"; readonly sequence: number; readonly payload: unknown }
  | { readonly kind: "attempts"; readonly sequence: number; readonly attempts: number }
  | { readonly kind: "dead"; readonly sequence: number; readonly reason: string }
  | { readonly kind: "done"; readonly sequences: readonly number[] };

/** How long a journal that has failed is left alone before it is tried again. */
const retryMs = 1_000;

interface Waiting {
  readonly records: readonly JournalRecord[];
  readonly settle: (isDurable: boolean) => void;
}

export class JournalWriter {
  /** The last failure, while the journal is out of use. */
  failure: unknown;
  readonly #journal: ReplayJournal;
  readonly #clock: Clock;
  /** All that is alive, with whatever is being written already taken into account. */
  readonly #snapshot: () => readonly JournalRecord[];
  readonly #alive: () => number;
  #waiting: Waiting[] = [];
  #flushing: Promise<void> | undefined;
  readonly #compactFrom: number;
  #records: number;
  #isBroken = false;
  #retryAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: {
    readonly journal: ReplayJournal;
    readonly clock: Clock;
    readonly snapshot: () => readonly JournalRecord[];
    /** About how long the snapshot would be. */
    readonly alive: () => number;
    /** How many records the journal holds. */
    readonly records: number;
    /** A journal of fewer records is not worth a rewrite. */
    readonly compactFrom: number;
  }) {
    this.#journal = options.journal;
    this.#clock = options.clock;
    this.#snapshot = options.snapshot;
    this.#alive = options.alive;
    this.#records = options.records;
    this.#compactFrom = options.compactFrom;
  }

  /** Whether the records are durable; false means that they are not, or may not be. Never rejects. */
  write(records: readonly JournalRecord[]): Promise<boolean> {
    return new Promise((resolve) => {
      this.#waiting.push({ records, settle: resolve });
      this.#flushing ??= this.#flush();
    });
  }

  /** After all that was written. */
  async close(): Promise<void> {
    await this.#flushing;
    await this.#journal[Symbol.asyncDispose]();
  }

  async #flush(): Promise<void> {
    // One turn later, so that all who write in this one share a sync.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const group = this.#waiting;
      this.#waiting = [];
      const isDurable = await this.#put(group.flatMap(({ records }) => records));
      for (const { settle } of group) settle(isDurable);
    }
    this.#flushing = undefined;
  }

  async #put(records: readonly JournalRecord[]): Promise<boolean> {
    const isWorthRewriting = this.#records >= this.#compactFrom && this.#records >= 2 * this.#alive();
    if (!this.#isBroken && !isWorthRewriting && (await this.#append(records))) return true;
    if (this.#isBroken && this.#clock.monotonicMs() < this.#retryAtMs) return false;
    // After a failed append too: that file is not written again.
    return this.#rewrite();
  }

  async #append(records: readonly JournalRecord[]): Promise<boolean> {
    if (records.length === 0) return true;
    try {
      await this.#journal.append(records);
      this.#records += records.length;
      return true;
    } catch (error) {
      this.failure = error;
      return false;
    }
  }

  async #rewrite(): Promise<boolean> {
    try {
      const alive = this.#snapshot();
      await this.#journal.rewrite(alive);
      this.#records = alive.length;
      this.#isBroken = false;
      this.failure = undefined;
      return true;
    } catch (error) {
      this.#isBroken = true;
      this.failure = error;
      this.#retryAtMs = this.#clock.monotonicMs() + retryMs;
      return false;
    }
  }
}
