/**
 * The versions of a collection's items in a segment, as columns beside its vector index.
 *
 *      0  magic "HFROWS01"                                      8 bytes
 *      8  format version = 1                                    u32
 *     12  R: rows, one for each version                         u32
 *     16  V: rows with an embedding                             u32
 *     20  I: bytes of all ids                                   u32
 *     24  M: bytes of all metadata                              u32
 *     28  1 where any version expires, else 0                   u32
 *     32  file id                                               u64
 *     40  zero                                                  16 bytes
 *     56  CRC-32 of everything from 64 on                       u32
 *     60  CRC-32 of bytes 0 to 59                               u32
 *     64  sequence numbers                                      R x f64
 *         expiries, ms since 1970, 0 where it stays             R x f64, or nothing where none expires
 *         for each vector, by its id in the index, its row      V x u32
 *         where the id of each row begins                       (R + 1) x u32
 *         where its metadata begins                             (R + 1) x u32
 *         ids                                                   I bytes, UTF-8
 *         metadata, JSON                                        M bytes, UTF-8
 *
 * All little-endian; both checksums go on from those of the file id and of the place. Rows are sorted by the bytes of
 * their ids, and within an id the newest comes first. Versions without an embedding are there because they hide older
 * ones in other layers; they have no metadata here.
 *
 * Ids of the index are 0 to V - 1, in the order in which its rows stand, so that bitmaps of ids are bitmaps of rows. A
 * merge of indexes puts them in an order of its own, and the row of each is written down: the index stays free in it.
 */

import { assert, HoldfastError, utf8 } from "../../base/index.ts";
import { compareKeys, compareKeyWithin } from "../key.ts";
import { checksumAt, viewOf, writeU64 } from "../little-endian.ts";
import { GrowingBytes, GrowingNumbers } from "./growing.ts";

export const rowsMagic = "HFROWS01";
export const rowsVersion = 1;
export const rowsHeadBytes = 64;
/** A section of a segment must be shorter. */
const limitBytes = 2 ** 31 - 1;

/** Takes the rows in their order; then it knows its bytes. */
export class RowsColumnWriter {
  readonly #sequences = new GrowingNumbers();
  readonly #expiries = new GrowingNumbers();
  readonly #idStarts = new GrowingNumbers();
  readonly #metadataStarts = new GrowingNumbers();
  readonly #ids = new GrowingBytes();
  readonly #metadata = new GrowingBytes();
  #someExpire = false;

  get rows(): number {
    return this.#sequences.length;
  }

  get sizeBytes(): number {
    return rowsHeadBytes + this.rows * 28 + this.#ids.length + this.#metadata.length;
  }

