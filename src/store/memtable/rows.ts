/**
 * The entries of a memtable as rows of numbers: no object for an entry, one cache line to read it.
 *
 *     word  0  lower half of the key's hash     7  the next older version of the key, plus 1; 0 where there is none
 *           1  chunk of the key                 8  flags
 *           2  offset of the key                9  kappa, as its bits
 *           3  key length | kind << 24      10-11  sequence number, as a double
 *           4  chunk of the value           12-13  expiry in ms, as a double
 *           5  offset of the value             14  (in the oldest row of a key) the row of its newest version
 *           6  length of the value             15  unused
 *
 * The oldest row of a key stands for the key: the table of hashes and the order of keys name that one, and neither
 * changes when a version is added.
 */

import { assert } from "../../base/index.ts";
import type { Entry, EntryKind } from "../entry.ts";
import { Arena } from "./arena.ts";

export const wordsInRow = 16;
const firstRows = 256;
const rowLimit = 2 ** 26;

const floatBits = new Uint32Array(1);
const float = new Float32Array(floatBits.buffer);

export class Rows {
  readonly arena = new Arena();
  words = new Uint32Array(firstRows * wordsInRow);
  #doubles = new Float64Array(this.words.buffer);
  count = 0;

  get allocatedBytes(): number {
    return this.words.byteLength + this.arena.allocatedBytes;
  }

  /** Adds a version; `keyRow` is the oldest row of the same key, or -1 where the key is new. */
  add(entry: Entry, hash: number, keyRow: number): number {
    const row = this.count;
    if ((row + 1) * wordsInRow > this.words.length) this.#grow();
    this.count++;
    const { words, arena } = this;
    const at = row * wordsInRow;
    words[at] = hash;
    if (keyRow < 0) this.#nameKey(at, entry.key);
    else this.#shareKey(at, keyRow);
    words[at + 3] = entry.key.length | (entry.kind << 24);
    arena.append(entry.value);
    words[at + 4] = arena.chunk;
    words[at + 5] = arena.offset;
    words[at + 6] = entry.value.length;
    words[at + 8] = entry.flags;
    float[0] = entry.kappa;
    words[at + 9] = floatBits[0];
    this.#doubles[at / 2 + 5] = entry.sequence;
    this.#doubles[at / 2 + 6] = entry.expiryMs;
    words[(keyRow < 0 ? row : keyRow) * wordsInRow + 14] = row;
    return row;
  }

  newestOf(keyRow: number): number {
    return this.words[keyRow * wordsInRow + 14];
  }

  /** The next older version, or -1. */
  olderThan(row: number): number {
    return this.words[row * wordsInRow + 7] - 1;
  }

  sequenceOf(row: number): number {
    return this.#doubles[row * (wordsInRow / 2) + 5];
  }

  expiryMsOf(row: number): number {
    return this.#doubles[row * (wordsInRow / 2) + 6];
  }

  kindOf(row: number): EntryKind {
    return (this.words[row * wordsInRow + 3] >>> 24) as EntryKind;
  }

  /** The newest version of the key that is not newer than `atSequence`, or -1. */
  versionAt(keyRow: number, atSequence: number): number {
    let row = this.newestOf(keyRow);
    while (row >= 0 && this.sequenceOf(row) > atSequence) row = this.olderThan(row);
    return row;
  }

  /** Below 0, 0 or above 0, as the key stands before, is, or stands after that of the row. */
  compareKey(key: Uint8Array, row: number): number {
    const at = row * wordsInRow;
    const bytes = this.arena.chunks[this.words[at + 1]];
    const from = this.words[at + 2];
    const length = this.words[at + 3] & 0xffff;
    const shorter = Math.min(key.length, length);
    for (let place = 0; place < shorter; place++) {
      const difference = key[place] - bytes[from + place];
      if (difference !== 0) return difference;
    }
    return key.length - length;
  }

  compareRows(a: number, b: number): number {
    const at = a * wordsInRow;
    const bytes = this.arena.chunks[this.words[at + 1]];
    const from = this.words[at + 2];
    const length = this.words[at + 3] & 0xffff;
    const other = b * wordsInRow;
    const otherBytes = this.arena.chunks[this.words[other + 1]];
    const otherFrom = this.words[other + 2];
    const otherLength = this.words[other + 3] & 0xffff;
    const shorter = Math.min(length, otherLength);
    for (let place = 0; place < shorter; place++) {
      const difference = bytes[from + place] - otherBytes[otherFrom + place];
      if (difference !== 0) return difference;
    }
    return length - otherLength;
  }

  /** The entry of a row, under the key that is given or a view of its own. */
  entryOf(row: number, key: Uint8Array = this.keyOf(row)): Entry {
    const { words, arena } = this;
    const at = row * wordsInRow;
    const from = words[at + 5];
    floatBits[0] = words[at + 9];
    return {
      key,
      sequence: this.sequenceOf(row),
      kind: this.kindOf(row),
      value: arena.chunks[words[at + 4]].subarray(from, from + words[at + 6]),
      expiryMs: this.expiryMsOf(row),
      flags: words[at + 8],
      kappa: float[0],
    };
  }

  keyOf(row: number): Uint8Array {
    const at = row * wordsInRow;
    const from = this.words[at + 2];
    return this.arena.chunks[this.words[at + 1]].subarray(from, from + (this.words[at + 3] & 0xffff));
  }

  #nameKey(at: number, key: Uint8Array): void {
    const { words, arena } = this;
    arena.append(key);
    words[at + 1] = arena.chunk;
    words[at + 2] = arena.offset;
    words[at + 7] = 0;
  }

  #shareKey(at: number, keyRow: number): void {
    const { words } = this;
    const keyAt = keyRow * wordsInRow;
    words[at + 1] = words[keyAt + 1];
    words[at + 2] = words[keyAt + 2];
    words[at + 7] = words[keyAt + 14] + 1;
  }

  #grow(): void {
    assert(this.count < rowLimit, "a memtable holds at most 67,108,864 entries");
    const longer = new Uint32Array(this.words.length * 2);
    longer.set(this.words);
    this.words = longer;
    this.#doubles = new Float64Array(longer.buffer);
  }
}
