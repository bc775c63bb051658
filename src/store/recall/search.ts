/**
 * The nearest over all layers of a collection. Each gives its k nearest of what the reader sees, and these are put in
 * one order. No item is in two of them, for each has hidden its rows from those that are older; so there are never
 * fewer than k unless fewer match.
 */

import { compareText } from "../graph/edge.ts";
import { vectorLimits } from "../vector/index.ts";
import { wholeNumber } from "../vector/options.ts";
import type { LayerHits, LayerSearchOptions, VectorHit, VectorLayer } from "./vector-layer.ts";

/** Smaller is nearer; of equal distances, in the order of the ids' bytes. */
export function compareHits(a: VectorHit, b: VectorHit): number {
  return a.distance - b.distance || compareText(a.id, b.id);
}

/**
 * Throws STORE_VECTOR_OPTION for a wrong k or ef, and what `checkEmbedding` does for the query, but where there is no
 * layer at all. Rejects with the signal's reason.
 */
export async function searchLayers(
  layers: readonly VectorLayer[],
  query: Float32Array,
  options: LayerSearchOptions,
): Promise<LayerHits> {
  const { k, ef, signal } = options;
  wholeNumber("k", k, 1, vectorLimits.k);
  wholeNumber("ef", ef, 1, vectorLimits.ef);
  signal?.throwIfAborted();
  // A copy: layers may wait before they look at it, and it is the caller's.
  const aim = query.slice();
  const found: LayerHits[] = [];
  for (const layer of layers) found.push(await layer.search(aim, options));
  const hits = found.flatMap((part) => part.hits).sort(compareHits);
  return { hits: hits.slice(0, k), exact: found.every((part) => part.exact) };
}
