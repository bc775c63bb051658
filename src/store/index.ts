/**
 * The store: an embedded memory that survives anything and forgets only on purpose. `openStore` opens one; what it can
 * do then stands in store.ts. The vector index is of use alone, too.
 */

export { type StoreCheckpointsOptions, storeCheckpoints } from "./checkpoints/store-checkpoints.ts";
export type {
  ConsolidateOptions,
  ConsolidationPass,
  ConsolidationReport,
  EdgeWeightChange,
  KappaChange,
  PrototypeChange,
  Pruned,
} from "./consolidation/report.ts";
export { openStore } from "./engine/open-store.ts";
export { type ReadItemsOptions, readItems } from "./engine/read-items.ts";
export type { Direction } from "./graph/edge.ts";
export type { NeighbourOptions, SpreadOptions, WalkOptions } from "./graph/graph-view.ts";
export type {
  Change,
  Content,
  EdgeInput,
  Item,
  ItemInput,
  ItemWriteOptions,
  Json,
  Metadata,
  WriteDurability,
  WriteOptions,
  WriteResult,
} from "./item/item.ts";
export type {
  Collection,
  CollectionReader,
  CollectionSettings,
  EdgeOf,
  LostRange,
  Recalled,
  RecallQuery,
  ScanOptions,
  SearchFilter,
  SearchHit,
  SearchOptions,
  SearchResult,
  Store,
  StoreEvent,
  StoreOptions,
  StoreSnapshot,
  StoreStatistics,
} from "./store.ts";
export * from "./vector/index.ts";
