/** Reads every byte of a segment and checks all that it says of itself. */

import { type Entry, entryKind } from "../entry.ts";
import { compareKeys, hashKey } from "../key.ts";
import type { Block } from "./block.ts";
import type { BlockRun, BlockSection } from "./block-section.ts";
import { corruptError, damageOf, type SegmentDamage } from "./damage.ts";
import type { Filter } from "./filter.ts";
import { headerFault } from "./footer.ts";
import { firstForeignType, headerBytes, sectionName, sectionType, tableRowBytes, tailBytes } from "./format.ts";
import { PropertiesBuilder } from "./properties-builder.ts";
import type { Segment } from "./segment.ts";

export interface SegmentVerification {
  /** Entries that could be read. */
  readonly entries: number;
  /** In the order in which they were found; none where the segment is whole. */
  readonly damages: readonly SegmentDamage[];
}

/** What a tombstone has to be found as once more. */
type Twin = Pick<Entry, "key" | "sequence">;

type Visit = (block: Block, place: number) => void;

/** By one read: a millisecond or two of checking. */
const runLimitBytes = 256 * 1024;

const hash = new Uint32Array(2);

/** Damage is reported, and the check goes on beyond it; only what the disk refuses is thrown (DISK_*). */
export async function verifySegment(
  segment: Segment,
  options: { readonly signal?: AbortSignal } = {},
): Promise<SegmentVerification> {
  return await new Verification(segment, options.signal).run();
}

class Verification {
  readonly #segment: Segment;
  readonly #signal: AbortSignal | undefined;
  readonly #damages: SegmentDamage[] = [];
  readonly #found = new PropertiesBuilder();
  #last: Entry | undefined;

  constructor(segment: Segment, signal: AbortSignal | undefined) {
    this.#segment = segment;
    this.#signal = signal;
  }

  async run(): Promise<SegmentVerification> {
    await this.#noting(() => this.#checkEnds());
    await this.#noting(() => this.#checkGaps());
    for (const section of this.#segment.file.sections)
      if (section.type >= firstForeignType) await this.#noting(() => this.#segment.file.readSection(section));
    await this.#noting(() => this.#checkEntries());
    return { entries: this.#found.entries, damages: this.#damages };
  }

  async #noting(work: () => Promise<unknown>): Promise<void> {
    this.#signal?.throwIfAborted();
    try {
      await work();
    } catch (error) {
      this.#noteError(error);
    }
  }

  #noteError(error: unknown): void {
    const damage = damageOf(error);
    if (damage === undefined) throw error;
    this.#damages.push(damage);
  }

