/**
 * What a store can do, on one screen. `openStore` opens one.
 *
 *   await using store = await openStore({ folder: "./memory" });
 *   const notes = await store.collection("notes", { vectors: { dimension: 384, metric: "cosine" } });
 *   await notes.put("n1", { content: { text: "…" }, embedding, metadata: { topic: "tea" } });
 *   await notes.search(query, { k: 10, filter: "topic == 'tea'" });
 */

import type { Clock, Listener } from "../base/index.ts";
import type { Disk } from "../disk/index.ts";
import type { CheckResult, StorageLevel } from "../resilience/index.ts";
import type { DurabilityWarning } from "../wal/index.ts";
import type { ConsolidateOptions, ConsolidationReport, ConsolidationSchedule } from "./consolidation/report.ts";
import type { NeighbourOptions, SpreadOptions, WalkOptions } from "./graph/index.ts";
import type {
  Change,
  EdgeInput,
  EdgeWriteOptions,
  Item,
  ItemInput,
  ItemWriteOptions,
  Metadata,
  WriteOptions,
  WriteResult,
} from "./item/item.ts";
import type { BackupProgress, BackupReport } from "./operations/backup.ts";
import type { VerifyReport } from "./operations/verify-store.ts";
import type { VectorMetric } from "./vector/index.ts";

export interface CollectionSettings {
  /** Items may carry an embedding of this dimension. Cannot be changed later. */
  readonly vectors?: {
    /** 1 to 16,384. */
    readonly dimension: number;
    readonly metric: VectorMetric;
    /** Search compares int8 codes first and the candidates' f32 vectors then. Default "none". */
    readonly quantisation?: "none" | "int8";
  };
  /**
   * What counts as used, for consolidation: what `use` and `recall` say (default), or what `get`, `getMany` and `peek`
   * find too. Reading a snapshot is no use.
   */
  readonly uses?: "explicit" | "reads";
}

export interface ScanOptions {
  /** The first id. */
  readonly from?: string;
  /** The first id that no longer belongs to it. */
  readonly to?: string;
  readonly prefix?: string;
  readonly reverse?: boolean;
  /** Items in all. */
  readonly limit?: number;
  /** Contents stay where they are: `content` of what is in the content log is null. Default true. */
  readonly withContent?: boolean;
  /**
   * Passes over what was lost, and everything of which it is in doubt whether it is the newest version. Default false:
   * a scan ends with STORE_LOST where it comes to a lost range.
   */
  readonly skipLost?: boolean;
  readonly signal?: AbortSignal;
}

export interface EdgeScanOptions {
  /** As for scans. Default false. */
  readonly skipLost?: boolean;
  readonly signal?: AbortSignal;
}

/**
 * A rule over the metadata in the language of `holdfast/policy`, or a function. What it throws counts as false. A
 * function is asked about each item once and its answer remembered for as long as it is the same function.
 */
export type SearchFilter = string | ((metadata: Metadata | undefined, id: string) => boolean);

export interface SearchOptions {
  /** How many to find, 1 to 16,384. Fewer come back only where fewer match. Default 10. */
  readonly k?: number;
  /** Candidates the search keeps: more find more, and take longer. At least k. Default 64. */
  readonly ef?: number;
  readonly filter?: SearchFilter;
  readonly signal?: AbortSignal;
}

export interface SearchHit {
  readonly id: string;
  /** Smaller is nearer: 1 - cosine, the negative inner product, or the squared distance. */
  readonly distance: number;
  readonly version: number;
}

export interface SearchResult {
  readonly hits: readonly SearchHit[];
  /** All that match were compared: nothing nearer was overlooked. */
  readonly exact: boolean;
  readonly level: StorageLevel;
}

export interface RecallQuery {
  readonly embedding?: Float32Array;
  /** Ids that are on one's mind: activation spreads from them. */
  readonly from?: readonly string[];
  readonly k?: number;
  readonly filter?: SearchFilter;
  /** What similarity, activation and κ count for. Default 1, 0.5, 0.25. */
  readonly weights?: { readonly similarity?: number; readonly activation?: number; readonly kappa?: number };
  /** What is returned counts as used. Default true. */
  readonly use?: boolean;
  readonly signal?: AbortSignal;
}

export interface Recalled {
  readonly item: Item;
  readonly score: number;
  /** What the score is made of, each 0 to 1 before it is weighed. */
  readonly similarity: number;
  readonly activation: number;
  readonly kappa: number;
}

