/**
 * The layers of links of an HNSW index (Malkov & Yashunin, "Efficient and robust approximate nearest neighbor search
 * using hierarchical navigable small world graphs", 2016), as columns.
 *
 *   base    2M row numbers for each row: its links on level 0; after the last one, `none`
 *   upper   M row numbers for each level above 0 of a row, its levels one after the other; `upperStart` says where
 *
 * A list has no holes. What a row links to on a level stands on that level itself.
 */

import { HoldfastError } from "../../base/index.ts";

/** In a list: no more links. */
export const none = 0xffff_ffff;
/** Above this no level is handed out: with M = 2 that is reached by one in 2^20 nodes. */
export const highestLevel = 20;

export class LinkGraph {
  /** M. */
  readonly connectivity: number;
  /** Rows that have a place, linked or not. */
  count = 0;
  base: Uint32Array;
  levels: Uint8Array;
  /** In lists, not words. */
  upperStart: Uint32Array;
  upper: Uint32Array;
  upperLists = 0;
  /** Where a search begins: on the top level. */
  entry = none;

  constructor(connectivity: number) {
    this.connectivity = connectivity;
    this.base = new Uint32Array(0);
    this.levels = new Uint8Array(0);
    this.upperStart = new Uint32Array(0);
    this.upper = new Uint32Array(0);
  }

  get topLevel(): number {
    return this.entry === none ? 0 : this.levels[this.entry]!;
  }

  width(level: number): number {
    return level === 0 ? this.connectivity * 2 : this.connectivity;
  }

  /** The column that a level's lists stand in. Another object after `append`. */
  column(level: number): Uint32Array {
    return level === 0 ? this.base : this.upper;
  }

  /** Where in it the list of a row begins. */
  start(row: number, level: number): number {
    if (level === 0) return row * this.connectivity * 2;
    return (this.upperStart[row]! + level - 1) * this.connectivity;
  }

  reserve(rows: number): void {
    if (rows <= this.levels.length) return;
    this.base = grown(this.base, rows * this.connectivity * 2, none);
    this.levels = grown(this.levels, rows, 0);
    this.upperStart = grown(this.upperStart, rows, 0);
  }

  /** The next row, without links. */
  append(level: number): number {
    if (this.count === this.levels.length) this.reserve(Math.max(64, this.count * 2));
    const words = (this.upperLists + level) * this.connectivity;
    if (words > this.upper.length) this.upper = grown(this.upper, Math.max(words, this.upper.length * 2), none);
    const row = this.count++;
    this.levels[row] = level;
    this.upperStart[row] = this.upperLists;
    this.upperLists += level;
    return row;
  }

  /** How many links the row has on that level. */
  degree(row: number, level: number): number {
    const column = this.column(level);
    const start = this.start(row, level);
    let degree = 0;
    while (degree < this.width(level) && column[start + degree] !== none) degree++;
    return degree;
  }

  /** Sets the first `count` of `rows` as the links of that row. */
  link(row: number, level: number, rows: Uint32Array, count: number): void {
    const column = this.column(level);
    const start = this.start(row, level);
    for (let place = 0; place < count; place++) column[start + place] = rows[place]!;
    column.fill(none, start + count, start + this.width(level));
  }
}

function grown<T extends Uint32Array | Uint8Array>(column: T, length: number, fill: number): T {
  try {
    return copied(column, length, fill);
  } catch (cause) {
    throw new HoldfastError("STORE_VECTOR_FULL", `no memory for ${length} links`, {
      hint: "split the vectors over several indexes",
      cause,
    });
  }
}

function copied<T extends Uint32Array | Uint8Array>(column: T, length: number, fill: number): T {
  const larger = (column instanceof Uint8Array ? new Uint8Array(length) : new Uint32Array(length)) as T;
  larger.set(column);
  larger.fill(fill, column.length);
  return larger;
}

/**
 * The level of a node: each next one with a chance of 1 in M, from a hash of id and seed. By whole numbers alone, for
 * logarithms differ between engines and the graph must not.
 */
export function levelOf(id: number, seed: number, connectivity: number): number {
  // Mixing alone would leave a zero as it is, on the highest level.
  let mixed = (id + Math.imul(seed, 0x9e3779b1) + 0x7f4a7c15) >>> 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  mixed = (mixed ^ (mixed >>> 16)) >>> 0;
  let level = 0;
  for (let bound = 2 ** 32 / connectivity; mixed < bound && level < highestLevel; bound /= connectivity) level++;
  return level;
}
