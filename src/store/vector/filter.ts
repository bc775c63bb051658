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
  const { ids, live } = core;
  const words = (core.column.count + 31) >>> 5;
  const rows = new Uint32Array(words);
  if (core.idsAreRows && filter instanceof Uint32Array) return bothOf(live, filter, rows);
  const matches = predicateOf(filter);
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

/** What is set in both, in `rows`: word by word instead of id by id. */
function bothOf(live: RowBitmap, filter: Uint32Array, rows: RowBitmap): Matches {
  let count = 0;
  for (let word = 0; word < Math.min(rows.length, filter.length); word++) {
    let bits = live[word]! & filter[word]!;
    rows[word] = bits;
    // Sums of pairs, of fours, of eights, and of the four of these.
    bits -= (bits >>> 1) & 0x5555_5555;
    bits = (bits & 0x3333_3333) + ((bits >>> 2) & 0x3333_3333);
    count += Math.imul((bits + (bits >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24;
  }
  return { rows, count };
}

function predicateOf(filter: VectorFilter): (id: number) => boolean {
  if (filter instanceof Uint32Array) return (id) => ((filter[id >>> 5]! >>> (id & 31)) & 1) === 1;
  if (filter instanceof Uint8Array) return (id) => ((filter[id >>> 3]! >>> (id & 7)) & 1) === 1;
  return filter;
}
