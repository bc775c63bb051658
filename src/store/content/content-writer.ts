/**
 * Writes a content file: record by record, with bounded memory, under another name until it is whole and durable.
 *
 * After `finish` the file has its name and both it and the folder are synced. After `abandon`, or a crash before the
 * end, nothing has that name; what is left under the other one is swept away at the next opening.
 */

import { crc32 } from "node:zlib";
import { assert, concatBytes, HoldfastError, utf8 } from "../../base/index.ts";
import type { Disk, DiskFile } from "../../disk/index.ts";
import { FileOutput } from "../file-output.ts";
import { checksumAt, viewOf, writeU64 } from "../little-endian.ts";
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

/** Written by itself and from where it is: joined with others it would lie in memory a second time. */
const largeBytes = 1 << 20;

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
  readonly #output: FileOutput;
  /** undefined after the end. */
  #open: DiskFile | undefined;
  #contentBytes = 0;
  readonly #written: Written[] = [];

  private constructor(disk: Disk, folder: string, path: string, file: number, open: DiskFile) {
    this.#disk = disk;
    this.#folder = folder;
    this.#path = path;
    this.#file = file;
    this.#open = open;
    this.#output = new FileOutput(open);
    this.#output.add(header(file));
  }

  /** `path` gets its name with `finish`; it must not exist. */
  static async create(disk: Disk, folder: string, path: string, file: number): Promise<ContentWriter> {
    await disk.remove(temporary(path));
    return new ContentWriter(disk, folder, path, file, await disk.open(temporary(path), "create-new"));
  }

  /** The number of the file. */
  get id(): number {
    return this.#file;
  }

  /** How many bytes the file would have if it were finished now. */
  get sizeBytes(): number {
    return this.#output.offset + indexBytesOf(this.#written.length, 1) + footerBytes;
  }

  /** Takes content over for the first time. Not durable before `finish`. Throws STORE_CONTENT_TOO_LARGE. */
  async add(content: Uint8Array): Promise<ContentHandle> {
    const [row, length, checksum] = [this.#written.length, content.length, crc32(content)];
    const handle = { file: this.#file, row, length, checksum };
    await this.copy(handle, content);
    return handle;
  }

  /** Takes over content that was first written elsewhere; its handle stays. */
  async copy(handle: ContentHandle, content: Uint8Array): Promise<void> {
    assert(this.#open !== undefined, "a content writer is used before its end");
    if (content.length > contentLimitBytes) {
      throw new HoldfastError("STORE_CONTENT_TOO_LARGE", `a content has ${content.length} bytes`, {
        hint: `the limit is ${contentLimitBytes} bytes: cut it into pieces`,
        details: { lengthBytes: content.length, limitBytes: contentLimitBytes },
      });
    }
    const isLarge = content.length >= largeBytes;
    if (isLarge) await this.#output.flush();
    const { offset } = this.#output;
    this.#written.push({ source: handle.file, row: handle.row, offset, length: content.length });
    this.#contentBytes += content.length;
    const record = recordOf(this.#file, offset, handle, content);
    if (isLarge) await this.#output.write(record);
    else this.#output.add(concatBytes(record));
    if (this.#output.isFull) await this.#output.flush();
  }

  async finish(): Promise<WrittenContent> {
    const file = this.#open;
    assert(file !== undefined, "a content writer is used before its end");
    const { index, runs } = indexOf(this.#written);
    const indexOffset = this.#output.offset;
    this.#output.add(index);
    const [entries, contentBytes] = [this.#written.length, this.#contentBytes];
    this.#output.add(footer({ indexOffset, entries, runs: runs.length, file: this.#file, contentBytes, index }));
    await this.#output.flush();
    await file.sync(); // mutant: content-sync
    await file.close();
    this.#open = undefined;
    await this.#disk.rename(temporary(this.#path), this.#path);
    await this.#disk.syncFolder(this.#folder); // mutant: content-folder-sync
    const sources = runs.map(({ source }) => source);
    return { file: this.#file, entries, sizeBytes: this.#output.offset, contentBytes, sources };
  }

  /** Leaves nothing behind; after `finish` it does nothing. */
  async abandon(): Promise<void> {
    if (this.#open === undefined) return;
    await this.#open.close();
    this.#open = undefined;
    await this.#disk.remove(temporary(this.#path));
  }
}

function temporary(path: string): string {
  return `${path}.tmp`;
}

function header(file: number): Uint8Array {
  const bytes = new Uint8Array(headerBytes);
  const view = viewOf(bytes);
  bytes.set(utf8(fileMagic), 0);
  view.setUint32(8, contentVersion, true);
  writeU64(view, 16, file);
  view.setUint32(28, crc32(bytes.subarray(0, 28)), true);
  return bytes;
}

/** Head, content, and the zeros after it. */
function recordOf(file: number, offset: number, handle: ContentHandle, content: Uint8Array): Uint8Array[] {
  const head = new Uint8Array(recordHeadBytes);
  const view = viewOf(head);
  view.setUint32(4, content.length, true);
  writeU64(view, 8, handle.file);
  view.setUint32(16, handle.row, true);
  view.setUint32(20, handle.checksum, true);
  view.setUint32(0, crc32(content, checksumAt(file, offset, head.subarray(4))), true);
  const length = recordHeadBytes + content.length;
  return [head, content, new Uint8Array(padded(length) - length)];
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
  const view = viewOf(index);
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
  const view = viewOf(bytes);
  bytes.set(utf8(indexMagic), 0);
  writeU64(view, 8, facts.indexOffset);
  view.setUint32(16, facts.entries, true);
  view.setUint32(20, facts.runs, true);
  writeU64(view, 24, facts.file);
  view.setFloat64(32, facts.contentBytes, true);
  view.setUint32(40, crc32(facts.index), true);
  view.setUint32(44, crc32(bytes.subarray(0, 44)), true);
  return bytes;
}
