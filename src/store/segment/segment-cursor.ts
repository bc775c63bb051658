/** Walks the entries of a section of blocks. */

import type { Cursor, CursorOptions } from "../cursor.ts";
import { type Entry, type EntryKind, entryKind, latestSequence, noBytes } from "../entry.ts";
import { boundsOf, type KeyBounds } from "../key.ts";
import type { Block } from "./block.ts";
import { BlockReader } from "./block-reader.ts";
import type { BlockSection } from "./block-section.ts";
import { damageOf, type SegmentDamage } from "./damage.ts";

export interface SegmentCursorOptions extends CursorOptions {
  /**
   * Called for each damaged block, which is then passed over. Without it the walk ends with STORE_SEGMENT_CORRUPT. What
   * is left may show what was deleted: walk it together with the tombstones.
   */
  readonly onDamage?: ((damage: SegmentDamage) => void) | undefined;
}

export class SegmentCursor implements Cursor {
  valid = false;
  keyBytes: Uint8Array = noBytes;
  keyFrom = 0;
  keyTo = 0;
  sequence = 0;
  kind: EntryKind = entryKind.value;
  expiryMs = 0;
  readonly #open: () => BlockSection | Promise<BlockSection>;
  readonly #options: SegmentCursorOptions;
  readonly #bounds: KeyBounds;
  readonly #step: 1 | -1;
  #section: BlockSection | undefined;
  #reader: BlockReader | undefined;
  #block: Block | undefined;
  #blockPlace = -1;
  /** The blocks in which the range begins and ends. */
  #low = 0;
  #high = -1;
  #ends = new Uint32Array(64);
  #place = 0;
  #endPlace = 0;
  #isOver = false;
  /** Going on after a failure would leave entries out: it fails again. */
  #failure: unknown;

  constructor(open: () => BlockSection | Promise<BlockSection>, options: SegmentCursorOptions) {
    this.#open = open;
    this.#options = options;
    this.#bounds = boundsOf(options);
    this.#step = options.reverse === true ? -1 : 1;
  }

  advance(): void | Promise<void> {
    if (this.#block !== undefined) {
      const place = this.#place + this.#step;
      if (place !== this.#endPlace) return this.#show(this.#block, place);
    }
    return this.#advanceBlock();
  }

  entry(): Entry {
    return this.#block!.entryAt(this.#place, this.keyBytes.subarray(this.keyFrom, this.keyTo));
  }

  close(): void {
    this.valid = false;
    this.#isOver = true;
    this.#block = undefined;
    this.#reader?.close();
  }

  #show(block: Block, place: number): void {
    this.#place = place;
    this.keyFrom = place === 0 ? 0 : this.#ends[place - 1];
    this.keyTo = this.#ends[place];
    this.sequence = block.sequenceAt(place);
    this.kind = block.kindAt(place);
    this.expiryMs = block.expiryMsAt(place);
    this.valid = true;
  }

  /** Synchronous as long as blocks are in memory. */
  #advanceBlock(): void | Promise<void> {
    this.valid = false;
    this.#block = undefined;
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#section === undefined && !this.#isOver) {
      const section = this.#open();
      if (section instanceof Promise) return this.#afterOpening(section);
      this.#start(section);
    }
    while (this.#nextBlock()) {
      const block = this.#blockHere();
      if (block instanceof Promise) return this.#afterLoading(block);
      if (block !== undefined && this.#enter(block)) return;
    }
    this.close();
  }

  async #afterOpening(opening: Promise<BlockSection>): Promise<void> {
    this.#start(await opening);
    return this.#advanceBlock();
  }

  async #afterLoading(loading: Promise<Block>): Promise<void> {
    let block: Block | undefined;
    try {
      block = await loading;
    } catch (error) {
      this.#passOver(error);
    }
    if (this.#isOver) return this.close();
    if (block === undefined || !this.#enter(block)) return this.#advanceBlock();
  }

  #start(section: BlockSection): void {
    const { index } = section;
    const { from, to } = this.#bounds;
    const low = index.blocks === 0 ? 0 : index.blockFor(from, latestSequence);
    const high = to === undefined || index.blocks === 0 ? index.blocks - 1 : index.blockFor(to, latestSequence);
    this.#section = section;
    if (low > high) this.#isOver = true;
    this.#low = low;
    this.#high = high;
    this.#blockPlace = (this.#step > 0 ? low : high) - this.#step;
    const { signal } = this.#options;
    this.#reader = new BlockReader(section, { step: this.#step, end: this.#lastBlock, signal });
  }

  get #lastBlock(): number {
    return this.#step > 0 ? this.#high : this.#low;
  }

  #nextBlock(): boolean {
    if (this.#isOver || this.#blockPlace === this.#lastBlock) return false;
    this.#options.signal?.throwIfAborted();
    this.#blockPlace += this.#step;
    return true;
  }

  #blockHere(): Block | Promise<Block> | undefined {
    try {
      return this.#reader!.block(this.#blockPlace);
    } catch (error) {
      this.#passOver(error);
      return undefined;
    }
  }

  #passOver(error: unknown): void {
    const { onDamage } = this.#options;
    const damage = damageOf(error);
    if (onDamage === undefined || damage?.fromKey === undefined) {
      this.#failure = error;
      throw error;
    }
    onDamage(damage);
  }

  /** Shows the first entry of the block that lies in the bounds; false where none does. */
  #enter(block: Block): boolean {
    const { from, to } = this.#bounds;
    const low = this.#blockPlace === this.#low && from.length > 0 ? block.seek(from) : 0;
    const high = this.#blockPlace === this.#high && to !== undefined ? block.seek(to) : block.entries;
    if (low >= high) return false;
    if (this.#ends.length < block.entries) this.#ends = new Uint32Array(block.entries);
    this.keyBytes = block.decodeKeys(this.#ends);
    this.#block = block;
    this.#endPlace = this.#step > 0 ? high : low - 1;
    this.#show(block, this.#step > 0 ? low : high - 1);
    return true;
  }
}
