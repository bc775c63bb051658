/**
 * Finds out what of a damaged segment can be read, and which positions of its order may have been lost.
 *
 *     ends, section table   block index   what is believed
 *     whole                 whole         the index: each block that fails leaves the hole that its separators say
 *     whole                 damaged       the blocks, one behind the other; each gap between them is a hole
 *     damaged               (not found)   blocks from front to back, wherever one stands; nothing is lost if all
 *                                         entries that the manifest counted are among them, else all may be
 *     of another file       -             nothing: what stands there was never a part of this store
 *
 * A block is bound to its file and its place by its checksum; so one that stands where it says, in a file of that
 * number, is one that was written there. Without an index nothing tells the data blocks from those of the sidecar: each
 * is a run in order by itself, and both hold entries of the segment. The same entry from both is one.
 */

import { join } from "node:path";
import { assert, concatBytes, HoldfastError } from "../../base/index.ts";
import type { Disk } from "../../disk/index.ts";
import { latestSequence } from "../entry.ts";
import { compareKeys } from "../key.ts";
import { fileName } from "../manifest/names.ts";
import type { ManifestFile } from "../manifest/state.ts";
import { BlockIndex, blockIndexFault } from "../segment/block-index.ts";
import { damageOf } from "../segment/damage.ts";
import { aligned, headerBytes, type Section, sectionType } from "../segment/format.ts";
import { decodeProperties } from "../segment/properties.ts";
import { SegmentFile } from "../segment/segment-file.ts";
import { BlockBytes, type PlacedBlock } from "./block-bytes.ts";
import { type BlockEnds, countDistinct, endsOf } from "./block-runs.ts";
import { isUnreadable, type Unreadable } from "./damaged-bytes.ts";
import { LostRanges, type LostRun } from "./lost-ranges.ts";

export interface SegmentSurvey {
  /** Blocks that can be read: each run is in the order of the store by itself. */
  readonly runs: readonly (readonly PlacedBlock[])[];
  readonly lost: LostRanges;
  /** All tombstones of the file are known, whatever else was lost: nothing that was deleted comes back. */
  readonly isTombstonesWhole: boolean;
  /** undefined where the section table cannot be read. */
  readonly sections: readonly Section[] | undefined;
}

export interface SurveyOptions {
  readonly disk: Disk;
  readonly folder: string;
  readonly file: ManifestFile;
  readonly signal?: AbortSignal | undefined;
  /** What a device cannot read is lost, or ends it with DISK_IO. Default "lost". */
  readonly unreadable?: Unreadable | undefined;
}

/** Throws only what keeps the file from being read at all (DISK_*, but not DISK_IO), and STORE_VERSION. */
export async function surveySegment(options: SurveyOptions): Promise<SegmentSurvey> {
  const { disk, folder, file } = options;
  const path = join(folder, fileName(file));
  const survey = new Survey(options, path);
  const ends = await endsOfFile(options);
  if (ends === "missing" || ends === "foreign") return survey.nothing();
  await using opened = await disk.open(path, "read");
  const sizeBytes = await opened.sizeBytes();
  const bytes = new BlockBytes(opened, { fileId: file.id, sizeBytes, unreadable: options.unreadable });
  if (ends === undefined) return await survey.withoutTable(bytes, sizeBytes);
  try {
    return await survey.withTable(bytes, ends);
  } finally {
    await ends.close();
  }
}

/** The file, where both its ends are whole and as the manifest names them; undefined where they are damaged. */
export async function endsOfFile({
  disk,
  folder,
  file,
}: SurveyOptions): Promise<SegmentFile | "missing" | "foreign" | undefined> {
  try {
    const opened = await SegmentFile.open({ disk, folder, name: fileName(file), fileId: file.id });
    if (opened.checksum === file.checksum) return opened;
    await opened.close();
    return "foreign";
  } catch (error) {
    if (HoldfastError.is(error) && error.code === "DISK_NOT_FOUND") return "missing";
    if (damageOf(error) === undefined && !isUnreadable(error)) throw error;
    return undefined;
  }
}

