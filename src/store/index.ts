/**
 * The store, which is being built: so far the sorted table in memory, immutable segments, merges over both, and the
 * manifest that says which segments there are. The engine above them is to come.
 */
export { openManifest, readManifest } from "./manifest/open-manifest.ts";
export { Memtable } from "./memtable/memtable.ts";
export { compactEntries } from "./merge/compaction.ts";
export { lookUp } from "./merge/lookup.ts";
export { scanEntries } from "./merge/scan.ts";
export { BlockCache } from "./segment/block-cache.ts";
export { openSegment } from "./segment/segment.ts";
export { SegmentWriter } from "./segment/segment-writer.ts";
export { verifySegment } from "./segment/verify.ts";
