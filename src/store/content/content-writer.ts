/**
 * Writes a content file: record by record, with bounded memory, under another name until it is whole and durable.
 *
 * After `finish` the file has its name and both it and the folder are synced. After `abandon`, or a crash before the
 * end, nothing has that name; what is left under the other one is swept away at the next opening.
 */

import { crc32 } from "node:zlib";
import { assert, HoldfastError, utf8 } from "../../base/index.ts";
import type { Disk, DiskFile } from "../../disk/index.ts";
import {
  contentLimitBytes,
  contentVersion,
  fileMagic,
  footerBytes,
  headerBytes,
  indexBytesOf,
  indexMagic,
  padded,
  recordHeadBytes,
} from "./content-format.ts";
import type { ContentHandle } from "./content-handle.ts";

const chunkBytes = 1 << 20;

export interface WrittenContent {
  readonly file: number;
  readonly entries: number;
  /** Of the whole file. */
  readonly sizeBytes: number;
  readonly contentBytes: number;
  /** The files whose content is in it, ascending. */
  readonly sources: readonly number[];
}

interface Written {
  readonly source: number;
  readonly row: number;
  readonly offset: number;
  readonly length: number;
}

export class ContentWriter {
  readonly #disk: Disk;
  readonly #file: number;
  readonly #folder: string;
  readonly #path: string;
  #open: DiskFile | undefined;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #flushedBytes = 0;
  #contentBytes = 0;
  readonly #written: Written[] = [];

  private constructor(disk: Disk, folder: string, path: string, file: number) {
    this.#disk = disk;
    this.#folder = folder;
    this.#path = path;
    this.#file = file;
  }

