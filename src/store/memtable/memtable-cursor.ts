/** Walks a memtable as it was when the cursor was made, while writes go on. */

import type { Cursor } from "../cursor.ts";
import { type Entry, type EntryKind, entryKind, noBytes } from "../entry.ts";
import type { KeyBounds } from "../key.ts";
import { type KeyLeaves, seekLeaf } from "./key-order.ts";
import { type Rows, wordsInRow } from "./rows.ts";

export class MemtableCursor implements Cursor {
  valid = false;
  keyBytes: Uint8Array = noBytes;
  keyFrom = 0;
  keyTo = 0;
  sequence = 0;
  kind: EntryKind = entryKind.value;
  expiryMs = 0;
  readonly #rows: Rows;
  readonly #bounds: KeyBounds;
  readonly #reverse: boolean;
  /** What was written later is passed over. */
  readonly #atSequence: number;
  #leaves: KeyLeaves;
  #leaf = 0;
  #place = 0;
  #started = false;
  #shown = -1;
  /** The next older version of the key; in reverse the versions still to come are a stack, the oldest on top. */
  #next = -1;
  readonly #stack: number[] = [];

  constructor(rows: Rows, leaves: KeyLeaves, bounds: KeyBounds, reverse: boolean, atSequence: number) {
    this.#rows = rows;
    this.#leaves = leaves;
    this.#bounds = bounds;
    this.#reverse = reverse;
    this.#atSequence = atSequence;
  }

  advance(): void {
    if (!this.#started) this.#start();
    for (;;) {
      const row = this.#reverse ? (this.#stack.pop() ?? -1) : this.#next;
      if (row >= 0) return this.#show(row);
      const keyRow = this.#nextKey();
      if (keyRow < 0) return this.close();
      this.#enter(keyRow);
    }
  }

  entry(): Entry {
    return this.#rows.entryOf(this.#shown);
  }

  close(): void {
    this.valid = false;
    this.#leaves = [];
    this.#leaf = 0;
    this.#next = -1;
    this.#stack.length = 0;
  }

  #show(row: number): void {
    const rows = this.#rows;
    const at = row * wordsInRow;
    this.keyBytes = rows.arena.chunks[rows.words[at + 1]];
    this.keyFrom = rows.words[at + 2];
    this.keyTo = this.keyFrom + (rows.words[at + 3] & 0xffff);
    this.sequence = rows.sequenceOf(row);
    this.kind = rows.kindOf(row);
    this.expiryMs = rows.expiryMsOf(row);
    this.valid = true;
    this.#shown = row;
    if (!this.#reverse) this.#next = rows.olderThan(row);
  }

  #start(): void {
    this.#started = true;
    const { from, to } = this.#bounds;
    const start = this.#reverse ? to : from;
    const leaves = this.#leaves;
    if (start === undefined) this.#leaf = leaves.length;
    else ({ leaf: this.#leaf, place: this.#place } = seekLeaf(leaves, this.#rows, start));
    if (this.#reverse) this.#stepBack();
  }

  #enter(keyRow: number): void {
    const rows = this.#rows;
    const newest = rows.versionAt(keyRow, this.#atSequence);
    if (!this.#reverse) this.#next = newest;
    else for (let row = newest; row >= 0; row = rows.olderThan(row)) this.#stack.push(row);
  }

  /** The row of the next key within the bounds, or -1. */
  #nextKey(): number {
    const leaf = this.#leaves[this.#leaf];
    if (leaf === undefined) return -1;
    const keyRow = leaf[this.#place];
    const { from, to } = this.#bounds;
    if (this.#reverse) {
      if (this.#rows.compareKey(from, keyRow) > 0) return -1;
      this.#stepBack();
    } else {
      if (to !== undefined && this.#rows.compareKey(to, keyRow) <= 0) return -1;
      if (++this.#place === leaf.length) {
        this.#leaf++;
        this.#place = 0;
      }
    }
    return keyRow;
  }

  #stepBack(): void {
    if (--this.#place >= 0) return;
    this.#leaf--;
    this.#place = (this.#leaves[this.#leaf]?.length ?? 0) - 1;
  }
}