  /** The next row; returns its number. Ids ascending by their bytes, and within an id the newest first. */
  add(id: string, sequence: number, expiryMs: number, metadata: Uint8Array | undefined): number {
    const row = this.rows;
    const bytes = utf8(id);
    if (row > 0) {
      const order = compareKeys(bytes, this.#ids.slice(this.#idStarts.at(row - 1), this.#ids.length));
      assert(order > 0 || (order === 0 && sequence < this.#sequences.at(row - 1)), "rows come in the order of keys");
    }
    this.#sequences.push(sequence);
    this.#expiries.push(expiryMs);
    this.#idStarts.push(this.#ids.length);
    this.#metadataStarts.push(this.#metadata.length);
    this.#ids.append(bytes);
    if (metadata !== undefined) this.#metadata.append(metadata);
    this.#someExpire ||= expiryMs !== 0;
    return row;
  }

  /** With the row of each id of the index. Throws STORE_VECTOR_FULL where that is more than a section may be. */
  finish(rowOfVector: Float64Array, fileId: number): Uint8Array<ArrayBuffer> {
    const counts = {
      rows: this.rows,
      vectors: rowOfVector.length,
      idBytes: this.#ids.length,
      metadataBytes: this.#metadata.length,
      someExpire: this.#someExpire,
    };
    const { endBytes } = layoutOf(counts);
    if (endBytes > limitBytes) {
      throw new HoldfastError("STORE_VECTOR_FULL", `ids and metadata of ${this.rows} items take ${endBytes} bytes`, {
        hint: "A segment has room for 2 GiB: make smaller ones, or keep what is long in the content.",
      });
    }
    const bytes = new Uint8Array(endBytes);
    const columns = columnsOf(bytes, counts);
    columns.sequences.set(this.#sequences.view);
    if (this.#someExpire) columns.expiries.set(this.#expiries.view);
    columns.rowOfVector.set(rowOfVector);
    columns.idStarts.set(this.#idStarts.view);
    columns.idStarts[this.rows] = this.#ids.length;
    columns.metadataStarts.set(this.#metadataStarts.view);
    columns.metadataStarts[this.rows] = this.#metadata.length;
    columns.ids.set(this.#ids.slice(0, this.#ids.length));
    columns.metadata.set(this.#metadata.slice(0, this.#metadata.length));
    writeHead(bytes, counts, fileId);
    return bytes;
  }
}

export interface RowsCounts {
  readonly rows: number;
  readonly vectors: number;
  readonly idBytes: number;
  readonly metadataBytes: number;
  readonly someExpire: boolean;
}

function writeHead(bytes: Uint8Array, counts: RowsCounts, fileId: number): void {
  const view = viewOf(bytes);
  bytes.set(utf8(rowsMagic));
  const { rows, vectors, idBytes, metadataBytes, someExpire } = counts;
  const numbers = [rowsVersion, rows, vectors, idBytes, metadataBytes, someExpire ? 1 : 0];
  for (const [place, number] of numbers.entries()) view.setUint32(8 + place * 4, number, true);
  writeU64(view, 32, fileId);
  view.setUint32(56, checksumAt(fileId, rowsHeadBytes, bytes.subarray(rowsHeadBytes)), true);
  view.setUint32(60, checksumAt(fileId, 0, bytes.subarray(0, 60)), true);
}

export function layoutOf({ rows, vectors, idBytes, metadataBytes, someExpire }: RowsCounts) {
  const expiriesAt = rowsHeadBytes + rows * 8;
  const rowOfVectorAt = expiriesAt + (someExpire ? rows * 8 : 0);
  const idStartsAt = rowOfVectorAt + vectors * 4;
  const metadataStartsAt = idStartsAt + (rows + 1) * 4;
  const idsAt = metadataStartsAt + (rows + 1) * 4;
  const metadataAt = idsAt + idBytes;
  const endBytes = metadataAt + metadataBytes;
  return { expiriesAt, rowOfVectorAt, idStartsAt, metadataStartsAt, idsAt, metadataAt, endBytes };
}

export type RowsColumns = ReturnType<typeof columnsOf>;

/** Views; the bytes begin at a multiple of eight. */
export function columnsOf(bytes: Uint8Array, counts: RowsCounts) {
  const { rows, vectors, someExpire } = counts;
  const { buffer, byteOffset: start } = bytes;
  const layout = layoutOf(counts);
  return {
    sequences: new Float64Array(buffer, start + rowsHeadBytes, rows),
    expiries: new Float64Array(buffer, start + layout.expiriesAt, someExpire ? rows : 0),
    rowOfVector: new Uint32Array(buffer, start + layout.rowOfVectorAt, vectors),
    idStarts: new Uint32Array(buffer, start + layout.idStartsAt, rows + 1),
    metadataStarts: new Uint32Array(buffer, start + layout.metadataStartsAt, rows + 1),
    ids: new Uint8Array(buffer, start + layout.idsAt, counts.idBytes),
    metadata: new Uint8Array(buffer, start + layout.metadataAt, counts.metadataBytes),
  };
}

/** Whether the id of this row has these bytes. */
export function hasId({ ids, idStarts }: RowsColumns, row: number, id: Uint8Array): boolean {
  const [from, to] = [idStarts[row]!, idStarts[row + 1]!];
  return to - from === id.length && compareKeyWithin(id, ids, from, to) === 0;
}

/** Whether two rows are versions of one item. */
export function hasSameId({ ids, idStarts }: RowsColumns, a: number, b: number): boolean {
  const [first, second] = [idStarts[a]!, idStarts[b]!];
  const length = idStarts[a + 1]! - first;
  if (idStarts[b + 1]! - second !== length) return false;
  for (let place = 0; place < length; place++) if (ids[first + place] !== ids[second + place]) return false;
  return true;
}
