/** Runs of blocks, walked side by side as one, each entry once. */

import type { Entry } from "../entry.ts";
import { compareKeys } from "../key.ts";
import type { Block } from "../segment/block.ts";
import { corruptError } from "../segment/damage.ts";
import type { BlockBytes, PlacedBlock } from "./block-bytes.ts";

export interface BlockEnds {
  readonly firstKey: Uint8Array;
  readonly firstSequence: number;
  readonly lastKey: Uint8Array;
  readonly lastSequence: number;
  readonly smallestSequence: number;
  readonly largestSequence: number;
  readonly entries: number;
}

export function endsOf(block: Block): BlockEnds {
  const entries = entriesOf(block);
  const [first, last] = [entries[0], entries[entries.length - 1]];
  let [smallestSequence, largestSequence] = [first.sequence, first.sequence];
  for (const { sequence } of entries) {
    smallestSequence = Math.min(smallestSequence, sequence);
    largestSequence = Math.max(largestSequence, sequence);
  }
  return {
    firstKey: first.key.slice(),
    firstSequence: first.sequence,
    lastKey: last.key.slice(),
    lastSequence: last.sequence,
    smallestSequence,
    largestSequence,
    entries: entries.length,
  };
}

function entriesOf(block: Block): Entry[] {
  const ends = new Uint32Array(block.entries);
  const keys = block.decodeKeys(ends);
  return Array.from(ends, (end, place) => block.entryAt(place, keys.subarray(place === 0 ? 0 : ends[place - 1], end)));
}

/**
 * The entries of all runs in the order of the store; the same version from two of them is one. Throws
 * STORE_SEGMENT_CORRUPT where a block that could be read before cannot be read any more.
 */
export async function* mergedEntries(
  bytes: BlockBytes,
  runs: readonly (readonly PlacedBlock[])[],
  options: { readonly path: string; readonly more?: readonly Entry[]; readonly signal?: AbortSignal | undefined },
): AsyncGenerator<Entry[]> {
  const heads = runs.map((blocks) => new RunHead(bytes, blocks, options.path));
  if (options.more !== undefined) heads.push(new RunHead(bytes, [], options.path, options.more));
  for (const head of heads) await head.fill();
  let batch: Entry[] = [];
  for (;;) {
    let next: Entry | undefined;
    for (const { entry } of heads)
      if (entry !== undefined && (next === undefined || compare(entry, next) < 0)) next = entry;
    if (next === undefined) break;
    batch.push(next);
    for (const head of heads) {
      if (head.entry === undefined || compare(head.entry, next) !== 0) continue;
      head.place++;
      if (head.entry === undefined) await head.fill();
    }
    if (batch.length < batchLimit) continue;
    options.signal?.throwIfAborted();
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

/** How many entries there are in all runs, each counted once. */
export async function countDistinct(bytes: BlockBytes, runs: readonly (readonly PlacedBlock[])[]): Promise<number> {
  let count = 0;
  for await (const batch of mergedEntries(bytes, runs, { path: "" })) count += batch.length;
  return count;
}

const batchLimit = 256;

class RunHead {
  place = 0;
  readonly #bytes: BlockBytes;
  readonly #blocks: readonly PlacedBlock[];
  readonly #path: string;
  #entries: readonly Entry[];
  #next = 0;

  constructor(bytes: BlockBytes, blocks: readonly PlacedBlock[], path: string, entries: readonly Entry[] = []) {
    this.#bytes = bytes;
    this.#blocks = blocks;
    this.#path = path;
    this.#entries = entries;
  }

  get entry(): Entry | undefined {
    return this.#entries[this.place];
  }

  /** Where all is taken: the entries of the next block, if there is one. */
  async fill(): Promise<void> {
    if (this.entry !== undefined || this.#next === this.#blocks.length) return;
    const placed = this.#blocks[this.#next++];
    const block = await this.#bytes.block(placed);
    if (typeof block === "string")
      throw corruptError({ path: this.#path, offset: placed.offset, section: "data", reason: block });
    this.#entries = entriesOf(block);
    this.place = 0;
  }
}

function compare(a: Entry, b: Entry): number {
  return compareKeys(a.key, b.key) || b.sequence - a.sequence;
}
