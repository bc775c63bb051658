/** What an open store consists of. */

import type { Clock } from "../../base/index.ts";
import type { Disk, DiskLock } from "../../disk/index.ts";
import type { ContentLog } from "../content/index.ts";
import type { LogHolder } from "../degradation/log-holder.ts";
import type { WriteQueue } from "../degradation/write-queue.ts";
import type { Manifest } from "../manifest/manifest.ts";
import type { SearchFilters } from "../recall/index.ts";
import type { BlockCache } from "../segment/block-cache.ts";
import type { StoreOptions } from "../store.ts";
import type { Catalog } from "./catalog.ts";
import type { DamageReports } from "./damage-reports.ts";
import type { LargeContent } from "./large-content.ts";
import type { LostLog } from "./lost-log.ts";
import type { Holds } from "./read-scope.ts";
import type { Vectors } from "./vector-layers.ts";
import type { Views } from "./view.ts";

/** With the defaults filled in. */
export interface EngineOptions {
  readonly memtableBytes: number;
  readonly memtableEntries: number;
  readonly contentFromBytes: number;
  readonly manual: boolean;
  readonly maintenanceMs: number;
  readonly consolidation: StoreOptions["consolidation"];
}

export interface EngineParts {
  readonly disk: Disk;
  readonly folder: string;
  readonly clock: Clock;
  readonly options: EngineOptions;
  readonly lock: DiskLock;
  readonly manifest: Manifest;
  readonly log: LogHolder;
  /** Writes that wait while the store is degraded. */
  readonly queue: WriteQueue;
  readonly content: ContentLog;
  readonly cache: BlockCache;
  readonly catalog: Catalog;
  readonly views: Views;
  readonly holds: Holds;
  readonly large: LargeContent;
  readonly vectors: Vectors;
  readonly filters: SearchFilters;
  /** Told of every damage that readers come upon. */
  readonly damage: DamageReports;
  readonly lostLog: LostLog;
  /** Deletes the files that nobody names or reads any more. */
  readonly deleteObsolete: () => Promise<void>;
}
