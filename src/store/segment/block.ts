/**
 * A block of a segment: some dozens of entries as columns, so that a search touches their keys alone, and a read what
 * it reads. Numbers are little-endian, n is the number of entries.
 *
 *      0  u32 checksum of bytes 4…length, bound to the file and the offset (format.ts)
 *      4  u32 length in bytes
 *      8  u16 n
 *     10  u16 which optional columns there are: 1 flags, 2 kappa, 4 expiry
 *     12  u32 length of the keys' bytes
 *     16  u32 × 2 n   sequence number, lower and upper half
 *         u32 × n     where the key's own bytes end, from the first of them
 *         u32 × n     where the value ends, from the first of them
 *         u32 × n     flags, where they are not all 0
 *         f32 × n     kappa, where it is not all 0
 *         u32 × 2 n   expiry in ms, where it is not all 0
 *         u16 × n     how many bytes the key shares with the one before; 0 for every 16th
 *         u8  × n     kind
 *         the keys' own bytes, without what they share; then the values
 *
 * A block is checked once, when it is loaded: checksum, then every length in it. After that it is only indexed.
 */

import { type Entry, type EntryKind, entryKind, handleBytes, keyLimitBytes, valueLimitBytes } from "../entry.ts";
import { compareKeyWithin } from "../key.ts";
import { checksumAt, viewOf } from "../little-endian.ts";

export const blockHeaderBytes = 16;
/** Entries from one key in full to the next. */
export const restartInterval = 16;
export const blockEntryLimit = 65_535;
export const blockLimitBytes: number = 2 * (keyLimitBytes + valueLimitBytes);
export const column = { flags: 1, kappa: 2, expiry: 4 } as const;

const floatBits = new Uint32Array(1);
const float = new Float32Array(floatBits.buffer);

/** Where the columns of a block with these entries stand, in words of four bytes. */
export class BlockLayout {
  readonly sequences: number;
  readonly keyEnds: number;
  readonly valueEnds: number;
  /** -1 where the column is left out. */
  readonly flags: number;
  readonly kappas: number;
  readonly expiries: number;
  /** In bytes from here on. */
  readonly shared: number;
  readonly kinds: number;
  readonly keys: number;

  constructor(entries: number, columns: number) {
    let word = blockHeaderBytes / 4;
    const take = (words: number): number => (word += words) - words;
    this.sequences = take(2 * entries);
    this.keyEnds = take(entries);
    this.valueEnds = take(entries);
    this.flags = (columns & column.flags) === 0 ? -1 : take(entries);
    this.kappas = (columns & column.kappa) === 0 ? -1 : take(entries);
    this.expiries = (columns & column.expiry) === 0 ? -1 : take(2 * entries);
    this.shared = word * 4;
    this.kinds = this.shared + 2 * entries;
    this.keys = this.kinds + entries;
  }
}

export class Block {
  readonly entries: number;
  readonly bytes: Uint8Array;
  /** Was used since the cache last looked. */
  isUsed = false;
  readonly #words: Uint32Array;
  // The layout, without an object of its own: a search touches as few lines of memory as can be.
  readonly #sequences: number;
  readonly #keyEnds: number;
  readonly #valueEnds: number;
  readonly #flags: number;
  readonly #kappas: number;
  readonly #expiries: number;
  readonly #shared: number;
  readonly #kinds: number;
  readonly #keys: number;
  readonly #values: number;

