/**
 * Nearest neighbours among vectors, in memory: exact where that is fast, through an HNSW graph beyond.
 *
 *   const index = vectorIndex({ dimension: 384, metric: "cosine" });
 *   index.add(7, embedding);
 *   await index.build(); // links, in slices of 8 ms; until then searches compare all
 *   const { ids, distances, exact } = index.search(query, { k: 10, ef: 64, filter: (id) => id % 2 === 1 });
 *   index.delete(7);
 *   const bytes = index.serialise();
 *   const same = adoptVectorIndex(bytes);
 *   const one = mergeVectorIndexes([{ index }, { index: other, keep: bitmap }]);
 *
 * Deterministic: the same additions in the same order give the same graph, bytes and answers on every engine. Nothing
 * here asks the platform for anything, so an index works in a worker or a browser as it does in Node. (SPEC S3)
 */
export type { VectorFilter } from "./filter.ts";
export type { VectorAdoptOptions, VectorSerialiseOptions } from "./format.ts";
export { mergeVectorIndexes, type VectorMergePart } from "./merge.ts";
export { type VectorIndexOptions, type VectorMetric, vectorLimits } from "./options.ts";
export type { VectorSearchResult } from "./search.ts";
export {
  adoptVectorIndex,
  adoptVectorIndexInSlices,
  type VectorBuildOptions,
  type VectorBuildProgress,
  type VectorBuildStepOptions,
  type VectorIndex,
  type VectorIndexReport,
  type VectorSearchOptions,
  vectorIndex,
} from "./vector-index.ts";
