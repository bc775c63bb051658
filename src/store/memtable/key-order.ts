/**
 * The keys of a memtable in order, made when somebody asks: a write only notes its new key. What was noted is sorted
 * and folded in when the order is read, and every 4,096 new keys, so that no single read or flush sorts them all.
 *
 * The order is a list of leaves that are never changed once they are published: folding replaces the leaves it touches
 * and the list. A cursor keeps the list it began with, and so walks the same keys however many are added meanwhile.
 */

import type { Rows } from "./rows.ts";

const leafLimit = 512;
const pendingLimit = 4_096;

/** Rows that stand for keys, ascending; no leaf is empty. */
export type KeyLeaves = readonly Uint32Array[];

export class KeyOrder {
  readonly #rows: Rows;
  #leaves: KeyLeaves = [];
  #pending = new Uint32Array(256);
  #pendingCount = 0;

  constructor(rows: Rows) {
    this.#rows = rows;
  }

  note(row: number): void {
    if (this.#pendingCount === this.#pending.length) {
      const longer = new Uint32Array(this.#pending.length * 2);
      longer.set(this.#pending);
      this.#pending = longer;
    }
    this.#pending[this.#pendingCount++] = row;
    if (this.#pendingCount >= pendingLimit) this.#fold();
  }

  leaves(): KeyLeaves {
    if (this.#pendingCount > 0) this.#fold();
    return this.#leaves;
  }

  #fold(): void {
    const rows = this.#rows;
    const added = sorted(this.#pending.subarray(0, this.#pendingCount), rows);
    this.#pendingCount = 0;
    if (this.#leaves.length === 0) {
      this.#leaves = split(added);
      return;
    }
    const before = this.#leaves;
    const leaves: Uint32Array[] = [];
    let kept = 0;
    for (let taken = 0; taken < added.length; ) {
      const touched = leafFor(before, kept, added[taken], rows);
      while (kept < touched) leaves.push(before[kept++]);
      const next = before[touched + 1];
      const end = next === undefined ? added.length : lowerBound(added, taken, (row) => rows.compareRows(row, next[0]));
      leaves.push(...split(merged(before[touched], added.subarray(taken, end), rows)));
      kept = touched + 1;
      taken = end;
    }
    while (kept < before.length) leaves.push(before[kept++]);
    this.#leaves = leaves;
  }
}

/** Where the first key is that is not before the wanted one: leaf and place within it, past the end where none is. */
export function seekLeaf(leaves: KeyLeaves, rows: Rows, key: Uint8Array): { leaf: number; place: number } {
  let low = 0;
  let high = leaves.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const leaf = leaves[middle];
    if (rows.compareKey(key, leaf[leaf.length - 1]) > 0) low = middle + 1;
    else high = middle;
  }
  if (low === leaves.length) return { leaf: low, place: 0 };
  return { leaf: low, place: lowerBound(leaves[low], 0, (row) => -rows.compareKey(key, row)) };
}

/** The last leaf from `from` on that begins before the key of this row; `from` where all begin after it. */
function leafFor(leaves: KeyLeaves, from: number, row: number, rows: Rows): number {
  let low = from;
  let high = leaves.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (rows.compareRows(leaves[middle][0], row) < 0) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** The first place from `from` on whose row does not compare below 0. */
function lowerBound(list: Uint32Array, from: number, compare: (row: number) => number): number {
  let low = from;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compare(list[middle]) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A merge sort from below, over runs that are in order already: keys that come in order cost one comparison each. */
function sorted(list: Uint32Array, rows: Rows): Uint32Array {
  let source = list.slice();
  let target = new Uint32Array(list.length);
  for (let width = 1; width < list.length; width *= 2) {
    for (let from = 0; from < list.length; from += 2 * width) {
      const middle = Math.min(from + width, list.length);
      const to = Math.min(middle + width, list.length);
      mergeRuns(source, from, middle, to, target, rows);
    }
    [source, target] = [target, source];
  }
  return source;
}

function mergeRuns(
  source: Uint32Array,
  from: number,
  middle: number,
  to: number,
  target: Uint32Array,
  rows: Rows,
): void {
  if (middle === to || rows.compareRows(source[middle - 1], source[middle]) < 0) {
    target.set(source.subarray(from, to), from);
    return;
  }
  let left = from;
  let right = middle;
  for (let place = from; place < to; place++) {
    const takeLeft = right === to || (left < middle && rows.compareRows(source[left], source[right]) < 0);
    target[place] = takeLeft ? source[left++] : source[right++];
  }
}

/** Binary steps for each added key, and copies in between. */
function merged(leaf: Uint32Array, added: Uint32Array, rows: Rows): Uint32Array {
  const all = new Uint32Array(leaf.length + added.length);
  let taken = 0;
  let filled = 0;
  for (const row of added) {
    const end = lowerBound(leaf, taken, (other) => rows.compareRows(other, row));
    all.set(leaf.subarray(taken, end), filled);
    filled += end - taken;
    all[filled++] = row;
    taken = end;
  }
  all.set(leaf.subarray(taken), filled);
  return all;
}

function split(list: Uint32Array): Uint32Array[] {
  if (list.length <= leafLimit) return [list];
  const parts = Math.ceil(list.length / (leafLimit / 2));
  const leaves: Uint32Array[] = [];
  for (let part = 0; part < parts; part++) {
    const from = Math.floor((part * list.length) / parts);
    leaves.push(list.subarray(from, Math.floor(((part + 1) * list.length) / parts)));
  }
  return leaves;
}
