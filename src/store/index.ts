/**
 * The store, which is being built. So far: the sorted table in memory, immutable segments, merges over both, the
 * manifest that says which files there are, the content log, the graph, and the vector index, which is of use alone.
 * The engine above them is to come.
 */
export * from "./content/index.ts";
export { openStore } from "./engine/open-store.ts";
export { type ReadItemsOptions, readItems } from "./engine/read-items.ts";
export * from "./graph/index.ts";
export type { Change, Content, Item, ItemInput, WriteResult } from "./item/item.ts";
export { openManifest, readManifest } from "./manifest/open-manifest.ts";
export { Memtable } from "./memtable/memtable.ts";
export { compactEntries } from "./merge/compaction.ts";
export { lookUp } from "./merge/lookup.ts";
export { scanEntries } from "./merge/scan.ts";
export { BlockCache } from "./segment/block-cache.ts";
export { openSegment } from "./segment/segment.ts";
export { SegmentWriter } from "./segment/segment-writer.ts";
export { verifySegment } from "./segment/verify.ts";
export type { Collection, CollectionReader, Store, StoreOptions } from "./store.ts";
export * from "./vector/index.ts";