/** Reading, from a collection as it is now or as a snapshot holds it. */
export interface CollectionReader {
  readonly name: string;
  get(id: string): Promise<Item | undefined>;
  /** In the order of the ids; undefined where there is none. */
  getMany(ids: readonly string[]): Promise<(Item | undefined)[]>;
  /** At once where no content log has to be asked; reads what is not in memory on the caller's thread. */
  peek(id: string): Item | undefined | Promise<Item | undefined>;
  scan(options?: ScanOptions): AsyncGenerator<Item, void>;
  /** As `scan`, some hundred items at once: several times as fast. */
  scanBatches(options?: ScanOptions): AsyncGenerator<Item[], void>;
  search(embedding: Float32Array, options?: SearchOptions): Promise<SearchResult>;
  neighbours(id: string, options?: NeighbourOptions): Promise<EdgeOf[]>;
  /** All edges that leave items of this collection, by source, type and target; those too whose items are gone. */
  scanEdges(options?: EdgeScanOptions): AsyncGenerator<EdgeOf, void>;
  /** Every item within so many steps, with its distance. */
  within(id: string, steps: number, options?: WalkOptions): Promise<Map<string, number>>;
  /** What these bring to mind: activation by id, the strongest first. */
  spread(seeds: ReadonlyMap<string, number>, options?: SpreadOptions): Promise<Map<string, number>>;
  recall(query: RecallQuery): Promise<Recalled[]>;
}

export interface EdgeOf {
  readonly source: string;
  readonly type: string;
  readonly target: string;
  /** Where they are of another collection than the one that was asked. */
  readonly sourceCollection?: string;
  readonly targetCollection?: string;
  readonly weight: number;
}

export interface Collection extends CollectionReader {
  readonly settings: CollectionSettings;
  put(id: string, input: ItemInput, options?: ItemWriteOptions): Promise<WriteResult>;
  /**
   * Reads, asks what to write, and writes it unless the item was changed meanwhile; then once more, up to 16 times.
   * What `change` returns is merged into the item; undefined leaves it as it is.
   */
  update(
    id: string,
    change: (item: Item | undefined) => ItemInput | undefined | Promise<ItemInput | undefined>,
    options?: WriteOptions,
  ): Promise<WriteResult | undefined>;
  delete(id: string, options?: ItemWriteOptions): Promise<WriteResult>;
  link(id: string, edge: EdgeInput, options?: EdgeWriteOptions): Promise<WriteResult>;
  unlink(
    id: string,
    edge: Pick<EdgeInput, "type" | "target" | "collection">,
    options?: EdgeWriteOptions,
  ): Promise<WriteResult>;
  /**
   * Says that these were used now, one after the other: consolidation strengthens them and the ways between them. The
   * last 100,000 uses are kept, in memory only: until they are learned, or the store is closed.
   */
  use(ids: readonly string[]): void;
}

export interface StoreSnapshot extends Disposable {
  /** Everything up to this write is in it, and nothing after it. */
  readonly version: number;
  collection(name: string): CollectionReader;
}

export interface StoreOptions {
  readonly folder: string;
  readonly disk?: Disk;
  readonly clock?: Clock;
  /** Nothing of the store is changed, and writes are refused; one that is open elsewhere is too (STORE_LOCKED). */
  readonly readOnly?: boolean;
  /** `salvage` opens what can be read of a damaged store, and lists what was lost. Default `strict`. */
  readonly recovery?: "strict" | "salvage";
  /** The memtable is flushed at this many bytes. Default 64 MB. */
  readonly memtableBytes?: number;
  /** Or at this many entries. Default 10,000. */
  readonly memtableEntries?: number;
  /** Blocks in memory. Default 64 MB. */
  readonly cacheBytes?: number;
  /** Content of at least this many bytes goes to the content log. Default 4,096. */
  readonly contentFromBytes?: number;
  /** Where merges and vector graphs are made: a worker thread, or slices of the caller's. Default "worker". */
  readonly background?: "worker" | "slices";
  /** Merges and maintenance happen when asked for only. Default false. */
  readonly manual?: boolean;
  /** How long after one maintenance the next begins. Default 60 s. */
  readonly maintenanceMs?: number;
  /**
   * What is learned without being asked. Default: κ of what was used rises in merges that happen anyway, and nothing
   * else; no item and no edge is made or taken away. With a schedule maintenance consolidates every so often, too.
   * "manual": only `consolidate` learns.
   */
  readonly consolidation?: "manual" | ConsolidationSchedule;
  /** Told from the beginning: what opening found out comes before anybody can call `on`. */
  readonly onEvent?: Listener<StoreEvent>;
  readonly signal?: AbortSignal;
}

