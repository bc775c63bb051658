/**
 * An open segment: answers from memory at once where it can, and by a promise where it has to read.
 *
 * Opening reads the end of the file and nothing else. Index and filter are read with the first question, or by `load`;
 * blocks when they are needed. Everything that is read is checked, and bound to this file and its place in it. What
 * cannot be read or fails its check is an error, never "not found".
 */

import type { Cursor, CursorSource } from "../cursor.ts";
import { type Entry, latestSequence } from "../entry.ts";
import { hashKey } from "../key.ts";
import { type ScanOptions, scanEntries } from "../merge/scan.ts";
import type { BlockCache } from "./block-cache.ts";
import { BlockIndex, blockIndexFault } from "./block-index.ts";
import { BlockSection } from "./block-section.ts";
import { decodeFilter, type Filter } from "./filter.ts";
import { firstForeignType, type Section, sectionType } from "./format.ts";
import { decodeProperties, type SegmentProperties } from "./properties.ts";
import { SegmentCursor, type SegmentCursorOptions } from "./segment-cursor.ts";
import { SegmentFile, type SegmentFileOptions } from "./segment-file.ts";

export interface OpenSegmentOptions extends SegmentFileOptions {
  /** Shared by all segments. */
  readonly cache: BlockCache;
  /**
   * `get` reads a block that is not in memory on the caller's thread: several times as fast where the system has it in
   * its cache, as it mostly has; everything waits for the device where it has not. Default false: it gives a promise.
   */
  readonly readsNow?: boolean | undefined;
}

interface Loaded {
  readonly data: BlockSection;
  readonly filter: Filter;
  readonly memoryBytes: number;
}

const ownHash = new Uint32Array(2);

/**
 * Throws STORE_SEGMENT_CORRUPT with path, offset and section where the file is not whole or not the expected one,
 * STORE_VERSION where a later version wrote it, and DISK_* where it cannot be read.
 */
export async function openSegment(options: OpenSegmentOptions): Promise<Segment> {
  const file = await SegmentFile.open(options);
  try {
    const section = file.sectionOf(sectionType.properties);
    const properties = decodeProperties(await file.readSection(section));
    if (properties === undefined) throw file.damaged(section.type, section.offset, "they contradict themselves");
    return new Segment(file, properties, options);
  } catch (error) {
    await file.close().catch(() => undefined);
    throw error;
  }
}

export class Segment implements CursorSource, AsyncDisposable {
  readonly properties: SegmentProperties;
  readonly #file: SegmentFile;
  readonly #cache: BlockCache;
  readonly #readsNow: boolean;
  #loaded: Loaded | undefined;
  #loading: Promise<Loaded> | undefined;
  #tombstones: BlockSection | undefined;

  constructor(
    file: SegmentFile,
    properties: SegmentProperties,
    options: Pick<OpenSegmentOptions, "cache" | "readsNow">,
  ) {
    this.#file = file;
    this.properties = properties;
    this.#cache = options.cache;
    this.#readsNow = options.readsNow === true;
  }

  get path(): string {
    return this.#file.path;
  }

  get fileId(): number {
    return this.#file.fileId;
  }

  get sizeBytes(): number {
    return this.#file.sizeBytes;
  }

  /** Stands for every byte of the file; the manifest keeps it. */
  get checksum(): number {
    return this.#file.checksum;
  }

  /** Of index and filter, which stay; blocks count for the cache. */
  get memoryBytes(): number {
    return this.#loaded?.memoryBytes ?? 0;
  }

  /** Types of the sections that were put in by others. */
  get sectionTypes(): number[] {
    return this.#file.sections.map(({ type }) => type).filter((type) => type >= firstForeignType);
  }