interface Position {
  readonly key: Uint8Array;
  readonly sequence: number;
}

/** Some blocks of one section, and what lies between those that can be read. */
interface Found {
  readonly blocks: readonly PlacedBlock[];
  readonly holes: readonly { readonly from: Position; readonly to: Position; readonly offset: number }[];
}

class Survey {
  readonly #file: ManifestFile;
  readonly #path: string;
  readonly #signal: AbortSignal | undefined;
  readonly #first: Position;
  readonly #end: Position;

  constructor({ file, signal }: SurveyOptions, path: string) {
    this.#file = file;
    this.#path = path;
    this.#signal = signal;
    this.#first = { key: file.smallestKey, sequence: latestSequence };
    this.#end = { key: concatBytes([file.largestKey, Uint8Array.of(0)]), sequence: latestSequence };
  }

  nothing(): SegmentSurvey {
    const isTombstonesWhole = this.#file.tombstones === 0;
    return { runs: [], lost: new LostRanges([this.#whole(false)]), isTombstonesWhole, sections: undefined };
  }

  async withTable(bytes: BlockBytes, ends: SegmentFile): Promise<SegmentSurvey> {
    const isOneVersion = await hasOneVersion(ends);
    const data = await this.#section(bytes, ends, sectionType.data, sectionType.dataIndex);
    const sidecar = await this.#section(bytes, ends, sectionType.tombstones, sectionType.tombstoneIndex);
    if (data === undefined) return this.nothing();
    const lost = data.holes.map(({ from, to, offset }) => this.#lost(from, to, offset, isOneVersion));
    return {
      runs: [data.blocks, sidecar?.blocks ?? []],
      lost: new LostRanges(lost),
      isTombstonesWhole: lost.length === 0 || sidecar?.holes.length === 0,
      sections: ends.sections,
    };
  }

  async withoutTable(bytes: BlockBytes, sizeBytes: number): Promise<SegmentSurvey> {
    const runs = await this.#runs(bytes, sizeBytes);
    if (runs === undefined) return this.nothing();
    const isWhole = (await countDistinct(bytes, runs)) === this.#file.entries;
    const lost = isWhole ? LostRanges.none : new LostRanges([this.#whole(false)]);
    return { runs, lost, isTombstonesWhole: isWhole || this.#file.tombstones === 0, sections: undefined };
  }

  async #section(bytes: BlockBytes, ends: SegmentFile, type: number, indexType: number): Promise<Found | undefined> {
    const section = ends.sections.find((one) => one.type === type);
    const indexSection = ends.sections.find((one) => one.type === indexType);
    if (section === undefined) return undefined;
    const index = indexSection === undefined ? undefined : await indexOf(ends, section, indexSection);
    return index === undefined ? await this.#foundByBlocks(bytes, section) : await this.#foundByIndex(bytes, index);
  }

  async #foundByIndex(bytes: BlockBytes, index: BlockIndex): Promise<Found> {
    const blocks: PlacedBlock[] = [];
    const holes: { from: Position; to: Position; offset: number }[] = [];
    for (let place = 0; place < index.blocks; place++) {
      this.#signal?.throwIfAborted();
      const offset = index.offsets[place];
      const placed = { offset, lengthBytes: index.lengths[place], checksum: index.checksums[place] };
      if (typeof (await bytes.block(placed)) !== "string") blocks.push(placed);
      else holes.push({ from: this.#separator(index, place), to: this.#separator(index, place + 1), offset });
    }
    return { blocks, holes };
  }

  #separator(index: BlockIndex, place: number): Position {
    if (place === 0) return this.#first;
    if (place === index.blocks) return this.#end;
    return { key: index.separatorAt(place).slice(), sequence: index.separatorSequenceAt(place) };
  }

  async #foundByBlocks(bytes: BlockBytes, section: Section): Promise<Found> {
    const blocks: PlacedBlock[] = [];
    const holes: { from: Position; to: Position; offset: number }[] = [];
    const end = section.offset + section.lengthBytes;
    let last: BlockEnds | undefined;
    let expected = section.offset;
    const close = (to: Position): void => {
      const from = last === undefined ? this.#first : { key: last.lastKey, sequence: last.lastSequence - 1 };
      holes.push({ from, to, offset: expected });
    };
    for await (const { placed, ends } of this.#scan(bytes, section.offset, end)) {
      if (placed.offset !== expected) close({ key: ends.firstKey, sequence: ends.firstSequence });
      blocks.push(placed);
      last = ends;
      expected = aligned(placed.offset + placed.lengthBytes);
    }
    if (expected < end) close(this.#end);
    return { blocks, holes };
  }

  /** All blocks of the file, cut where the order begins anew; undefined where they are of something else. */
  async #runs(bytes: BlockBytes, sizeBytes: number): Promise<PlacedBlock[][] | undefined> {
    const runs: PlacedBlock[][] = [];
    let last: BlockEnds | undefined;
    let left = this.#file.entries + this.#file.tombstones;
    for await (const { placed, ends } of this.#scan(bytes, headerBytes, sizeBytes)) {
      if (this.#isForeign(ends)) return undefined;
      const order = last === undefined ? 1 : compareKeys(last.lastKey, ends.firstKey);
      if (last === undefined || order > 0 || (order === 0 && last.lastSequence <= ends.firstSequence)) runs.push([]);
      runs.at(-1)?.push(placed);
      last = ends;
      left -= ends.entries;
      if (left <= 0) break;
    }
    return runs;
  }

  async *#scan(
    bytes: BlockBytes,
    from: number,
    end: number,
  ): AsyncGenerator<{ readonly placed: PlacedBlock; readonly ends: BlockEnds }> {
    for (let offset = from; offset < end; ) {
      this.#signal?.throwIfAborted();
      const found = await bytes.blockWithoutIndex(offset);
      if (found === undefined) {
        offset = aligned(offset + 1);
        continue;
      }
      yield { placed: found.placed, ends: endsOf(found.block) };
      offset = aligned(offset + found.placed.lengthBytes);
    }
  }

  #isForeign({ firstKey, lastKey, smallestSequence, largestSequence }: BlockEnds): boolean {
    const file = this.#file;
    if (compareKeys(firstKey, file.smallestKey) < 0 || compareKeys(lastKey, file.largestKey) > 0) return true;
    return smallestSequence < file.smallestSequence || largestSequence > file.largestSequence;
  }

  #whole(isOneVersion: boolean): LostRun {
    return this.#lost(this.#first, this.#end, 0, isOneVersion);
  }

  #lost(from: Position, to: Position, offset: number, isOneVersion: boolean): LostRun {
    assert(compareKeys(from.key, to.key) <= 0, "a lost run does not end before it begins");
    const { smallestSequence, largestSequence } = this.#file;
    return {
      from: from.key,
      fromSequence: from.sequence,
      to: to.key,
      toSequence: to.sequence,
      smallestSequence,
      largestSequence,
      isOneVersion,
      path: this.#path,
      offset,
    };
  }
}

/** The index of a section; undefined where it is damaged. */
async function indexOf(ends: SegmentFile, section: Section, indexSection: Section): Promise<BlockIndex | undefined> {
  const bytes = await sectionBytes(ends, indexSection);
  if (bytes === undefined || blockIndexFault(bytes, section.lengthBytes) !== undefined) return undefined;
  return new BlockIndex(bytes, section.offset);
}

async function hasOneVersion(ends: SegmentFile): Promise<boolean> {
  const section = ends.sections.find(({ type }) => type === sectionType.properties);
  const bytes = section === undefined ? undefined : await sectionBytes(ends, section);
  const properties = bytes === undefined ? undefined : decodeProperties(bytes);
  return properties !== undefined && properties.entries === properties.keys;
}

/** undefined where it is damaged. */
export async function sectionBytes(ends: SegmentFile, section: Section): Promise<Uint8Array | undefined> {
  try {
    return await ends.readSection(section);
  } catch (error) {
    if (damageOf(error) === undefined && !isUnreadable(error)) throw error;
    return undefined;
  }
}
