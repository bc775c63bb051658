/**
 * Takes the bytes of a rows column for what they are, after looking at each of them: checksums first, then every number
 * against what it counts, so that nothing read later leads outside. In slices, for a million rows take a while.
 */

import { crc32 } from "node:zlib";
import { type HoldfastError, utf8Text } from "../../base/index.ts";
import { compareKeyWithin } from "../key.ts";
import { checksumAt, readU64, viewOf } from "../little-endian.ts";
import { corruptError, versionError } from "../segment/damage.ts";
import {
  columnsOf,
  layoutOf,
  type RowsColumns,
  type RowsCounts,
  rowsHeadBytes,
  rowsMagic,
  rowsVersion,
} from "./rows-column.ts";
import type { Slices } from "./slices.ts";

export interface RowsSource {
  /** Of the segment, for errors. */
  readonly path: string;
  readonly fileId: number;
  /** Where in the file the column begins, for errors. Default 0: they tell the place in the column. */
  readonly offset?: number | undefined;
}

export interface AdoptedRows {
  readonly counts: RowsCounts;
  readonly columns: RowsColumns;
}

const checksumChunkBytes = 4 * 2 ** 20;

/** Throws STORE_SEGMENT_CORRUPT with the offset, and STORE_VERSION for a newer format. */
export async function adoptRows(
  given: Uint8Array,
  source: RowsSource,
  slices: Slices,
  signal?: AbortSignal,
): Promise<AdoptedRows> {
  const bytes = given.byteOffset % 8 === 0 ? given : new Uint8Array(given);
  const bad: Bad = (offset, reason) =>
    corruptError({ path: source.path, offset: (source.offset ?? 0) + offset, section: "rows", reason });
  const counts = countsIn(bytes, source, bad);
  const announced = viewOf(bytes).getUint32(56, true);
  let checksum = checksumAt(source.fileId, rowsHeadBytes, bytes.subarray(rowsHeadBytes, rowsHeadBytes));
  for (let from = rowsHeadBytes; from < bytes.length; from += checksumChunkBytes) {
    checksum = crc32(bytes.subarray(from, from + checksumChunkBytes), checksum);
    if (slices.isSpent()) await slices.pause(signal);
  }
  if (checksum !== announced) throw bad(rowsHeadBytes, "its checksum is wrong");
  const columns = columnsOf(bytes, counts);
  await checkRows(columns, counts, bad, slices, signal);
  checkVectors(columns, counts, bad);
  return { counts, columns };
}

type Bad = (offset: number, reason: string) => HoldfastError;

function countsIn(bytes: Uint8Array, { path, fileId }: RowsSource, bad: Bad): RowsCounts {
  if (bytes.length < rowsHeadBytes) throw bad(0, `${bytes.length} bytes are no head`);
  const view = viewOf(bytes);
  if (utf8Text(bytes.subarray(0, 8)) !== rowsMagic) throw bad(0, "it does not begin as it should");
  if (checksumAt(fileId, 0, bytes.subarray(0, 60)) !== view.getUint32(60, true)) {
    throw bad(0, "the checksum of its head is wrong, or it is of another file");
  }
  const version = view.getUint32(8, true);
  if (version !== rowsVersion) throw versionError(path, version, rowsVersion);
  if (readU64(view, 32) !== fileId) throw bad(32, "it is of another file");
  const flags = view.getUint32(28, true);
  if (flags > 1) throw bad(28, `${flags} says nothing`);
  const counts = {
    rows: view.getUint32(12, true),
    vectors: view.getUint32(16, true),
    idBytes: view.getUint32(20, true),
    metadataBytes: view.getUint32(24, true),
    someExpire: flags === 1,
  };
  const { endBytes } = layoutOf(counts);
  if (endBytes !== bytes.length) throw bad(12, `${endBytes} bytes are announced, and ${bytes.length} are there`);
  return counts;
}

/** A forged column may have right checksums: then it may answer wrongly, but it leads nowhere else. */
async function checkRows(
  columns: RowsColumns,
  counts: RowsCounts,
  bad: Bad,
  slices: Slices,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { sequences, expiries, idStarts, metadataStarts } = columns;
  const { rows, idBytes, metadataBytes, someExpire } = counts;
  const layout = layoutOf(counts);
  const ends = idStarts[0] === 0 && idStarts[rows] === idBytes;
  if (!ends || metadataStarts[0] !== 0 || metadataStarts[rows] !== metadataBytes) {
    throw bad(layout.idStartsAt, "ids or metadata do not end where they should");
  }
  const isWhole = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;
  for (let row = 0; row < rows; row++) {
    if (!isWhole(sequences[row]!) || sequences[row] === 0) {
      throw bad(rowsHeadBytes + row * 8, `row ${row} has no sequence number`);
    }
    if (someExpire && !isWhole(expiries[row]!)) throw bad(layout.expiriesAt + row * 8, `row ${row} has no expiry`);
    if (idStarts[row]! >= idStarts[row + 1]!) throw bad(layout.idStartsAt + row * 4, `row ${row} has no id`);
    if (metadataStarts[row]! > metadataStarts[row + 1]!) {
      throw bad(layout.metadataStartsAt + row * 4, `the metadata of row ${row} ends before it begins`);
    }
    if (row > 0 && !isInOrder(columns, row)) throw bad(layout.idsAt + idStarts[row]!, `row ${row} is out of order`);
    if (row % 64 === 63 && slices.isSpent(64)) await slices.pause(signal);
  }
}

function isInOrder({ ids, idStarts, sequences }: RowsColumns, row: number): boolean {
  const before = ids.subarray(idStarts[row - 1]!, idStarts[row]!);
  const order = compareKeyWithin(before, ids, idStarts[row]!, idStarts[row + 1]!);
  return order < 0 || (order === 0 && sequences[row]! < sequences[row - 1]!);
}

function checkVectors({ rowOfVector }: RowsColumns, counts: RowsCounts, bad: Bad): void {
  const { rowOfVectorAt } = layoutOf(counts);
  const seen = new Uint32Array((counts.rows + 31) >>> 5);
  for (const [vector, row] of rowOfVector.entries()) {
    const isNew = row < counts.rows && ((seen[row >>> 5]! >>> (row & 31)) & 1) === 0;
    if (!isNew) throw bad(rowOfVectorAt + vector * 4, `vector ${vector} belongs to no row of its own`);
    seen[row >>> 5]! |= 1 << (row & 31);
  }
}
