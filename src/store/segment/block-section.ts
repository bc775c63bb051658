/** The blocks of one section, as they are found, loaded, checked and kept. */

import { concatBytes } from "../../base/index.ts";
import { latestSequence } from "../entry.ts";
import { Block, blockFault } from "./block.ts";
import type { BlockCache, BlockTable } from "./block-cache.ts";
import type { BlockIndex } from "./block-index.ts";
import { corruptError, type SegmentDamage } from "./damage.ts";
import { aligned, sectionName } from "./format.ts";
import type { SegmentProperties } from "./properties.ts";
import type { SegmentFile } from "./segment-file.ts";

export class BlockSection {
  readonly index: BlockIndex;
  /** Where a block is in memory it stands here: read it, and mark it as used. */
  readonly blocks: BlockTable = [];
  readonly cache: BlockCache;
  readonly #file: SegmentFile;
  readonly #name: string;
  readonly #properties: SegmentProperties;
  readonly #loading = new Map<number, Promise<Block>>();

  constructor(
    file: SegmentFile,
    parts: {
      readonly type: number;
      readonly index: BlockIndex;
      readonly cache: BlockCache;
      readonly properties: SegmentProperties;
    },
  ) {
    this.#file = file;
    this.#name = sectionName(parts.type);
    this.index = parts.index;
    this.cache = parts.cache;
    this.#properties = parts.properties;
    // One length and no holes from the start: a lookup is an element access.
    for (let place = 0; place < this.index.blocks; place++) this.blocks.push(undefined);
  }

  /** Reads one block; calls for the same one share a read. */
  load(place: number): Promise<Block> {
    const loading = this.#loading.get(place);
    if (loading !== undefined) return loading;
    this.cache.misses++;
    const started = this.#load(place).finally(() => this.#loading.delete(place));
    this.#loading.set(place, started);
    return started;
  }

  /** Reads one block on the caller's thread. */
  loadNow(place: number): Block {
    this.cache.misses++;
    const { offsets, lengths } = this.index;
    return this.#kept(place, this.#file.readNow(offsets[place], lengths[place], this.#name));
  }

  /** The bytes of neighbouring blocks, by one read. They are checked when each is taken. */
  async loadRun(first: number, last: number, options: { readonly withGap?: boolean } = {}): Promise<BlockRun> {
    const { offsets, lengths } = this.index;
    const start = offsets[first];
    const end = offsets[last] + lengths[last];
    this.cache.misses += last - first + 1;
    const lengthBytes = (options.withGap === true ? aligned(end) : end) - start;
    return { start, bytes: await this.#file.read(start, lengthBytes, this.#name) };
  }

  /** A block of a run, which must hold it. Kept only where the cache has room. */
  take(run: BlockRun, place: number): Block {
    const from = this.index.offsets[place] - run.start;
    const bytes = run.bytes.subarray(from, from + this.index.lengths[place]);
    this.#check(place, bytes);
    if (!this.cache.hasRoomFor(bytes.length)) return new Block(bytes);
    // A copy, for the run would stay whole in memory as long as any block of it.
    const block = new Block(bytes.slice());
    this.cache.keep(this.blocks, place, block);
    return block;
  }

  /** A block of a run, which must hold it, for one who wants it once. */
  check(run: BlockRun, place: number): Block {
    const from = this.index.offsets[place] - run.start;
    const bytes = run.bytes.subarray(from, from + this.index.lengths[place]);
    this.#check(place, bytes);
    return new Block(bytes);
  }

  damageAt(place: number, reason: string): SegmentDamage {
    return {
      path: this.#file.path,
      offset: this.index.offsets[place],
      section: this.#name,
      reason,
      fromKey: place === 0 ? this.#properties.smallestKey : this.index.separatorAt(place),
      toKey: this.#keyAfter(place),
    };
  }

  async #load(place: number): Promise<Block> {
    const { offsets, lengths } = this.index;
    return this.#kept(place, await this.#file.read(offsets[place], lengths[place], this.#name));
  }

  #kept(place: number, bytes: Uint8Array): Block {
    this.#check(place, bytes);
    const block = new Block(bytes);
    this.cache.keep(this.blocks, place, block);
    return block;
  }

  #check(place: number, bytes: Uint8Array): void {
    const fault = blockFault(bytes, this.#file.fileId, this.index.offsets[place], this.index.checksums[place]);
    if (fault !== undefined) throw this.#file.told(corruptError(this.damageAt(place, fault)));
  }

  /** The first key that surely does not stand in this block. */
  #keyAfter(place: number): Uint8Array {
    const isLast = place === this.index.blocks - 1;
    const key = isLast ? this.#properties.largestKey : this.index.separatorAt(place + 1);
    const isHere = isLast || this.index.separatorSequenceAt(place + 1) !== latestSequence;
    return isHere ? concatBytes([key, Uint8Array.of(0)]) : key;
  }
}

export interface BlockRun {
  readonly start: number;
  readonly bytes: Uint8Array;
}
