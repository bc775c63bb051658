/**
 * Which rows of a layer a reader sees: those written at or before its sequence number, hidden by nothing it sees, and
 * not expired. As a bitmap of rows, for the index to search among.
 *
 * Nearly every reader sees all that there is, so one bitmap is kept up for these, and costs a search nothing. Readers
 * at an earlier sequence number (snapshots) get one of their own, which is kept until what they see changes.
 */

import { assert } from "../../base/index.ts";

export type RowBits = Uint32Array;

export class RowVisibility {
  #count = 0;
  #sequences: Float64Array;
  /** Infinity where nothing did; made when the first is hidden. */
  #hiddenBy: Float64Array | undefined;
  #shown: RowBits;
  #newestSequence = 0;
  #newestHiding = 0;
  readonly #expiries: { readonly row: number; readonly expiryMs: number }[] = [];
  #expiriesInOrder = true;
  /** Rows that had not expired at that time: all but the first so many of `#expiries`. */
  #unexpired: { readonly rows: number; gone: number; readonly bits: RowBits } | undefined;
  /** Counts what changes the answer to a reader at an earlier sequence number. */
  #changes = 0;
  #earlier: { readonly sequence: number; readonly changes: number; readonly bits: RowBits } | undefined;

  constructor(capacity: number) {
    this.#sequences = new Float64Array(capacity);
    this.#shown = new Uint32Array(wordsFor(capacity));
  }

  get count(): number {
    return this.#count;
  }

  get memoryBytes(): number {
    const lists = [this.#sequences, this.#hiddenBy, this.#shown, this.#unexpired?.bits, this.#earlier?.bits];
    return lists.reduce((sum, list) => sum + (list?.byteLength ?? 0), this.#expiries.length * 32);
  }

  /** The next row. */
  add(sequence: number, expiryMs: number): void {
    const row = this.#count++;
    if (row >= this.#sequences.length) this.#grow(Math.max(64, row * 2));
    this.#sequences[row] = sequence;
    this.#shown[row >>> 5]! |= 1 << (row & 31);
    this.#newestSequence = Math.max(this.#newestSequence, sequence);
    this.#changes++;
    if (expiryMs === 0) return;
    this.#expiriesInOrder &&= this.#expiries.length === 0 || this.#expiries.at(-1)!.expiryMs <= expiryMs;
    this.#expiries.push({ row, expiryMs });
  }

  /** Something newer was written. What was not newer than the row is ignored. */
  hide(row: number, bySequence: number): void {
    if (bySequence > this.#sequences[row]!) this.#hide(row, bySequence);
  }

  /** Written over within the commit that wrote it: nobody ever sees it. */
  retire(row: number): void {
    this.#hide(row, this.#sequences[row]!);
  }

  isVisible(row: number, atSequence: number): boolean {
    return this.#sequences[row]! <= atSequence && (this.#hiddenBy?.[row] ?? Number.POSITIVE_INFINITY) > atSequence;
  }

  sequenceOf(row: number): number {
    return this.#sequences[row]!;
  }

  /** Bit `row % 32` of word `row / 32`, good until the next change; undefined: the reader sees all rows. */
  at(atSequence: number, nowMs: number): RowBits | undefined {
    const seen = this.#seenAt(atSequence);
    const gone = this.#goneAt(nowMs);
    if (gone === 0) return seen;
    return bothOf(seen, this.#unexpiredAfter(gone));
  }

  #hide(row: number, bySequence: number): void {
    assert(row < this.#count, "only a row that is there is hidden");
    this.#hiddenBy ??= new Float64Array(this.#sequences.length).fill(Number.POSITIVE_INFINITY);
    if (bySequence >= this.#hiddenBy[row]!) return;
    this.#hiddenBy[row] = bySequence;
    this.#newestHiding = Math.max(this.#newestHiding, bySequence);
    this.#changes++;
    this.#shown[row >>> 5]! &= ~(1 << (row & 31));
  }

  #seenAt(atSequence: number): RowBits | undefined {
    if (atSequence >= this.#newestSequence && atSequence >= this.#newestHiding) {
      return this.#hiddenBy === undefined ? undefined : this.#shown;
    }
    if (this.#earlier?.sequence === atSequence && this.#earlier.changes === this.#changes) return this.#earlier.bits;
    const bits = new Uint32Array(wordsFor(this.#count));
    for (let row = 0; row < this.#count; row++) {
      if (this.isVisible(row, atSequence)) bits[row >>> 5]! |= 1 << (row & 31);
    }
    this.#earlier = { sequence: atSequence, changes: this.#changes, bits };
    return bits;
  }

  /** How many have expired by then. */
  #goneAt(nowMs: number): number {
    if (!this.#expiriesInOrder) {
      this.#expiries.sort((a, b) => a.expiryMs - b.expiryMs);
      this.#expiriesInOrder = true;
    }
    let [low, high] = [0, this.#expiries.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#expiries[middle]!.expiryMs <= nowMs) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #unexpiredAfter(gone: number): RowBits {
    if (this.#unexpired === undefined || this.#unexpired.rows !== this.#count || this.#unexpired.gone > gone) {
      const bits = new Uint32Array(wordsFor(this.#count)).fill(0xffff_ffff);
      this.#unexpired = { rows: this.#count, gone: 0, bits };
    }
    const { bits } = this.#unexpired;
    for (; this.#unexpired.gone < gone; this.#unexpired.gone++) {
      const { row } = this.#expiries[this.#unexpired.gone]!;
      bits[row >>> 5]! &= ~(1 << (row & 31));
    }
    return bits;
  }

  #grow(rows: number): void {
    const sequences = new Float64Array(rows);
    sequences.set(this.#sequences);
    this.#sequences = sequences;
    const shown = new Uint32Array(wordsFor(rows));
    shown.set(this.#shown);
    this.#shown = shown;
    if (this.#hiddenBy === undefined) return;
    const hiddenBy = new Float64Array(rows).fill(Number.POSITIVE_INFINITY);
    hiddenBy.set(this.#hiddenBy);
    this.#hiddenBy = hiddenBy;
  }
}

/** What is set in both; undefined stands for all, and what a shorter one lacks is not set. */
export function bothOf(a: RowBits | undefined, b: RowBits | undefined): RowBits | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  const both = new Uint32Array(Math.min(a.length, b.length));
  for (let word = 0; word < both.length; word++) both[word] = a[word]! & b[word]!;
  return both;
}

function wordsFor(rows: number): number {
  return (rows + 31) >>> 5;
}
