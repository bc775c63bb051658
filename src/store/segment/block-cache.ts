/**
 * Blocks of all segments that were read, in as many bytes as they may take.
 *
 * A segment finds its block in an array of its own, by number: a hit is an index and a mark. What goes is decided by
 * the clock algorithm (Corbató 1968): a hand goes round over all blocks and takes the first that was not used since it
 * came by last. Scans fill what is free and push nothing out.
 */

import { assert } from "../../base/index.ts";
import type { Block } from "./block.ts";

/** The blocks of one section, by number, where they are in memory. */
export type BlockTable = (Block | undefined)[];

interface CachedBlock {
  readonly table: BlockTable;
  readonly place: number;
  readonly block: Block;
}

export interface BlockCacheStatistics {
  readonly limitBytes: number;
  readonly usedBytes: number;
  readonly blocks: number;
  readonly hits: number;
  readonly misses: number;
  readonly evictions: number;
}

/** About what a block takes besides its bytes. */
const overheadBytes = 320;

export class BlockCache {
  readonly limitBytes: number;
  /** Counted by those who look. */
  hits = 0;
  misses = 0;
  #evictions = 0;
  #usedBytes = 0;
  #hand = 0;
  #ring: CachedBlock[] = [];

  constructor(options: { readonly limitBytes: number }) {
    assert(Number.isSafeInteger(options.limitBytes) && options.limitBytes >= 0, "a cache is limited in bytes");
    this.limitBytes = options.limitBytes;
  }

  get statistics(): BlockCacheStatistics {
    const { limitBytes, hits, misses } = this;
    const [usedBytes, blocks, evictions] = [this.#usedBytes, this.#ring.length, this.#evictions];
    return { limitBytes, usedBytes, blocks, hits, misses, evictions };
  }

  hasRoomFor(lengthBytes: number): boolean {
    return this.#usedBytes + lengthBytes + overheadBytes <= this.limitBytes;
  }

  /** Keeps the block in its table until it is pushed out; one that is larger than the cache is not kept. */
  keep(table: BlockTable, place: number, block: Block): void {
    const costBytes = costOf(block);
    if (costBytes > this.limitBytes || table[place] !== undefined) return;
    while (this.#usedBytes + costBytes > this.limitBytes) this.#evictOne();
    this.#usedBytes += costBytes;
    table[place] = block;
    this.#ring.push({ table, place, block });
  }

  /** Lets go of all blocks of a table. */
  drop(table: BlockTable): void {
    this.#ring = this.#ring.filter((cached) => {
      if (cached.table !== table) return true;
      this.#usedBytes -= costOf(cached.block);
      return false;
    });
    table.length = 0;
    this.#hand = 0;
  }

  #evictOne(): void {
    for (;;) {
      if (this.#hand >= this.#ring.length) this.#hand = 0;
      const { table, place, block } = this.#ring[this.#hand];
      if (block.isUsed) {
        block.isUsed = false;
        this.#hand++;
        continue;
      }
      table[place] = undefined;
      this.#usedBytes -= costOf(block);
      this.#evictions++;
      const last = this.#ring.pop()!;
      // The last is the youngest: the hand goes past it.
      if (this.#hand < this.#ring.length) this.#ring[this.#hand++] = last;
      return;
    }
  }
}

function costOf(block: Block): number {
  return block.bytes.length + overheadBytes;
}
