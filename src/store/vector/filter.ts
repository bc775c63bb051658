/** Which vectors a search may return, told by id, as a bitmap of rows. */
import type { RowBitmap } from "./beam.ts";
import type { IndexCore } from "./index-core.ts";

/**
 * Ids that may be found: bit `id % 32` of word `id / 32`, bit `id % 8` of byte `id / 8` (ids beyond the end may not),
 * or a predicate, which is asked once for each live vector and must not change the index.
 */
export type VectorFilter = Uint32Array | Uint8Array | ((id: number) => boolean);

export interface Matches {
  /** Undefined: all rows. */
  readonly rows: RowBitmap | undefined;
  readonly count: number;
}

/** The live rows that the filter lets through. */
export function matchesOf(core: IndexCore, filter: VectorFilter | undefined): Matches {
  const { liveCount } = core;
  if (filter === undefined) return { rows: liveCount === core.column.count ? undefined : core.live, count: liveCount };
  const matches = predicateOf(filter);
  const { ids, live } = core;
  const words = (core.column.count + 31) >>> 5;
  const rows = new Uint32Array(words);
  let count = 0;
  for (let word = 0; word < words; word++) {
    let kept = 0;
    for (let left = live[word]!; left !== 0; left &= left - 1) {
      const bit = 31 - Math.clz32(left & -left);
      if (!matches(ids[word * 32 + bit]!)) continue;
      kept |= 1 << bit;
      count++;
    }
    rows[word] = kept;
  }
  return { rows, count };
}

function predicateOf(filter: VectorFilter): (id: number) => boolean {
  if (filter instanceof Uint32Array) return (id) => ((filter[id >>> 5]! >>> (id & 31)) & 1) === 1;
  if (filter instanceof Uint8Array) return (id) => ((filter[id >>> 3]! >>> (id & 7)) & 1) === 1;
  return filter;
}
