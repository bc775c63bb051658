/**
 * Where the blocks of a section are, and which keys they hold. Each block has a separator: the shortest place in the
 * order that is after everything in the block before, and not after anything in this one. n is the number of blocks.
 *
 *      0  u32 n
 *      4  u32 length of the separators' bytes
 *      8  u32 × n    length of the block; it begins on the next multiple of 64
 *         u32 × n    its checksum
 *         u32 × n    where its separator ends, from the first of them
 *         u32 × 2 n  sequence number of its separator
 *         separators: keys, shortened
 *
 * A separator is a key and a sequence number. The latter is 2^53 - 1 where the key alone tells the blocks apart, and
 * one less than the last one before where the versions of one key go on from block to block.
 *
 * A search goes by numbers first: what all separators begin with is compared once, and the six bytes after it are kept
 * as a double for each block.
 */

import { latestSequence } from "../entry.ts";
import { compareKeyWithin } from "../key.ts";
import { readU64, viewOf, writeU64 } from "../little-endian.ts";
import { blockHeaderBytes, blockLimitBytes } from "./block.ts";
import { aligned } from "./format.ts";

const headerBytes = 8;
const bytesPerBlock = 20;
const headBytes = 6;

export interface IndexedBlock {
  readonly lengthBytes: number;
  readonly checksum: number;
  readonly separator: Uint8Array;
  readonly sequence: number;
}

export class BlockIndex {
  readonly blocks: number;
  readonly offsets: Float64Array;
  readonly lengths: Uint32Array;
  readonly checksums: Uint32Array;
  readonly memoryBytes: number;
  readonly #separators: Uint8Array;
  readonly #ends: Uint32Array;
  readonly #sequences: Float64Array;
  readonly #heads: Float64Array;
  readonly #sharedBytes: number;

  /** Keeps the bytes, which begin on a multiple of four. */
  constructor(bytes: Uint8Array, sectionOffset: number) {
    const view = viewOf(bytes);
    const blocks = view.getUint32(0, true);
    this.blocks = blocks;
    const column = (number: number): Uint32Array =>
      new Uint32Array(bytes.buffer, bytes.byteOffset + headerBytes + 4 * number * blocks, blocks);
    this.lengths = column(0);
    this.checksums = column(1);
    this.#ends = column(2);
    this.#separators = bytes.subarray(headerBytes + bytesPerBlock * blocks);
    this.offsets = new Float64Array(blocks);
    this.#sequences = new Float64Array(blocks);
    let offset = sectionOffset;
    for (let place = 0; place < blocks; place++) {
      this.offsets[place] = offset;
      offset = aligned(offset + this.lengths[place]);
      this.#sequences[place] = readU64(view, headerBytes + 12 * blocks + 8 * place);
    }
    this.#sharedBytes = this.#sharedBySeparators();
    this.#heads = new Float64Array(blocks);
    for (let place = 0; place < blocks; place++)
      this.#heads[place] = headOf(this.#separators, this.#from(place) + this.#sharedBytes, this.#ends[place]);
    this.memoryBytes = bytes.length + 24 * blocks;
  }

  /** A view. */
  separatorAt(place: number): Uint8Array {
    return this.#separators.subarray(this.#from(place), this.#ends[place]);
  }

  separatorSequenceAt(place: number): number {
    return this.#sequences[place];
  }

  /** The block in which the newest version of the key that is not newer than `sequence` stands, if it is there. */
  blockFor(key: Uint8Array, sequence: number): number {
    const shared = this.#sharedBytes;
    if (shared > 0) {
      const order = this.#compareShared(key);
      if (order < 0) return 0;
      if (order > 0) return this.blocks - 1;
    }
    const head = headOf(key, shared, key.length);
    const heads = this.#heads;
    let low = 0;
    let high = this.blocks;
    while (low + 1 < high) {
      const middle = (low + high) >>> 1;
      const found = heads[middle];
      if (found < head || (found === head && this.#isUpTo(middle, key, sequence))) low = middle;
      else high = middle;
    }
    return low;
  }

  /** Whether the separator is not after this place in the order. */
  #isUpTo(place: number, key: Uint8Array, sequence: number): boolean {
    const order = compareKeyWithin(key, this.#separators, this.#from(place), this.#ends[place]);
    return order > 0 || (order === 0 && this.#sequences[place] >= sequence);
  }

  /** What the key begins with beside what all separators but the first, which is empty, begin with. */
  #compareShared(key: Uint8Array): number {
    const from = this.#from(1);
    for (let place = 0; place < this.#sharedBytes; place++) {
      if (place === key.length) return -1;
      const difference = key[place] - this.#separators[from + place];
      if (difference !== 0) return difference;
    }
    return 0;
  }

  #from(place: number): number {
    return place === 0 ? 0 : this.#ends[place - 1];
  }

  #sharedBySeparators(): number {
    if (this.blocks < 2) return 0;
    const [first, last] = [this.#from(1), this.#from(this.blocks - 1)];
    const shorter = Math.min(this.#ends[1] - first, this.#ends[this.blocks - 1] - last);
    let shared = 0;
    while (shared < shorter && this.#separators[first + shared] === this.#separators[last + shared]) shared++;
    return shared;
  }
}

/** Six bytes from here on as a number; zeros where there are no more. */
function headOf(bytes: Uint8Array, from: number, to: number): number {
  let head = 0;
  for (let place = from; place < from + headBytes; place++) head = head * 256 + (place < to ? bytes[place] : 0);
  return head;
}

export function encodeBlockIndex(blocks: readonly IndexedBlock[]): Uint8Array {
  const separators = blocks.reduce((sum, { separator }) => sum + separator.length, 0);
  const bytes = new Uint8Array(headerBytes + bytesPerBlock * blocks.length + separators);
  const view = viewOf(bytes);
  view.setUint32(0, blocks.length, true);
  view.setUint32(4, separators, true);
  let end = 0;
  const start = headerBytes + bytesPerBlock * blocks.length;
  for (const [place, { lengthBytes, checksum, separator, sequence }] of blocks.entries()) {
    const at = (column: number): number => headerBytes + 4 * (column * blocks.length + place);
    bytes.set(separator, start + end);
    end += separator.length;
    view.setUint32(at(0), lengthBytes, true);
    view.setUint32(at(1), checksum, true);
    view.setUint32(at(2), end, true);
    writeU64(view, headerBytes + 12 * blocks.length + 8 * place, sequence);
  }
  return bytes;
}

/** Why these bytes are no index of a section of this length; undefined where they are. */
export function blockIndexFault(bytes: Uint8Array, sectionLength: number): string | undefined {
  if (bytes.length < headerBytes) return "the index is shorter than its header";
  const view = viewOf(bytes);
  const blocks = view.getUint32(0, true);
  const separators = view.getUint32(4, true);
  if (headerBytes + bytesPerBlock * blocks + separators !== bytes.length) return "the index has another length";
  let end = 0;
  let blocksEnd = 0;
  for (let place = 0; place < blocks; place++) {
    const length = view.getUint32(headerBytes + 4 * place, true);
    const nextEnd = view.getUint32(headerBytes + 4 * (2 * blocks + place), true);
    const sequence = readU64(view, headerBytes + 12 * blocks + 8 * place);
    if (length < blockHeaderBytes || length > blockLimitBytes) return "the index names a block of impossible length";
    if (nextEnd < end || nextEnd > separators || !(sequence <= latestSequence)) return "the index contradicts itself";
    end = nextEnd;
    blocksEnd = aligned(blocksEnd) + length;
  }
  if (end !== separators || blocksEnd !== sectionLength) return "the index does not cover its section";
  return undefined;
}