  /** Index and filter come into memory: what is asked afterwards reads at most one block. */
  async load(): Promise<void> {
    if (this.#loaded === undefined) await this.#load();
  }

  /**
   * The newest version of the key that is not newer than `atSequence`, a tombstone or expired one too; undefined where
   * the segment has none. A promise only where something has to be read. Whoever asks many segments hands in the hash
   * of the key (`hashKey`).
   */
  get(
    key: Uint8Array,
    atSequence: number = latestSequence,
    hash?: Uint32Array,
  ): Entry | undefined | Promise<Entry | undefined> {
    const loaded = this.#loaded;
    if (loaded === undefined) return this.#getAfterLoading(key, atSequence);
    if (hash === undefined) hashKey(key, (hash = ownHash));
    const { data, filter } = loaded;
    if (!filter.mayHold(hash[0], hash[1])) return undefined;
    const place = data.index.blockFor(key, atSequence);
    let block = data.blocks[place];
    if (block !== undefined) {
      block.isUsed = true;
      this.#cache.hits++;
    } else if (this.#readsNow) block = data.loadNow(place);
    else return this.#getAfterReading(data, place, key, atSequence);
    const found = block.find(key, atSequence);
    return found < 0 ? undefined : block.entryAt(found, key);
  }

  /** All versions of all keys of a range. */
  cursor(options: SegmentCursorOptions = {}): Cursor {
    return new SegmentCursor(() => this.#loaded?.data ?? this.#load().then(({ data }) => data), options);
  }

  /** As `scanEntries`, of this segment alone. */
  scan(options: ScanOptions = {}): AsyncGenerator<Entry[], void> {
    return scanEntries([this], options);
  }

  /** The tombstones alone, from their own part of the file: readable whatever else is damaged. */
  get tombstones(): CursorSource {
    return {
      cursor: (options = {}) => new SegmentCursor(() => this.#tombstones ?? this.#loadTombstones(), options),
    };
  }

  /** The bytes of a section of others, in a buffer of their own; undefined where there is no such section. */
  async section(type: number): Promise<Uint8Array | undefined> {
    const section = this.#file.sections.find((one) => one.type === type);
    return section === undefined || type < firstForeignType ? undefined : await this.#file.readSection(section);
  }

  /** For verification. */
  get file(): SegmentFile {
    return this.#file;
  }

  /** For verification: the data and its filter. */
  async parts(): Promise<{ readonly data: BlockSection; readonly filter: Filter; readonly tombstones: BlockSection }> {
    const { data, filter } = this.#loaded ?? (await this.#load());
    return { data, filter, tombstones: this.#tombstones ?? (await this.#loadTombstones()) };
  }

  /** Waits for reads that are under way; later questions fail with STORE_CLOSED unless memory answers them. */
  async close(): Promise<void> {
    const loaded = this.#loaded;
    this.#loaded = undefined;
    await this.#file.close();
    if (loaded !== undefined) this.#cache.drop(loaded.data.blocks);
    if (this.#tombstones !== undefined) this.#cache.drop(this.#tombstones.blocks);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #getAfterLoading(key: Uint8Array, atSequence: number): Promise<Entry | undefined> {
    await this.#load();
    return this.get(key, atSequence);
  }

  async #getAfterReading(
    data: BlockSection,
    place: number,
    key: Uint8Array,
    atSequence: number,
  ): Promise<Entry | undefined> {
    const block = await data.load(place);
    const found = block.find(key, atSequence);
    return found < 0 ? undefined : block.entryAt(found, key);
  }

  #load(): Promise<Loaded> {
    this.#loading ??= this.#loadParts().finally(() => (this.#loading = undefined));
    return this.#loading;
  }

  /** Index and filter are neighbours: one read. */
  async #loadParts(): Promise<Loaded> {
    const file = this.#file;
    const indexSection = file.sectionOf(sectionType.dataIndex);
    const filterSection = file.sectionOf(sectionType.filter);
    const start = indexSection.offset;
    const end = filterSection.offset + filterSection.lengthBytes;
    if (end < start) throw file.damaged(filterSection.type, filterSection.offset, "it stands before the index");
    const bytes = await file.read(start, end - start, "dataIndex");
    const indexBytes = bytes.subarray(0, indexSection.lengthBytes);
    const filterBytes = bytes.subarray(filterSection.offset - start, end - start);
    file.check(indexSection, indexBytes);
    file.check(filterSection, filterBytes);
    const data = this.#sectionOfBlocks(sectionType.data, indexSection, indexBytes);
    const filter = this.#filter(filterSection, filterBytes);
    this.#loaded = { data, filter, memoryBytes: data.index.memoryBytes + filterBytes.length };
    return this.#loaded;
  }

  #filter(section: Section, bytes: Uint8Array): Filter {
    const filter = decodeFilter(bytes);
    if (filter === undefined) throw this.#file.damaged(section.type, section.offset, "it has no valid length");
    return filter;
  }

  async #loadTombstones(): Promise<BlockSection> {
    const indexSection = this.#file.sectionOf(sectionType.tombstoneIndex);
    const bytes = await this.#file.readSection(indexSection);
    this.#tombstones ??= this.#sectionOfBlocks(sectionType.tombstones, indexSection, bytes);
    return this.#tombstones;
  }

  #sectionOfBlocks(type: number, indexSection: Section, bytes: Uint8Array): BlockSection {
    const file = this.#file;
    const section = file.sectionOf(type);
    const fault = blockIndexFault(bytes, section.lengthBytes);
    if (fault !== undefined) throw file.damaged(indexSection.type, indexSection.offset, fault);
    const index = new BlockIndex(bytes, section.offset);
    if (type === sectionType.data && index.blocks === 0)
      throw file.damaged(indexSection.type, indexSection.offset, "it names no blocks");
    return new BlockSection(file, { type, index, cache: this.#cache, properties: this.properties });
  }
}
