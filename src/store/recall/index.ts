/**
 * Nearest neighbours over the layers of a store, and what is recalled.
 *
 * What the engine does, for each collection with embeddings:
 *
 *   a write      `checkEmbedding` before the log; then, in the tick in which the memtable takes the entry in,
 *                `MemoryVectorLayer.add` of the version, with embedding or without, and `hide` on every older layer
 *   a flush      `VectorSectionBuilder` with the entries of the frozen layer in their order, `finish`, both sections
 *                into the segment; `adoptVectorLayer`, then `hideOlderNow` from the layers newer than the frozen one,
 *                in the tick in which the segment takes its place
 *   a merge      the same with the entries that live on, and the merged layers as `inputs`; `hideOlder` from each newer
 *                segment, then in the tick of the exchange `hideOlderNow` from the layers in memory, and from segments
 *                that came meanwhile
 *   an opening   `adoptVectorLayer` of each segment, `hideOlder` from each to all older ones; what the log has since is
 *                taken in as a write is
 *   a search     `searchLayers` over the layers that the reader pinned, at its sequence number and one time
 *   a recall     the same, spreading activation, `embeddingOf` and `embeddingDistance` for what it alone brought to
 *                mind, and `scoreRecall`
 *
 * The layers that are pinned by readers need to be told nothing once others have taken their place: what is written
 * later is later than what these readers see.
 */
export { checkEmbedding, embeddingDistance } from "./embedding.ts";
export { SearchFilters } from "./filter.ts";
export { hideOlder, hideOlderNow } from "./hide.ts";
export { MemoryVectorLayer } from "./memory-vector-layer.ts";
export {
  type RecallCandidate,
  scoreRecall,
} from "./recall-score.ts";
export { searchLayers } from "./search.ts";
export { adoptVectorLayer, SegmentVectorLayer } from "./segment-vector-layer.ts";
export type { RowFilter, VectorLayer, VectorRow, VectorSettings } from "./vector-layer.ts";
export { VectorSectionBuilder } from "./vector-section.ts";
