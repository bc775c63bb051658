/**
 * A segment that was written in place of a damaged one, with what was lost standing as a barrier before all older
 * layers: a question that the lost part may have answered ends in STORE_LOST, never in "not found" and never in an
 * older version.
 *
 * - A `get` is answered where the answer is certain in spite of the loss (the rules stand in lost-ranges.ts). What
 *   newer layers answer never comes here.
 * - A walk is barred where a lost run begins, in the direction of the walk. The cursor stands there as at an entry that
 *   cannot be read: whoever merges it with others has had everything before the barrier, and fails when it takes the
 *   entry or goes on. A walk that ends before is not disturbed.
 */

import type { Cursor, CursorOptions, CursorSource } from "../cursor.ts";
import { type Entry, type EntryKind, entryKind, latestSequence } from "../entry.ts";
import { boundsOf, compareKeys, compareKeyWithin } from "../key.ts";
import type { LookupSource } from "../merge/lookup.ts";
import { type LostRanges, type LostRun, lostError } from "./lost-ranges.ts";

export type ReadableLayer = LookupSource & CursorSource;

/** The same layer, guarded; the layer itself where nothing is lost. */
export function guarded(layer: ReadableLayer, lost: LostRanges): ReadableLayer {
  return lost.isEmpty ? layer : new GuardedLayer(layer, lost);
}

class GuardedLayer implements ReadableLayer {
  readonly #layer: ReadableLayer;
  readonly #lost: LostRanges;

  constructor(layer: ReadableLayer, lost: LostRanges) {
    this.#layer = layer;
    this.#lost = lost;
  }

  get(
    key: Uint8Array,
    atSequence: number = latestSequence,
    hash?: Uint32Array,
  ): Entry | undefined | Promise<Entry | undefined> {
    const found = this.#layer.get(key, atSequence, hash);
    if (found instanceof Promise) return found.then((entry) => this.#certain(key, atSequence, entry));
    return this.#certain(key, atSequence, found);
  }

  cursor(options: CursorOptions = {}): Cursor {
    const barrier = barrierOf(this.#lost, options);
    const cursor = this.#layer.cursor(options);
    return barrier === undefined ? cursor : new GuardedCursor(cursor, barrier, options.reverse === true);
  }

  #certain(
    key: Uint8Array,
    atSequence: number,
    found: Entry | undefined,
  ): Entry | undefined | Promise<Entry | undefined> {
    const doubts = this.#lost.inDoubt(key, found?.sequence, atSequence);
    if (doubts.length === 0) return found;
    const undecided = doubts.find(({ isOneVersion }) => !isOneVersion);
    if (undecided !== undefined) throw lostError(undecided);
    return this.#withNewer(key, found, doubts);
  }

  /** Where the only version that the damaged file had is known, and is newer than what was asked for. */
  #withNewer(
    key: Uint8Array,
    found: Entry | undefined,
    doubts: readonly LostRun[],
  ): Entry | undefined | Promise<Entry | undefined> {
    for (const [place, run] of doubts.entries()) {
      const own = this.#layer.get(key, run.largestSequence);
      if (!(own instanceof Promise)) refuseUnknown(own, run);
      else
        return own.then((entry) => {
          refuseUnknown(entry, run);
          return this.#withNewer(key, found, doubts.slice(place + 1));
        });
    }
    return found;
  }
}

/** The only version that the damaged file had of the key is this one; otherwise it is the one that was lost. */
function refuseUnknown(own: Entry | undefined, run: LostRun): void {
  if (own === undefined || own.sequence < run.smallestSequence) throw lostError(run);
}

/** Where a walk ends. */
interface Barrier {
  readonly run: LostRun;
  readonly key: Uint8Array;
  readonly sequence: number;
}

function barrierOf(lost: LostRanges, options: CursorOptions): Barrier | undefined {
  const runs = lost.within(options);
  const { from, to } = boundsOf(options);
  if (options.reverse !== true) {
    const run = runs[0];
    if (run === undefined) return undefined;
    if (compareKeys(run.from, from) < 0) return { run, key: from, sequence: latestSequence };
    return { run, key: run.from, sequence: run.fromSequence };
  }
  const run = runs.toSorted((a, b) => compareKeys(b.to, a.to) || a.toSequence - b.toSequence)[0];
  if (run === undefined) return undefined;
  if (to !== undefined && compareKeys(to, run.to) < 0) return { run, key: to, sequence: latestSequence };
  return { run, key: run.to, sequence: run.toSequence === latestSequence ? latestSequence : run.toSequence + 1 };
}

class GuardedCursor implements Cursor {
  valid = false;
  readonly #inner: Cursor;
  readonly #barrier: Barrier;
  readonly #isReverse: boolean;
  #isBarred = false;

  constructor(inner: Cursor, barrier: Barrier, isReverse: boolean) {
    this.#inner = inner;
    this.#barrier = barrier;
    this.#isReverse = isReverse;
  }

  get keyBytes(): Uint8Array {
    return this.#isBarred ? this.#barrier.key : this.#inner.keyBytes;
  }

  get keyFrom(): number {
    return this.#isBarred ? 0 : this.#inner.keyFrom;
  }

  get keyTo(): number {
    return this.#isBarred ? this.#barrier.key.length : this.#inner.keyTo;
  }

  get sequence(): number {
    return this.#isBarred ? this.#barrier.sequence : this.#inner.sequence;
  }

  get kind(): EntryKind {
    return this.#isBarred ? entryKind.value : this.#inner.kind;
  }

  get expiryMs(): number {
    return this.#isBarred ? 0 : this.#inner.expiryMs;
  }

  entry(): Entry {
    if (this.#isBarred) throw lostError(this.#barrier.run);
    return this.#inner.entry();
  }

  advance(): void | Promise<void> {
    if (this.#isBarred) throw lostError(this.#barrier.run);
    const moving = this.#inner.advance();
    if (moving instanceof Promise) return moving.then(() => this.#settle());
    this.#settle();
  }

  close(): void {
    this.valid = false;
    this.#inner.close();
  }

  #settle(): void {
    this.valid = true;
    this.#isBarred = !this.#inner.valid || this.#isPastBarrier();
  }

  /** Whether the entry stands at the barrier or behind it: then the barrier comes first. */
  #isPastBarrier(): boolean {
    const { keyBytes, keyFrom, keyTo, sequence } = this.#inner;
    const order = compareKeyWithin(this.#barrier.key, keyBytes, keyFrom, keyTo) || sequence - this.#barrier.sequence;
    return this.#isReverse ? order >= 0 : order <= 0;
  }
}
