/**
 * Reads a content file. Opening reads its head, footer and index; a read after that is one read of the disk.
 *
 * Everything is checked before it is believed: a read gives the very bytes of its handle or an error with file and
 * offset, and a failing disk is never "not there".
 */

import { crc32 } from "node:zlib";
import { HoldfastError, utf8Text } from "../../base/index.ts";
import type { Disk, DiskFile } from "../../disk/index.ts";
import { checksumAt, readU64, viewOf } from "../little-endian.ts";
import {
  contentVersion,
  corrupt,
  fileMagic,
  footerBytes,
  headerBytes,
  indexBytesOf,
  indexMagic,
  padded,
  recordHeadBytes,
} from "./content-format.ts";
import type { ContentHandle } from "./content-handle.ts";

/** How much compaction reads at once. */
const windowBytes = 1 << 20;

interface Index {
  readonly offsets: Float64Array;
  readonly rows: Uint32Array;
  readonly lengths: Uint32Array;
  readonly runs: readonly { readonly source: number; readonly first: number; readonly count: number }[];
}

export class ContentFile {
  readonly id: number;
  readonly path: string;
  readonly sizeBytes: number;
  readonly contentBytes: number;
  readonly #disk: DiskFile;
  readonly #index: Index;

  private constructor(
    facts: { id: number; path: string; sizeBytes: number; contentBytes: number },
    file: DiskFile,
    index: Index,
  ) {
    this.id = facts.id;
    this.path = facts.path;
    this.sizeBytes = facts.sizeBytes;
    this.contentBytes = facts.contentBytes;
    this.#disk = file;
    this.#index = index;
  }