export interface StoreStatistics {
  readonly level: StorageLevel;
  readonly version: number;
  readonly durableVersion: number;
  readonly memtableEntries: number;
  readonly memtableBytes: number;
  readonly segments: readonly {
    readonly id: number;
    readonly level: number;
    readonly sizeBytes: number;
    readonly entries: number;
    readonly tombstones: number;
  }[];
  readonly contentFiles: readonly {
    readonly id: number;
    readonly sizeBytes: number;
    readonly contentBytes: number;
    readonly garbageBytes: number;
    readonly fragmentation: number;
  }[];
  readonly logBytes: number;
  readonly cacheBytes: number;
  readonly queuedWrites: number;
  readonly snapshots: number;
  readonly lost: readonly LostRange[];
}

/**
 * Keys between which something was lost: reading there throws STORE_LOST until it is written anew or accepted. Where
 * both are empty it is about the log: nobody knows which keys, and nothing stands in the way of readers.
 */
export interface LostRange {
  readonly from: string;
  readonly to: string;
  readonly path: string;
  readonly offset: number;
}

export interface StoreVerifyOptions {
  readonly onProgress?: (progress: BackupProgress) => void;
  readonly signal?: AbortSignal;
}

export interface StoreBackupOptions {
  readonly onProgress?: (progress: BackupProgress) => void;
  readonly signal?: AbortSignal;
}

export type StoreEvent =
  | { readonly kind: "flush"; readonly segment: number; readonly entries: number; readonly durationMs: number }
  | {
      readonly kind: "compaction";
      readonly from: readonly number[];
      readonly into: readonly number[];
      readonly durationMs: number;
    }
  | { readonly kind: "content-compaction"; readonly doneBytes: number; readonly totalBytes: number }
  /** Found at the opening: so much of the content log is garbage. The first maintenance frees it. */
  | { readonly kind: "fragmented"; readonly fragmentation: number }
  | { readonly kind: "consolidation"; readonly report: ConsolidationReport }
  | { readonly kind: "level"; readonly level: StorageLevel; readonly reason: string }
  | { readonly kind: "damage"; readonly path: string; readonly offset: number; readonly reason: string }
  | { readonly kind: "failed"; readonly what: string; readonly error: unknown };

export interface Store extends AsyncDisposable {
  readonly folder: string;
  readonly level: StorageLevel;
  /** What of the folder's file system puts the store's promises in doubt (W7). */
  readonly warnings: readonly DurabilityWarning[];
  /** Opens a collection, made where it is not there. Throws STORE_COLLECTION where the settings contradict it. */
  collection(name: string, settings?: CollectionSettings): Promise<Collection>;
  collections(): readonly { readonly name: string; readonly settings: CollectionSettings }[];
  /** All of the changes or none. */
  write(changes: readonly Change[], options?: WriteOptions): Promise<WriteResult>;
  snapshot(): StoreSnapshot;
  statistics(): StoreStatistics;
  on(listener: Listener<StoreEvent>): Disposable;
  /** What is in memory becomes a segment. */
  flush(): Promise<void>;
  /** Merges all segments into one, and frees what nobody reads any more. */
  compact(options?: { readonly signal?: AbortSignal }): Promise<void>;
  /** Copies what lives of the content files, those with at least this share of garbage (default 0.3). */
  compactContent(options?: { readonly minimumGarbage?: number; readonly signal?: AbortSignal }): Promise<{
    readonly freedBytes: number;
  }>;
  /** Raises κ of what was used, links it, makes prototypes, prunes. One at a time (STORE_CONSOLIDATION_RUNNING). */
  consolidate(options?: ConsolidateOptions): Promise<ConsolidationReport>;
  /**
   * Checks every byte of the segments and contents of this moment, and changes nothing. Damage is a finding of the
   * report, never an error.
   */
  verify(options?: StoreVerifyOptions): Promise<VerifyReport>;
  /** Flushes, and copies this moment into a folder, while everything goes on. Throws STORE_BACKUP_TARGET. */
  backup(target: string, options?: StoreBackupOptions): Promise<BackupReport>;
  /**
   * What was lost counts no longer: under the lost keys older versions are shown again where there are any, and items
   * that were deleted there may come back. Returns what was accepted.
   */
  acceptLoss(): Promise<readonly LostRange[]>;
  /**
   * For `storeCheck`: writes and syncs a test entry, and verifies the next of the segments. On a store that is degraded
   * it looks whether the disk works again, and lets recovery begin at once where it does.
   */
  checkHealth(): Promise<CheckResult>;
  /** What maintenance does by itself: compaction where it is due, then content, then consolidation if its time came. */
  maintain(options?: { readonly signal?: AbortSignal }): Promise<void>;
  /** Saves what it can, and closes whatever happens. Throws STORE_UNSAVED with the count of writes that are lost. */
  close(): Promise<void>;
}
