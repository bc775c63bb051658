/**
 * The k nearest rows of one index among those that are let through, with ties settled by the layer: of rows that are
 * equally far, the index keeps those with the smaller numbers, which after a merge are in no order that means anything.
 */

import { type VectorIndex, vectorLimits } from "../vector/index.ts";
import type { RowBits } from "./row-visibility.ts";

export interface IndexSearch {
  readonly k: number;
  readonly ef: number;
  /** undefined: all rows. */
  readonly accepted: RowBits | undefined;
  /** Which of two rows at the same distance comes first. */
  readonly compare: (a: number, b: number) => number;
}

export interface IndexHits {
  readonly rows: number[];
  readonly distances: number[];
  readonly exact: boolean;
}

/** Asks for one more than k; where that is as far as the last, for so many more that the tie has an end. */
export function searchIndex(index: VectorIndex, query: Float32Array, options: IndexSearch): IndexHits {
  const { k, ef, accepted, compare } = options;
  const filter = accepted === undefined ? {} : { filter: accepted };
  let asked = k + 1;
  for (;;) {
    asked = Math.min(asked, vectorLimits.k);
    const { ids, distances, exact } = index.search(query, { k: asked, ef, ...filter });
    const goesOn = ids.length === asked && asked > k && distances[asked - 1] === distances[k - 1];
    if (goesOn && asked < vectorLimits.k) {
      asked *= 2;
      continue;
    }
    const order = Array.from(ids.keys()).sort((a, b) => distances[a]! - distances[b]! || compare(ids[a]!, ids[b]!));
    const kept = order.slice(0, k);
    return { rows: kept.map((at) => ids[at]!), distances: kept.map((at) => distances[at]!), exact };
  }
}
