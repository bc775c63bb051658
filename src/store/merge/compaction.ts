/**
 * What a flush or a compaction has to keep: of each key the newest version, and for each living snapshot the newest one
 * that it sees.
 *
 *     versions of a key      12   9   7   3          snapshots at 8 and 20
 *     seen by                20       8              12 (by readers of now and of 20) and 7 are kept, 9 and 3 go
 *
 * What has expired becomes a tombstone, for it still hides what is older. At the bottom, where no older version of the
 * key can stand anywhere outside of this merge, a tombstone goes unless an older version is kept for a snapshot.
 */

import { assert } from "../../base/index.ts";
import type { Cursor, CursorSource } from "../cursor.ts";
import { type Entry, entryKind, isGone, noBytes } from "../entry.ts";
import type { KeyRange } from "../key.ts";
import { KeyMark } from "./key-mark.ts";
import { MergeCursor } from "./merge-cursor.ts";
import { Turns } from "./turns.ts";

export interface CompactionOptions extends KeyRange {
  /** Sequence numbers at which somebody still reads, ascending. */
  readonly snapshots: readonly number[];
  /** True only where no source outside of this merge can hold an older version of any of these keys. */
  readonly isBottom: boolean;
  /** What expires up to this time counts as deleted. Default 0: nothing does. */
  readonly nowMs?: number;
  /** Told of each version that is left out, with its handle if it has one: what it points to may become garbage. */
  readonly onDropped?: (entry: Entry) => void;
  readonly signal?: AbortSignal;
}

/** The entries to keep, in order, in batches of about 256: for a segment writer. */
export async function* compactEntries(
  sources: readonly CursorSource[],
  options: CompactionOptions,
): AsyncGenerator<Entry[], void> {
  const { snapshots, signal } = options;
  assert(
    snapshots.every((sequence, place) => place === 0 || sequence > snapshots[place - 1]),
    "snapshots are ascending",
  );
  const merge = new MergeCursor(sources.map((source) => source.cursor({ ...options, reverse: false })));
  const compaction = new Compaction(options);
  const turns = new Turns();
  try {
    await merge.advance();
    for (let { top } = merge; top !== undefined; { top } = merge) {
      compaction.visit(top);
      const moving = merge.advance();
      if (moving instanceof Promise) await moving;
      const turn = turns.walked(1);
      if (turn instanceof Promise) await turn;
      if (compaction.kept.length < batchLimit) continue;
      signal?.throwIfAborted();
      yield compaction.takeKept();
    }
    compaction.endKey();
    signal?.throwIfAborted();
    if (compaction.kept.length > 0) yield compaction.takeKept();
  } finally {
    merge.close();
  }
}

const batchLimit = 256;

class Compaction {
  kept: Entry[] = [];
  readonly #options: CompactionOptions;
  readonly #key = new KeyMark();
  /** The oldest snapshot that sees the version before, as a place among the snapshots. */
  #stripe = -1;
  #lastSequence = -1;
  /** Tombstones that go unless an older version of their key is kept. */
  #pending: Entry[] = [];

  constructor(options: CompactionOptions) {
    this.#options = options;
  }

  visit(cursor: Cursor): void {
    if (!this.#key.isAt(cursor)) {
      this.endKey();
      this.#key.set(cursor);
      this.#stripe = -1;
      this.#lastSequence = -1;
    }
    // The same version from two sources is one version.
    if (cursor.sequence === this.#lastSequence) return;
    this.#lastSequence = cursor.sequence;
    const stripe = this.#stripeOf(cursor.sequence);
    if (stripe === this.#stripe) return this.#drop(cursor);
    this.#stripe = stripe;
    if (isGone(cursor, this.#options.nowMs ?? 0)) this.#keepGone(cursor);
    else this.#keep(cursor.entry());
  }

  endKey(): void {
    for (const tombstone of this.#pending) this.#options.onDropped?.(tombstone);
    this.#pending = [];
  }

  takeKept(): Entry[] {
    const { kept } = this;
    this.kept = [];
    return kept;
  }

  #keep(entry: Entry): void {
    this.kept.push(...this.#pending, entry);
    this.#pending = [];
  }

  #keepGone(cursor: Cursor): void {
    const entry = cursor.entry();
    const isTombstone = entry.kind === entryKind.tombstone;
    if (!isTombstone) this.#options.onDropped?.(entry);
    const tombstone: Entry = isTombstone ? entry : { ...entry, kind: entryKind.tombstone, value: noBytes, expiryMs: 0 };
    if (!this.#options.isBottom) return void this.kept.push(tombstone); // mutant: tombstone
    this.#pending.push(tombstone);
  }

  #drop(cursor: Cursor): void {
    this.#options.onDropped?.(cursor.entry());
  }

  /** Versions between two snapshots are told apart by nobody. */
  #stripeOf(sequence: number): number {
    const { snapshots } = this.#options;
    let low = 0;
    let high = snapshots.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (snapshots[middle] < sequence) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
