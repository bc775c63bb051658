/** Gathers entries, in order, into one block (its form stands in block.ts). Reused from block to block. */

import { type Entry, noBytes } from "../entry.ts";
import { sharedPrefixBytes } from "../key.ts";
import { checksumAt, viewOf, writeU64 } from "../little-endian.ts";
import { BlockLayout, blockEntryLimit, blockHeaderBytes, column, restartInterval } from "./block.ts";

export interface EncodedBlock {
  readonly bytes: Uint8Array;
  readonly checksum: number;
}

export class BlockEncoder {
  #entries: Entry[] = [];
  #shared: number[] = [];
  #keysLength = 0;
  #valuesLength = 0;
  #columns = 0;
  #lastKey: Uint8Array = noBytes;

  get entries(): number {
    return this.#entries.length;
  }

  get isFull(): boolean {
    return this.#entries.length === blockEntryLimit;
  }

  /** About what the block would take now. */
  get lengthBytes(): number {
    return blockHeaderBytes + 19 * this.#entries.length + this.#keysLength + this.#valuesLength;
  }

  /** Takes views of the entry, which stay right until `finish`. */
  add(entry: Entry): void {
    const { key } = entry;
    const shared = this.#entries.length % restartInterval === 0 ? 0 : sharedPrefixBytes(this.#lastKey, key);
    this.#entries.push(entry);
    this.#shared.push(shared);
    this.#keysLength += key.length - shared;
    this.#valuesLength += entry.value.length;
    if (entry.flags !== 0) this.#columns |= column.flags;
    if (entry.kappa !== 0) this.#columns |= column.kappa;
    if (entry.expiryMs !== 0) this.#columns |= column.expiry;
    this.#lastKey = key;
  }

  /** The bytes of the block for this place; the encoder is empty afterwards. */
  finish(fileId: number, offset: number): EncodedBlock {
    const layout = new BlockLayout(this.#entries.length, this.#columns);
    const bytes = new Uint8Array(layout.keys + this.#keysLength + this.#valuesLength);
    const view = viewOf(bytes);
    view.setUint32(4, bytes.length, true);
    view.setUint16(8, this.#entries.length, true);
    view.setUint16(10, this.#columns, true);
    view.setUint32(12, this.#keysLength, true);
    this.#fill(bytes, view, layout);
    const checksum = checksumAt(fileId, offset, bytes.subarray(4));
    view.setUint32(0, checksum, true);
    this.#entries = [];
    this.#shared = [];
    this.#keysLength = this.#valuesLength = this.#columns = 0;
    return { bytes, checksum };
  }

  #fill(bytes: Uint8Array, view: DataView, layout: BlockLayout): void {
    let keyEnd = 0;
    let valueEnd = 0;
    const values = layout.keys + this.#keysLength;
    for (const [place, entry] of this.#entries.entries()) {
      const shared = this.#shared[place];
      bytes.set(shared === 0 ? entry.key : entry.key.subarray(shared), layout.keys + keyEnd);
      bytes.set(entry.value, values + valueEnd);
      keyEnd += entry.key.length - shared;
      valueEnd += entry.value.length;
      writeU64(view, (layout.sequences + 2 * place) * 4, entry.sequence);
      view.setUint32((layout.keyEnds + place) * 4, keyEnd, true);
      view.setUint32((layout.valueEnds + place) * 4, valueEnd, true);
      if (layout.flags >= 0) view.setUint32((layout.flags + place) * 4, entry.flags, true);
      if (layout.kappas >= 0) view.setFloat32((layout.kappas + place) * 4, entry.kappa, true);
      if (layout.expiries >= 0) writeU64(view, (layout.expiries + 2 * place) * 4, entry.expiryMs);
      view.setUint16(layout.shared + 2 * place, shared, true);
      bytes[layout.kinds + place] = entry.kind;
    }
  }
}
