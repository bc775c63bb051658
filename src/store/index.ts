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
export { type StoreCheckOptions, storeCheck } from "./degradation/store-check.ts";
export { type ClosedStoreOptions, type RestoreStoreOptions, restoreStore, verifyStore } from "./engine/closed-store.ts";
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
export type { BackupProgress, BackupReport } from "./operations/backup.ts";
export { type DumpOptions, dump, type LoadOptions, type LoadReport, load } from "./operations/dump-store.ts";
export type { Finding } from "./operations/findings.ts";
export type { RestoreReport } from "./operations/restore.ts";
export type { VerifyReport } from "./operations/verify-store.ts";
export type {
  Collection,
  CollectionReader,
  CollectionSettings,
  EdgeOf,
  EdgeScanOptions,
  LostRange,
  Recalled,
  RecallQuery,
  ScanOptions,
  SearchFilter,
  SearchHit,
  SearchOptions,
  SearchResult,
  Store,
  StoreBackupOptions,
  StoreEvent,
  StoreOptions,
  StoreSnapshot,
  StoreStatistics,
  StoreVerifyOptions,
} from "./store.ts";
export * from "./vector/index.ts";