  #note(type: number, offset: number, reason: string): void {
    this.#damages.push({ path: this.#segment.path, offset, section: sectionName(type), reason });
  }

  async #checkEnds(): Promise<void> {
    const { file, fileId, path } = this.#segment;
    const header = await file.read(0, headerBytes, "header");
    const reason = headerFault(header, fileId);
    if (reason !== undefined) this.#damages.push({ path, offset: 0, section: "header", reason });
  }

  /** Between parts there are zeros; nothing reads them, so nothing else would tell. */
  async #checkGaps(): Promise<void> {
    const { file } = this.#segment;
    const tableAt = file.sizeBytes - tailBytes - tableRowBytes * file.sections.length;
    const starts = [...file.sections.map(({ offset }) => offset), tableAt];
    for (const [place, { type, offset, lengthBytes }] of file.sections.entries()) {
      const end = offset + lengthBytes;
      const gap = await file.read(end, starts[place + 1] - end, sectionName(type));
      if (gap.some((byte) => byte !== 0)) this.#note(type, end, "what follows it is not empty");
    }
  }

  async #checkEntries(): Promise<void> {
    const { data, filter, tombstones } = await this.#segment.parts();
    const expected: Twin[] = [];
    await this.#eachBlock(data, (block, place) => this.#checkBlock(block, place, { data, filter, expected }));
    const isWhole = this.#damages.length === 0;
    const dataOffset = this.#segment.file.sectionOf(sectionType.data).offset;
    if (isWhole && !this.#agree())
      this.#note(sectionType.properties, dataOffset, "the properties are of other entries");
    let seen = 0;
    await this.#eachBlock(tombstones, (block) => {
      for (const entry of entriesOf(block)) {
        const twin = expected[seen++];
        const isSame = twin?.sequence === entry.sequence && compareKeys(twin.key, entry.key) === 0;
        if (isWhole && !isSame) this.#note(sectionType.tombstones, dataOffset, "they are not those of the data");
      }
    });
    if (isWhole && seen !== expected.length) this.#note(sectionType.tombstones, dataOffset, "some are missing");
  }

  async #eachBlock(section: BlockSection, visit: Visit): Promise<void> {
    const { blocks, offsets, lengths } = section.index;
    for (let first = 0, last = 0; first < blocks; first = last + 1) {
      last = first;
      while (last + 1 < blocks && offsets[last + 1] + lengths[last + 1] - offsets[first] <= runLimitBytes) last++;
      this.#signal?.throwIfAborted();
      await this.#eachOfRun(section, first, last, visit);
    }
  }

  /** From the disk, whatever the cache holds. Where a run cannot be read, what can be of it, block by block. */
  async #eachOfRun(section: BlockSection, first: number, last: number, visit: Visit): Promise<void> {
    let run: BlockRun;
    try {
      run = await section.loadRun(first, last, { withGap: true });
    } catch (error) {
      if (first === last || damageOf(error) === undefined) return this.#noteError(error);
      for (let place = first; place <= last; place++) await this.#eachOfRun(section, place, place, visit);
      return;
    }
    for (let place = first; place <= last; place++) {
      try {
        const block = section.check(run, place);
        const from = section.index.offsets[place] - run.start + block.bytes.length;
        const to = place === last ? run.bytes.length : section.index.offsets[place + 1] - run.start;
        if (run.bytes.subarray(from, to).some((byte) => byte !== 0))
          throw corruptError(section.damageAt(place, "what follows the block is not empty"));
        visit(block, place);
      } catch (error) {
        this.#noteError(error);
      }
    }
  }

  #checkBlock(
    block: Block,
    place: number,
    parts: { readonly data: BlockSection; readonly filter: Filter; readonly expected: Twin[] },
  ): void {
    const offset = parts.data.index.offsets[place];
    for (const entry of entriesOf(block)) {
      const order = this.#last === undefined ? -1 : compareKeys(this.#last.key, entry.key);
      if (order > 0 || (order === 0 && this.#last!.sequence <= entry.sequence))
        this.#note(sectionType.data, offset, "entries are not in order");
      if (parts.data.index.blockFor(entry.key, entry.sequence) !== place)
        this.#note(sectionType.dataIndex, offset, "the index leads past an entry");
      hashKey(entry.key, hash);
      if (!parts.filter.mayHold(hash[0], hash[1])) this.#note(sectionType.filter, offset, "the filter denies a key");
      // A copy of the key alone: a view would keep its block in memory, and one a block would keep the file.
      if (entry.kind === entryKind.tombstone) parts.expected.push({ key: entry.key.slice(), sequence: entry.sequence });
      this.#found.add(entry, order !== 0);
      this.#last = entry;
    }
  }

  #agree(): boolean {
    const found = this.#found.finish();
    const said = this.#segment.properties;
    const { smallestKey, largestKey, ...numbers } = found;
    if (compareKeys(smallestKey, said.smallestKey) !== 0 || compareKeys(largestKey, said.largestKey) !== 0)
      return false;
    return Object.entries(numbers).every(([name, value]) => said[name as keyof typeof numbers] === value);
  }
}

function* entriesOf(block: Block): Generator<Entry> {
  const ends = new Uint32Array(block.entries);
  const keys = block.decodeKeys(ends);
  for (let place = 0; place < block.entries; place++)
    yield block.entryAt(place, keys.subarray(place === 0 ? 0 : ends[place - 1], ends[place]));
}
