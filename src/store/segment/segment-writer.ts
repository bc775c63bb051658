/**
 * Writes a segment from entries that come in order.
 *
 * The file has a temporary name until everything in it is durable; then it is moved to its own and the folder is
 * synced. So a file that is named as a segment is a whole one, and what a crash leaves behind is named as nothing. Any
 * failure, and an abort, leaves no file. In memory there are the entries of one block, half a MiB of finished ones, 8
 * bytes for each key, some 60 for each block, and the tombstones a second time.
 */

import { join } from "node:path";
import { crc32 } from "node:zlib";
import { assert, HoldfastError } from "../../base/index.ts";
import type { Disk, DiskFile } from "../../disk/index.ts";
import { assertEntry, type Entry, entryKind, noBytes } from "../entry.ts";
import { FileOutput } from "../file-output.ts";
import { compareKeys, hashKey } from "../key.ts";
import { checksumAt } from "../little-endian.ts";
import { encodeBlockIndex } from "./block-index.ts";
import { BlockSectionWriter } from "./block-section-writer.ts";
import { FilterBuilder } from "./filter.ts";
import { encodeHeader, encodeTable, encodeTail } from "./footer.ts";
import { aligned, alignmentBytes, firstForeignType, type Section, sectionLimit, sectionType } from "./format.ts";
import { encodeProperties, type SegmentProperties } from "./properties.ts";
import { PropertiesBuilder } from "./properties-builder.ts";

export interface SegmentWriterOptions {
  readonly disk: Disk;
  /** The segment will be FOLDER/NAME. */
  readonly folder: string;
  readonly name: string;
  /** Never given to a file before. */
  readonly fileId: number;
  /** A block is finished before it would be longer. Default 8,192; 1,024 to 1,048,576. */
  readonly blockBytes?: number;
  readonly signal?: AbortSignal;
}

/** What the manifest keeps of a segment. */
export interface SegmentSummary {
  readonly fileId: number;
  readonly name: string;
  readonly sizeBytes: number;
  /** Stands for every byte of the file. */
  readonly checksum: number;
  readonly properties: SegmentProperties;
}

/** What one read can bring. */
const sectionLimitBytes = 2 ** 31 - 1;

const hash = new Uint32Array(2);

export class SegmentWriter implements AsyncDisposable {
  readonly #options: SegmentWriterOptions;
  readonly #file: DiskFile;
  readonly #output: FileOutput;
  readonly #data: BlockSectionWriter;
  readonly #tombstones: BlockSectionWriter;
  #tombstoneEntries: Entry[] = [];
  readonly #filter = new FilterBuilder();
  readonly #properties = new PropertiesBuilder();
  readonly #sections: Section[] = [];
  #state: "data" | "sections" | "closed" = "data";
  #last: Entry | undefined;
  #isMoved = false;

  private constructor(options: SegmentWriterOptions, file: DiskFile) {
    const blockBytes = options.blockBytes ?? 8_192;
    assert(blockBytes >= 1_024 && blockBytes <= 2 ** 20, "a block is of 1 KiB to 1 MiB");
    this.#options = options;
    this.#file = file;
    this.#output = new FileOutput(file);
    this.#data = new BlockSectionWriter(options.fileId, blockBytes);
    this.#tombstones = new BlockSectionWriter(options.fileId, blockBytes);
    this.#output.add(encodeHeader(options.fileId));
  }

  /** Makes the file under its temporary name, in place of one that a crash left there. */
  static async create(options: SegmentWriterOptions): Promise<SegmentWriter> {
    options.signal?.throwIfAborted();
    const path = temporaryPath(options);
    await options.disk.remove(path);
    return new SegmentWriter(options, await options.disk.open(path, "create-new"));
  }

  /** Bytes so far: for whoever goes on to the next segment at some size. */
  get sizeBytes(): number {
    return this.#output.offset;
  }

  get entries(): number {
    return this.#properties.entries;
  }