  /** Takes bytes that `blockFault` found nothing against. */
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2);
    const second = this.#words[2];
    this.entries = second & 0xffff;
    const layout = new BlockLayout(this.entries, second >>> 16);
    this.#sequences = layout.sequences;
    this.#keyEnds = layout.keyEnds;
    this.#valueEnds = layout.valueEnds;
    this.#flags = layout.flags;
    this.#kappas = layout.kappas;
    this.#expiries = layout.expiries;
    this.#shared = layout.shared;
    this.#kinds = layout.kinds;
    this.#keys = layout.keys;
    this.#values = layout.keys + this.#words[3];
  }

  sequenceAt(place: number): number {
    const word = this.#sequences + 2 * place;
    return this.#words[word + 1] * 2 ** 32 + this.#words[word];
  }

  kindAt(place: number): EntryKind {
    return this.bytes[this.#kinds + place] as EntryKind;
  }

  expiryMsAt(place: number): number {
    const expiries = this.#expiries;
    if (expiries < 0) return 0;
    return this.#words[expiries + 2 * place + 1] * 2 ** 32 + this.#words[expiries + 2 * place];
  }

  entryAt(place: number, key: Uint8Array): Entry {
    const words = this.#words;
    const values = this.#values;
    const from = place === 0 ? 0 : words[this.#valueEnds + place - 1];
    if (this.#kappas >= 0) floatBits[0] = words[this.#kappas + place];
    return {
      key,
      sequence: this.sequenceAt(place),
      kind: this.kindAt(place),
      value: this.bytes.subarray(values + from, values + words[this.#valueEnds + place]),
      expiryMs: this.expiryMsAt(place),
      flags: this.#flags < 0 ? 0 : words[this.#flags + place],
      kappa: this.#kappas < 0 ? 0 : float[0],
    };
  }

  /** All keys in full, one after the other; `ends[i]` is where the i-th ends. */
  decodeKeys(ends: Uint32Array): Uint8Array {
    let total = 0;
    for (let place = 0; place < this.entries; place++) total += this.#sharedAt(place) + this.#ownLengthAt(place);
    const keys = new Uint8Array(total);
    const { bytes } = this;
    let at = 0;
    let before = 0;
    for (let place = 0; place < this.entries; place++) {
      const start = at;
      for (let left = this.#sharedAt(place); left > 0; left--) keys[at++] = keys[before++];
      let own = this.#keys + this.#ownFrom(place);
      for (let left = this.#ownLengthAt(place); left > 0; left--) keys[at++] = bytes[own++];
      ends[place] = at;
      before = start;
    }
    return keys;
  }

  /** The place of the newest version of the key that is not newer than `atSequence`, or -1. */
  find(key: Uint8Array, atSequence: number): number {
    const place = this.#findKey(key);
    if (place < 0) return -1;
    let at = place;
    while (this.sequenceAt(at) > atSequence) {
      at++;
      if (at === this.entries || !this.#repeatsKey(at, key)) return -1;
    }
    return at;
  }

  /** The first place whose key is not before this one; the number of entries where all are. */
  seek(key: Uint8Array): number {
    const place = this.#findKey(key);
    return place >= 0 ? place : -place - 1;
  }

  /** The first place with this key; or -1 less the place where it would stand. */
  #findKey(key: Uint8Array): number {
    let low = 0;
    let high = Math.ceil(this.entries / restartInterval);
    // The last restart whose key is before this one: versions of a key may go on over restarts.
    while (low + 1 < high) {
      const middle = (low + high) >>> 1;
      if (this.#compareRestart(key, middle * restartInterval) > 0) low = middle;
      else high = middle;
    }
    return this.#walk(key, low * restartInterval);
  }

  /**
   * From one key to the next without putting any together: `matched` bytes are the same in the wanted key and in the
   * one before, which stands before it. A key that shares more with that one stands before the wanted one as well; one
   * that shares less stands behind it; only with exactly as many is there anything to compare.
   */
  #walk(key: Uint8Array, from: number): number {
    const { bytes } = this;
    let matched = 0;
    for (let place = from; place < this.entries; place++) {
      const shared = this.#sharedAt(place);
      if (place % restartInterval === 0) matched = 0;
      if (shared > matched) continue;
      if (shared < matched) return -1 - place;
      let own = this.#keys + this.#ownFrom(place);
      const end = own + this.#ownLengthAt(place);
      while (own < end && matched < key.length && bytes[own] === key[matched]) {
        own++;
        matched++;
      }
      if (matched === key.length) return own === end ? place : -1 - place;
      if (own < end && bytes[own] > key[matched]) return -1 - place;
    }
    return -1 - this.entries;
  }

  #compareRestart(key: Uint8Array, place: number): number {
    const from = this.#keys + this.#ownFrom(place);
    return compareKeyWithin(key, this.bytes, from, from + this.#ownLengthAt(place));
  }

  /** Whether the key here is this one, which the key before is. */
  #repeatsKey(place: number, key: Uint8Array): boolean {
    if (place % restartInterval === 0) return this.#compareRestart(key, place) === 0;
    return this.#sharedAt(place) === key.length && this.#ownLengthAt(place) === 0;
  }

  #sharedAt(place: number): number {
    const at = this.#shared + 2 * place;
    return this.bytes[at] | (this.bytes[at + 1] << 8);
  }

  #ownFrom(place: number): number {
    return place === 0 ? 0 : this.#words[this.#keyEnds + place - 1];
  }

  #ownLengthAt(place: number): number {
    return this.#words[this.#keyEnds + place] - this.#ownFrom(place);
  }
}

/** Why these bytes are not the block of this file at this offset; undefined where they are. */
export function blockFault(bytes: Uint8Array, fileId: number, offset: number, checksum: number): string | undefined {
  const view = viewOf(bytes);
  if (bytes.length < blockHeaderBytes) return "the block is shorter than its header";
  if (view.getUint32(0, true) !== checksum) return "the block is not the one that the index names";
  if (checksumAt(fileId, offset, bytes.subarray(4)) !== checksum) return "the checksum of the block is wrong"; // mutant: block-checksum
  if (view.getUint32(4, true) !== bytes.length) return "the block has another length than the index says";
  return structureFault(bytes, view);
}

function structureFault(bytes: Uint8Array, view: DataView): string | undefined {
  const entries = view.getUint16(8, true);
  const columns = view.getUint16(10, true);
  const layout = new BlockLayout(entries, columns);
  const keysLength = view.getUint32(12, true);
  if (entries === 0 || columns > 7 || layout.keys + keysLength > bytes.length) return "the block has no valid layout";
  let keyEnd = 0;
  let valueEnd = 0;
  let lengthBefore = 0;
  for (let place = 0; place < entries; place++) {
    const nextKeyEnd = view.getUint32((layout.keyEnds + place) * 4, true);
    const nextValueEnd = view.getUint32((layout.valueEnds + place) * 4, true);
    const shared = view.getUint16(layout.shared + 2 * place, true);
    const limit = place % restartInterval === 0 ? 0 : lengthBefore;
    if (nextKeyEnd < keyEnd || nextValueEnd < valueEnd || shared > limit) return "lengths in the block contradict";
    lengthBefore = shared + nextKeyEnd - keyEnd;
    if (lengthBefore > keyLimitBytes) return "a key in the block is too long";
    if (!isValueLength(bytes[layout.kinds + place], nextValueEnd - valueEnd)) return "an entry has no valid kind";
    if (view.getUint32((layout.sequences + 2 * place) * 4 + 4, true) >= 2 ** 21)
      return "a sequence number is too large";
    keyEnd = nextKeyEnd;
    valueEnd = nextValueEnd;
  }
  if (keyEnd !== keysLength || layout.keys + keysLength + valueEnd !== bytes.length)
    return "lengths in the block do not add up";
  return undefined;
}

function isValueLength(kind: number, length: number): boolean {
  if (kind === entryKind.value) return length <= valueLimitBytes;
  if (kind === entryKind.handle) return length === handleBytes;
  return kind === entryKind.tombstone && length === 0;
}
