/**
 * Many cursors as one, in the order of the store: a heap of those that have something left, the next one on top.
 *
 * Where two cursors stand at the same key and sequence number (a walk over what is left of a damaged segment, with its
 * tombstones beside it), the one that was named first comes first.
 */

import { type Cursor, compareCursorKeys } from "../cursor.ts";

export class MergeCursor {
  readonly #cursors: readonly Cursor[];
  readonly #direction: 1 | -1;
  /** Cursors that are valid, and their places in the order in which they were named. */
  readonly #heap: Cursor[] = [];
  readonly #ranks: number[] = [];
  #isStarted = false;

  constructor(cursors: readonly Cursor[], options: { readonly reverse?: boolean | undefined } = {}) {
    this.#cursors = cursors;
    this.#direction = options.reverse === true ? -1 : 1;
  }

  /** The cursor at the next entry, before the first `advance` and after the last entry undefined. */
  get top(): Cursor | undefined {
    return this.#heap[0];
  }

  advance(): void | Promise<void> {
    if (!this.#isStarted) return this.#start();
    const top = this.#heap[0];
    if (top === undefined) return;
    const moving = top.advance();
    if (moving instanceof Promise) return moving.then(() => this.#settleTop());
    this.#settleTop();
  }

  close(): void {
    for (const cursor of this.#cursors) cursor.close();
    this.#heap.length = this.#ranks.length = 0;
    this.#isStarted = true;
  }

  /** All at once, so that their first reads go side by side. */
  #start(): void | Promise<void> {
    this.#isStarted = true;
    const waiting = this.#cursors.map(started).filter((moving) => moving instanceof Promise);
    if (waiting.length > 0) return Promise.all(waiting).then(() => this.#fill());
    this.#fill();
  }

  #fill(): void {
    for (const [rank, cursor] of this.#cursors.entries()) {
      if (!cursor.valid) continue;
      this.#heap.push(cursor);
      this.#ranks.push(rank);
    }
    for (let place = (this.#heap.length >>> 1) - 1; place >= 0; place--) this.#sink(place);
  }

  #settleTop(): void {
    const heap = this.#heap;
    if (heap.length === 1 && heap[0].valid) return;
    if (!heap[0].valid) {
      const last = heap.pop()!;
      const rank = this.#ranks.pop()!;
      if (heap.length === 0) return;
      heap[0] = last;
      this.#ranks[0] = rank;
    }
    this.#sink(0);
  }

  #sink(from: number): void {
    const heap = this.#heap;
    const ranks = this.#ranks;
    for (let place = from; ; ) {
      let next = 2 * place + 1;
      if (next >= heap.length) return;
      if (next + 1 < heap.length && this.#isBefore(next + 1, next)) next++;
      if (!this.#isBefore(next, place)) return;
      const [cursor, rank] = [heap[place], ranks[place]];
      heap[place] = heap[next];
      ranks[place] = ranks[next];
      heap[next] = cursor;
      ranks[next] = rank;
      place = next;
    }
  }

  #isBefore(a: number, b: number): boolean {
    const order = compareCursorKeys(this.#heap[a], this.#heap[b]);
    if (order !== 0) return order * this.#direction < 0;
    const newer = this.#heap[a].sequence - this.#heap[b].sequence;
    if (newer !== 0) return newer * this.#direction > 0;
    return this.#ranks[a] < this.#ranks[b];
  }
}

/** One that fails at once fails as the others do, so that these are still waited for. */
function started(cursor: Cursor): void | Promise<void> {
  try {
    return cursor.advance();
  } catch (error) {
    return Promise.reject(error);
  }
}