  /**
   * Takes views of an entry, which stands after the one before. A promise where what has come together is written: then
   * to be awaited before the next call.
   */
  add(entry: Entry): void | Promise<void> {
    this.#refuseClosed();
    assert(this.#state === "data", "entries come before sections");
    assertEntry(entry);
    const last = this.#last;
    const order = last === undefined ? -1 : compareKeys(last.key, entry.key);
    assert(
      order < 0 || (order === 0 && last!.sequence > entry.sequence),
      "entries come by key, and within a key the newest first",
    );
    this.#last = entry;
    this.#properties.add(entry, order !== 0);
    // A copy: views of tombstones here and there would keep in memory all that a merge reads.
    if (entry.kind === entryKind.tombstone)
      this.#tombstoneEntries.push({ ...entry, key: entry.key.slice(), value: noBytes });
    if (order !== 0) {
      hashKey(entry.key, hash);
      this.#filter.add(hash[0], hash[1]);
    }
    const isBlockDone = this.#data.isFullBefore(entry);
    if (isBlockDone) this.#finishBlock(this.#data);
    this.#data.add(entry);
    if (isBlockDone && this.#output.isFull) return this.#flush();
  }

  /** Adds a part of some other kind, after the entries: its bytes begin on a multiple of 64, and are 2 GiB at most. */
  async addSection(type: number, parts: readonly Uint8Array[]): Promise<void> {
    assert(
      Number.isSafeInteger(type) && type >= firstForeignType && type < 2 ** 32,
      "a section has a type from 256 on",
    );
    assert(!this.#sections.some((section) => section.type === type), "a segment has one section of a type");
    assert(this.#sections.length < sectionLimit - 8, "a segment has at most 248 sections of others");
    await this.#endData();
    this.#output.align(alignmentBytes);
    const offset = this.#output.offset;
    let checksum = checksumAt(this.#options.fileId, offset, new Uint8Array(0));
    let lengthBytes = 0;
    for (const part of parts) {
      assert(lengthBytes + part.length <= sectionLimitBytes, "a section has at most 2 GiB less one byte");
      checksum = crc32(part, checksum);
      lengthBytes += part.length;
      this.#output.add(part);
      await this.#flush();
    }
    this.#sections.push({ type, checksum, offset, lengthBytes });
  }

  /** Makes the segment durable under its name. After a failure there is none. */
  async finish(): Promise<SegmentSummary> {
    const { disk, folder, name, fileId } = this.#options;
    assert(this.entries > 0, "a segment has an entry");
    try {
      await this.#endData();
      const properties = this.#properties.finish();
      this.#addSection(sectionType.dataIndex, encodeBlockIndex(this.#data.blocks));
      this.#addSection(sectionType.tombstoneIndex, encodeBlockIndex(this.#tombstones.blocks));
      this.#addSection(sectionType.filter, this.#filter.finish());
      this.#addSection(sectionType.properties, encodeProperties(properties));
      const checksum = this.#addFooter();
      await this.#flush();
      await this.#file.sync(); // mutant: segment-sync
      await this.#file.close();
      this.#isMoved = true;
      await disk.rename(temporaryPath(this.#options), join(folder, name));
      await disk.syncFolder(folder); // mutant: segment-folder-sync
      this.#state = "closed";
      return { fileId, name, sizeBytes: this.#output.offset, checksum, properties };
    } catch (error) {
      await this.abandon();
      throw error;
    }
  }

  /** Leaves no file. Safe at any time before `finish` has succeeded. */
  async abandon(): Promise<void> {
    const { disk, folder, name } = this.#options;
    this.#state = "closed";
    await this.#file.close().catch(() => undefined);
    await disk.remove(temporaryPath(this.#options)).catch(() => undefined);
    if (this.#isMoved) await disk.remove(join(folder, name)).catch(() => undefined);
  }

  /** Abandons what was not finished. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#state !== "closed") await this.abandon();
  }

  async #flush(): Promise<void> {
    try {
      this.#options.signal?.throwIfAborted();
      await this.#output.flush();
    } catch (error) {
      await this.abandon();
      throw error;
    }
  }

  #refuseClosed(): void {
    if (this.#state !== "closed") return;
    throw new HoldfastError("STORE_CLOSED", `the writer of ${this.#options.name} is finished or was abandoned`);
  }

  #finishBlock(writer: BlockSectionWriter): void {
    this.#output.align(alignmentBytes);
    this.#output.add(writer.finishBlock(this.#output.offset));
  }

  async #endData(): Promise<void> {
    this.#refuseClosed();
    if (this.#state !== "data") return;
    this.#state = "sections";
    if (!this.#data.isEmpty) this.#finishBlock(this.#data);
    this.#noteBlocks(sectionType.data, this.#data, 64);
    const start = this.#output.offset;
    for (const entry of this.#tombstoneEntries) {
      if (this.#tombstones.isFullBefore(entry)) this.#finishBlock(this.#tombstones);
      this.#tombstones.add(entry);
      if (this.#output.isFull) await this.#flush();
    }
    this.#tombstoneEntries = [];
    if (!this.#tombstones.isEmpty) this.#finishBlock(this.#tombstones);
    this.#noteBlocks(sectionType.tombstones, this.#tombstones, aligned(start));
    await this.#flush();
  }

  /** Blocks have checksums of their own, in their index. */
  #noteBlocks(type: number, writer: BlockSectionWriter, offset: number): void {
    const lengthBytes = writer.blocks.length === 0 ? 0 : this.#output.offset - offset;
    this.#sections.push({ type, checksum: 0, offset, lengthBytes });
  }

  #addSection(type: number, bytes: Uint8Array): void {
    this.#output.align(alignmentBytes);
    const { offset } = this.#output;
    const checksum = checksumAt(this.#options.fileId, offset, bytes);
    this.#sections.push({ type, checksum, offset, lengthBytes: bytes.length });
    this.#output.add(bytes);
  }

  #addFooter(): number {
    this.#output.align(alignmentBytes);
    const table = encodeTable(this.#sections);
    const offset = this.#output.offset;
    this.#output.add(table);
    const { tail, checksum } = encodeTail({
      fileId: this.#options.fileId,
      sizeBytes: offset + table.length + 64,
      sections: this.#sections.length,
      tableChecksum: checksumAt(this.#options.fileId, offset, table),
    });
    this.#output.add(tail);
    return checksum;
  }
}

/** Where the file stands until it is whole. */
export function temporaryPath({ folder, name }: { readonly folder: string; readonly name: string }): string {
  return join(folder, `${name}.tmp`);
}