  /** `path` gets its name with `finish`; it must not exist. */
  static async create(disk: Disk, folder: string, path: string, file: number): Promise<ContentWriter> {
    const writer = new ContentWriter(disk, folder, path, file);
    await disk.remove(writer.#temporaryPath);
    writer.#open = await disk.open(writer.#temporaryPath, "create-new");
    writer.#push(header(file));
    return writer;
  }

  /** How many bytes the file would have if it were finished now. */
  get sizeBytes(): number {
    return this.#offset + indexBytesOf(this.#written.length, 1) + footerBytes;
  }

  /** Takes content over for the first time. Not durable before `finish`. Throws STORE_CONTENT_TOO_LARGE. */
  async add(content: Uint8Array): Promise<ContentHandle> {
    const handle = {
      ...{ file: this.#file, row: this.#written.length, length: content.length, checksum: crc32(content) },
    };
    await this.copy(handle, content);
    return handle;
  }

  /** Takes over content that was first written elsewhere; its handle stays. */
  async copy(handle: ContentHandle, content: Uint8Array): Promise<void> {
    if (content.length > contentLimitBytes) {
      throw new HoldfastError("STORE_CONTENT_TOO_LARGE", `a content has ${content.length} bytes`, {
        hint: `the limit is ${contentLimitBytes} bytes: cut it into pieces`,
        details: { lengthBytes: content.length, limitBytes: contentLimitBytes },
      });
    }
    const offset = this.#offset;
    this.#written.push({ source: handle.file, row: handle.row, offset, length: content.length });
    this.#contentBytes += content.length;
    this.#push(recordOf(this.#file, offset, handle, content));
    if (this.#waitingBytes >= chunkBytes) await this.#flush();
  }

  async finish(): Promise<WrittenContent> {
    const file = this.#opened();
    const { index, runs } = indexOf(this.#written);
    const indexOffset = this.#offset;
    this.#push(index);
    const [entries, contentBytes] = [this.#written.length, this.#contentBytes];
    this.#push(footer({ indexOffset, entries, runs: runs.length, file: this.#file, contentBytes, index }));
    await this.#flush();
    await file.sync();
    await file.close();
    this.#open = undefined;
    await this.#disk.rename(this.#temporaryPath, this.#path);
    await this.#disk.syncFolder(this.#folder);
    const sources = runs.map(({ source }) => source);
    return { file: this.#file, entries, sizeBytes: this.#flushedBytes, contentBytes, sources };
  }

  /** Leaves nothing behind; after `finish` it does nothing. */
  async abandon(): Promise<void> {
    if (this.#open === undefined) return;
    await this.#open.close();
    this.#open = undefined;
    await this.#disk.remove(this.#temporaryPath);
  }

  get #offset(): number {
    return this.#flushedBytes + this.#waitingBytes;
  }

  get #temporaryPath(): string {
    return `${this.#path}.tmp`;
  }

  #opened(): DiskFile {
    assert(this.#open !== undefined, "a content writer is used before its end");
    return this.#open;
  }

  #push(bytes: Uint8Array): void {
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
  }

  async #flush(): Promise<void> {
    const parts = this.#waiting;
    this.#waiting = [];
    await this.#opened().writeAt(parts, this.#flushedBytes);
    this.#flushedBytes += this.#waitingBytes;
    this.#waitingBytes = 0;
  }
}

function header(file: number): Uint8Array {
  const bytes = new Uint8Array(headerBytes);
  const view = new DataView(bytes.buffer);
  bytes.set(utf8(fileMagic), 0);
  view.setUint32(8, contentVersion, true);
  view.setBigUint64(16, BigInt(file), true);
  view.setUint32(28, crc32(bytes.subarray(0, 28)), true);
  return bytes;
}

function recordOf(file: number, offset: number, handle: ContentHandle, content: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(padded(recordHeadBytes + content.length));
  const view = new DataView(bytes.buffer);
  view.setUint32(4, content.length, true);
  view.setBigUint64(8, BigInt(handle.file), true);
  view.setUint32(16, handle.row, true);
  view.setUint32(20, handle.checksum, true);
  bytes.set(content, recordHeadBytes);
  view.setUint32(0, recordChecksum(file, offset, bytes.subarray(0, recordHeadBytes + content.length)), true);
  return bytes;
}

/** Of the record without its own checksum, bound to where it lies: misplaced bytes are damage too. */
export function recordChecksum(file: number, offset: number, record: Uint8Array): number {
  const place = new Float64Array([file, offset]);
  return crc32(record.subarray(4), crc32(new Uint8Array(place.buffer)));
}

interface Run {
  readonly source: number;
  readonly first: number;
  count: number;
}

function indexOf(written: Written[]): { index: Uint8Array; runs: readonly Run[] } {
  written.sort((a, b) => a.source - b.source || a.row - b.row);
  const runs: Run[] = [];
  for (const [place, { source }] of written.entries()) {
    if (runs.at(-1)?.source === source) runs.at(-1)!.count++;
    else runs.push({ source, first: place, count: 1 });
  }
  const index = new Uint8Array(indexBytesOf(written.length, runs.length));
  const view = new DataView(index.buffer);
  const [runsAt, rowsAt] = [written.length * 8, written.length * 8 + runs.length * 16];
  for (const [place, { source, first, count }] of runs.entries()) {
    view.setFloat64(runsAt + place * 16, source, true);
    view.setUint32(runsAt + place * 16 + 8, first, true);
    view.setUint32(runsAt + place * 16 + 12, count, true);
  }
  for (const [place, { offset, row, length }] of written.entries()) {
    view.setFloat64(place * 8, offset, true);
    view.setUint32(rowsAt + place * 4, row, true);
    view.setUint32(rowsAt + written.length * 4 + place * 4, length, true);
  }
  return { index, runs };
}

function footer(facts: {
  readonly indexOffset: number;
  readonly entries: number;
  readonly runs: number;
  readonly file: number;
  readonly contentBytes: number;
  readonly index: Uint8Array;
}): Uint8Array {
  const bytes = new Uint8Array(footerBytes);
  const view = new DataView(bytes.buffer);
  bytes.set(utf8(indexMagic), 0);
  view.setBigUint64(8, BigInt(facts.indexOffset), true);
  view.setUint32(16, facts.entries, true);
  view.setUint32(20, facts.runs, true);
  view.setBigUint64(24, BigInt(facts.file), true);
  view.setFloat64(32, facts.contentBytes, true);
  view.setUint32(40, crc32(facts.index), true);
  view.setUint32(44, crc32(bytes.subarray(0, 44)), true);
  return bytes;
}
