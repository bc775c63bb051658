/**
 * Cuts a run of entries into blocks and notes for the index where each is and what separates it from the one before.
 */

import { type Entry, latestSequence, noBytes } from "../entry.ts";
import { compareKeys, separatorOf } from "../key.ts";
import { BlockEncoder } from "./block-encoder.ts";
import type { IndexedBlock } from "./block-index.ts";

export class BlockSectionWriter {
  readonly blocks: IndexedBlock[] = [];
  readonly #fileId: number;
  readonly #blockBytes: number;
  readonly #encoder = new BlockEncoder();
  #separator: Uint8Array = noBytes;
  #separatorSequence = latestSequence;
  #last: Entry | undefined;

  constructor(fileId: number, blockBytes: number) {
    this.#fileId = fileId;
    this.#blockBytes = blockBytes;
  }

  /** Whether the block is to be finished before this entry is added. */
  isFullBefore(entry: Entry): boolean {
    const encoder = this.#encoder;
    if (encoder.entries === 0) return false;
    return encoder.isFull || encoder.lengthBytes + entry.key.length + entry.value.length + 19 > this.#blockBytes;
  }

  get isEmpty(): boolean {
    return this.#encoder.entries === 0;
  }

  add(entry: Entry): void {
    if (this.#encoder.entries === 0 && this.#last !== undefined) this.#separateFrom(this.#last, entry);
    this.#encoder.add(entry);
    this.#last = entry;
  }

  /** The bytes of the block, for this place of the file. */
  finishBlock(offset: number): Uint8Array {
    const { bytes, checksum } = this.#encoder.finish(this.#fileId, offset);
    this.blocks.push({
      lengthBytes: bytes.length,
      checksum,
      separator: this.#separator,
      sequence: this.#separatorSequence,
    });
    return bytes;
  }

  #separateFrom(last: Entry, entry: Entry): void {
    const isSameKey = compareKeys(last.key, entry.key) === 0;
    this.#separator = isSameKey ? entry.key.slice() : separatorOf(last.key, entry.key);
    this.#separatorSequence = isSameKey ? last.sequence - 1 : latestSequence;
  }
}