  /** Throws STORE_CONTENT_CORRUPT, STORE_VERSION for a newer format, and what the disk says. */
  static async open(disk: Disk, path: string, id: number): Promise<ContentFile> {
    const file = await disk.open(path, "read");
    try {
      const sizeBytes = await file.sizeBytes();
      if (sizeBytes < headerBytes + footerBytes) throw corrupt(path, 0, `${sizeBytes} bytes are no content file`);
      checkHeader(path, id, await bytesAt(file, path, 0, headerBytes));
      const footerAt = sizeBytes - footerBytes;
      const { indexOffset, entries, runs, contentBytes, checksum } = readFooter(
        ...([path, id, footerAt, await bytesAt(file, path, footerAt, footerBytes)] as const),
      );
      const length = indexBytesOf(entries, runs);
      if (indexOffset + length !== footerAt) throw corrupt(path, footerAt, "the index is not where it should be");
      const bytes = await bytesAt(file, path, indexOffset, length);
      if (crc32(bytes) !== checksum) throw corrupt(path, indexOffset, "the index's checksum is wrong");
      const index = readIndex(path, indexOffset, bytes, entries, runs);
      return new ContentFile({ id, path, sizeBytes, contentBytes }, file, index);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  get entries(): number {
    return this.#index.rows.length;
  }

  /** The files whose content is here. */
  get sources(): number[] {
    return this.#index.runs.map(({ source }) => source);
  }

  /** The content of the handle, which must be one of this file's. */
  async read(handle: ContentHandle): Promise<Uint8Array> {
    const place = this.#find(handle);
    if (place === -1) throw missing(this.path, handle);
    const offset = this.#index.offsets[place]!;
    const record = await bytesAt(this.#disk, this.path, offset, recordHeadBytes + this.#index.lengths[place]!);
    const { found, content } = this.#record(record, offset);
    const same = found.file === handle.file && found.row === handle.row && found.length === handle.length;
    if (!same || found.checksum !== handle.checksum) throw corrupt(this.path, offset, "it is not what the handle says");
    return content;
  }

  /** Every content, in the order in which they lie, those left out that `wants` does not want. */
  async *contents(
    wants: (handle: Pick<ContentHandle, "file" | "row" | "length">) => boolean,
    signal?: AbortSignal,
  ): AsyncGenerator<{ readonly handle: ContentHandle; readonly content: Uint8Array }> {
    const window = new Window(this.#disk, this.path, this.sizeBytes);
    for (const { offset, file, row, length } of this.#inOrder()) {
      if (!wants({ file, row, length })) continue;
      signal?.throwIfAborted();
      const { found, content } = this.#record(await window.at(offset, recordHeadBytes + length), offset);
      yield { handle: found, content };
    }
  }

  /** Checks every content, in the order in which they lie: its handle, or what is thrown at whoever reads it. */
  async *checked(signal?: AbortSignal): AsyncGenerator<ContentHandle | HoldfastError> {
    const window = new Window(this.#disk, this.path, this.sizeBytes);
    for (const { offset, file, row, length } of this.#inOrder()) {
      signal?.throwIfAborted();
      try {
        const size = recordHeadBytes + length;
        const bytes = await window.at(offset, padded(size));
        const { found, content } = this.#record(bytes.subarray(0, size), offset);
        if (found.file !== file || found.row !== row)
          throw corrupt(this.path, offset, "the index names another content");
        if (crc32(content) !== found.checksum) throw corrupt(this.path, offset, "the handle's checksum is wrong");
        if (bytes.subarray(size).some((byte) => byte !== 0)) throw corrupt(this.path, offset, "its end is not empty");
        yield found;
      } catch (error) {
        if (!isDamage(error)) throw error;
        yield error;
      }
    }
  }

  async close(): Promise<void> {
    await this.#disk.close();
  }

  /** What the index says, by offset. */
  *#inOrder(): Generator<{
    readonly offset: number;
    readonly file: number;
    readonly row: number;
    readonly length: number;
  }> {
    const { offsets, rows, lengths, runs } = this.#index;
    const sourceOf = new Float64Array(rows.length);
    for (const { source, first, count } of runs) sourceOf.fill(source, first, first + count);
    const order = Uint32Array.from(rows.keys()).sort((a, b) => offsets[a]! - offsets[b]!);
    for (const place of order)
      yield { offset: offsets[place]!, file: sourceOf[place]!, row: rows[place]!, length: lengths[place]! };
  }

  #record(record: Uint8Array, offset: number): { found: ContentHandle; content: Uint8Array } {
    const view = viewOf(record);
    const isWhole = view.getUint32(0, true) === checksumAt(this.id, offset, record.subarray(4));
    if (!isWhole) throw corrupt(this.path, offset, "a content's checksum is wrong"); // mutant: content-checksum
    const found = {
      file: readU64(view, 8),
      row: view.getUint32(16, true),
      length: view.getUint32(4, true),
      checksum: view.getUint32(20, true),
    };
    return { found, content: record.subarray(recordHeadBytes) };
  }

  #find({ file, row }: ContentHandle): number {
    const run = this.#index.runs.find(({ source }) => source === file);
    if (run === undefined) return -1;
    const { rows } = this.#index;
    if (row < run.count && rows[run.first + row] === row) return run.first + row;
    let [low, high] = [run.first, run.first + run.count - 1];
    while (low <= high) {
      const middle = (low + high) >>> 1;
      if (rows[middle] === row) return middle;
      if (rows[middle]! < row) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }
}

/** The index is whole and does not have it: it was lost before, with a file that was salvaged. */
function missing(path: string, { file, row }: ContentHandle): HoldfastError {
  return new HoldfastError("STORE_CONTENT_CORRUPT", `row ${row} of file ${file} is not there in ${path}`, {
    hint: "It was lost when the file was salvaged: write the item anew, or restore the store from a backup.",
    details: { path, offset: headerBytes, isMissing: true },
  });
}

/** Reads ahead, for who goes from front to back. */
class Window {
  readonly #file: DiskFile;
  readonly #path: string;
  readonly #sizeBytes: number;
  #bytes: Uint8Array = new Uint8Array(0);
  #from = 0;

  constructor(file: DiskFile, path: string, sizeBytes: number) {
    this.#file = file;
    this.#path = path;
    this.#sizeBytes = sizeBytes;
  }

  async at(offset: number, length: number): Promise<Uint8Array> {
    if (offset < this.#from || offset + length > this.#from + this.#bytes.length) {
      const ahead = Math.max(length, Math.min(windowBytes, this.#sizeBytes - offset));
      // One place that cannot be read takes no more with it than what stands there.
      const reading = bytesAt(this.#file, this.#path, offset, ahead);
      this.#bytes = await reading.catch(() => bytesAt(this.#file, this.#path, offset, length));
      this.#from = offset;
    }
    return this.#bytes.subarray(offset - this.#from, offset - this.#from + length);
  }
}

function isDamage(error: unknown): error is HoldfastError {
  return HoldfastError.is(error) && (error.code === "STORE_CONTENT_CORRUPT" || error.code === "DISK_IO");
}

async function bytesAt(file: DiskFile, path: string, offset: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  const count = await file.readAt(bytes, offset);
  if (count !== length) throw corrupt(path, offset + count, "the file ends there");
  return bytes;
}

function checkHeader(path: string, id: number, bytes: Uint8Array): void {
  const view = viewOf(bytes);
  if (utf8Text(bytes.subarray(0, 8)) !== fileMagic) throw corrupt(path, 0, "it does not begin as a content file does");
  if (crc32(bytes.subarray(0, 28)) !== view.getUint32(28, true)) throw corrupt(path, 0, "the head's checksum is wrong");
  const version = view.getUint32(8, true);
  if (version !== contentVersion) {
    throw new HoldfastError("STORE_VERSION", `${path} is of format ${version}; this Holdfast reads ${contentVersion}`, {
      hint: "open the store with the version that wrote it, or a newer one",
      details: { path, version },
    });
  }
  if (readU64(view, 16) !== id) throw corrupt(path, 16, `it is not file ${id}`);
}

function readFooter(path: string, id: number, at: number, bytes: Uint8Array) {
  const view = viewOf(bytes);
  if (utf8Text(bytes.subarray(0, 8)) !== indexMagic) throw corrupt(path, at, "it does not end as a content file does");
  if (crc32(bytes.subarray(0, 44)) !== view.getUint32(44, true))
    throw corrupt(path, at, "the footer's checksum is wrong");
  if (readU64(view, 24) !== id) throw corrupt(path, at + 24, `it is not file ${id}`);
  return {
    indexOffset: readU64(view, 8),
    entries: view.getUint32(16, true),
    runs: view.getUint32(20, true),
    contentBytes: view.getFloat64(32, true),
    checksum: view.getUint32(40, true),
  };
}

/** A forged index can have a right checksum: then reads fail, but none leads outside. */
function readIndex(path: string, at: number, bytes: Uint8Array, entries: number, runs: number): Index {
  const view = viewOf(bytes);
  const offsets = new Float64Array(bytes.buffer, 0, entries);
  const rows = new Uint32Array(bytes.buffer, entries * 8 + runs * 16, entries);
  const lengths = new Uint32Array(bytes.buffer, entries * 12 + runs * 16, entries);
  const found: Index["runs"][number][] = [];
  let next = 0;
  for (let run = 0; run < runs; run++) {
    const place = entries * 8 + run * 16;
    const [source, first, count] = [
      view.getFloat64(place, true),
      view.getUint32(place + 8, true),
      view.getUint32(place + 12, true),
    ];
    if (first !== next || count === 0 || !Number.isSafeInteger(source) || source <= (found.at(-1)?.source ?? -1)) {
      throw corrupt(path, at + place, "the runs of the index are out of order");
    }
    next += count;
    found.push({ source, first, count });
  }
  const inside = (offset: number, entry: number): boolean =>
    Number.isSafeInteger(offset) && offset >= headerBytes && offset + padded(recordHeadBytes + lengths[entry]!) <= at;
  if (next !== entries || !offsets.every(inside)) throw corrupt(path, at, "the index leads outside the file");
  return { offsets, rows, lengths, runs: found };
}
