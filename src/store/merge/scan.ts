/**
 * What a reader sees of a range: the newest version of each key at a sequence number, without what is deleted or
 * expired, over any number of memtables and segments, in either direction.
 */

import type { Cursor, CursorSource } from "../cursor.ts";
import { type Entry, isGone, latestSequence } from "../entry.ts";
import type { KeyRange } from "../key.ts";
import { KeyMark } from "./key-mark.ts";
import { MergeCursor } from "./merge-cursor.ts";
import { Turns } from "./turns.ts";

export interface ScanOptions extends KeyRange {
  readonly reverse?: boolean | undefined;
  /** Default: the newest of all. */
  readonly atSequence?: number | undefined;
  /** What expires up to this time is not shown. Default 0: all is shown. */
  readonly nowMs?: number | undefined;
  /** Entries in all. Default: no limit. */
  readonly limit?: number | undefined;
  /** Entries in one batch at most. Default 256. */
  readonly batchLimit?: number | undefined;
  /** Tombstones and expired entries are shown too. Default false. */
  readonly withGone?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Batches as they come, at most `batchLimit` entries each and never an empty one: a promise for each, not for each
 * entry.
 */
export async function* scanEntries(
  sources: readonly CursorSource[],
  options: ScanOptions = {},
): AsyncGenerator<Entry[], void> {
  const scan = new Scan(
    sources.map((source) => source.cursor(options)),
    options,
  );
  const turns = new Turns();
  try {
    for (;;) {
      options.signal?.throwIfAborted();
      const filling = scan.nextBatch();
      const batch = filling instanceof Promise ? await filling : filling;
      if (batch.length === 0) return;
      yield batch;
      await turns.walked(batch.length);
    }
  } finally {
    scan.close();
  }
}

/** For whoever wants to stay synchronous as long as everything is in memory. */
export class Scan implements Disposable {
  readonly #merge: MergeCursor;
  readonly #atSequence: number;
  readonly #nowMs: number;
  readonly #reverse: boolean;
  readonly #batchLimit: number;
  readonly #withGone: boolean;
  /** The key about which all is said. */
  readonly #decided = new KeyMark();
  #left: number;
  #isStarted = false;
  /** In reverse the oldest version comes first: the newest so far that may be shown. */
  #candidate: Entry | undefined;

  constructor(cursors: readonly Cursor[], options: ScanOptions) {
    this.#merge = new MergeCursor(cursors, options);
    this.#atSequence = options.atSequence ?? latestSequence;
    this.#nowMs = options.nowMs ?? 0;
    this.#reverse = options.reverse === true;
    this.#withGone = options.withGone === true;
    this.#left = options.limit ?? Number.POSITIVE_INFINITY;
    this.#batchLimit = options.batchLimit ?? 256;
  }

  /** An empty batch is the end. */
  nextBatch(): Entry[] | Promise<Entry[]> {
    return this.#fill([]);
  }

  close(): void {
    this.#merge.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #fill(batch: Entry[]): Entry[] | Promise<Entry[]> {
    const merge = this.#merge;
    if (!this.#isStarted) {
      this.#isStarted = true;
      const starting = merge.advance();
      if (starting instanceof Promise) return starting.then(() => this.#fill(batch));
    }
    while (batch.length < this.#batchLimit && this.#left > 0) {
      const { top } = merge;
      if (top === undefined) {
        this.#emitCandidate(batch);
        return batch;
      }
      if (this.#reverse) this.#visitBackwards(top, batch);
      else this.#visit(top, batch);
      const moving = merge.advance();
      if (moving instanceof Promise) return moving.then(() => this.#fill(batch));
    }
    return batch;
  }

  #visit(cursor: Cursor, batch: Entry[]): void {
    if (cursor.sequence > this.#atSequence || this.#decided.isAt(cursor)) return;
    this.#decided.set(cursor);
    if (!this.#withGone && isGone(cursor, this.#nowMs)) return;
    batch.push(cursor.entry());
    this.#left--;
  }

  #visitBackwards(cursor: Cursor, batch: Entry[]): void {
    if (!this.#decided.isAt(cursor)) {
      this.#emitCandidate(batch);
      this.#decided.set(cursor);
    }
    if (cursor.sequence <= this.#atSequence) this.#candidate = cursor.entry();
  }

  #emitCandidate(batch: Entry[]): void {
    const candidate = this.#candidate;
    this.#candidate = undefined;
    if (candidate === undefined || this.#left === 0 || (!this.#withGone && isGone(candidate, this.#nowMs))) return;
    batch.push(candidate);
    this.#left--;
  }
}
