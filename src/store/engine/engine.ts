/** The store behind `openStore`: what its parts do together. */

import { HoldfastError, type Listener, Topic } from "../../base/index.ts";
import type { StorageLevel } from "../../resilience/index.ts";
import type { DurabilityWarning, Wal } from "../../wal/index.ts";
import { compactionHost } from "../compaction/host.ts";
import type { ConsolidateOptions, ConsolidationReport } from "../consolidation/report.ts";
import type { ContentLog } from "../content/index.ts";
import type { Change, WriteOptions, WriteResult } from "../item/item.ts";
import type { BackupReport } from "../operations/backup.ts";
import type { VerifyReport } from "../operations/verify-store.ts";
import type { SearchFilters } from "../recall/index.ts";
import type {
  Collection,
  CollectionSettings,
  LostRange,
  Store,
  StoreBackupOptions,
  StoreEvent,
  StoreSnapshot,
  StoreStatistics,
  StoreVerifyOptions,
} from "../store.ts";
import type { Catalog } from "./catalog.ts";
import { EngineCollection } from "./collection.ts";
import { EngineReader } from "./collection-reader.ts";
import type { EngineParts } from "./engine-parts.ts";
import type { LargeContent } from "./large-content.ts";
import { Maintenance } from "./maintenance.ts";
import { MemoryLayer } from "./memory-layer.ts";
import type { ReadPort, ReadScope } from "./read-scope.ts";
import { SegmentLayer } from "./segment-layer.ts";
import { backupOpen, verifyOpen } from "./store-care.ts";
import type { Vectors } from "./vector-layers.ts";
import type { Views } from "./view.ts";
import { WritePath, type WritePort } from "./write-path.ts";

export interface EngineSetting {
  readonly background: "worker" | "slices";
  readonly onEvent: Listener<StoreEvent> | undefined;
}

/** From this share of garbage on, opening says so. */
const fragmentedFrom = 0.3;

export class Engine implements Store, ReadPort, WritePort {
  readonly #parts: EngineParts;
  readonly #maintenance: Maintenance;
  readonly #writes: WritePath;
  readonly #events = new Topic<StoreEvent>("store");
  readonly #present: ReadScope;
  #memory: MemoryLayer;
  #lastWrite: Promise<unknown> = Promise.resolve();
  #level: StorageLevel = "normal";
  #closing: Promise<void> | undefined;
  #cancelMaintenance: (() => void) | undefined;

  constructor(parts: EngineParts, memory: MemoryLayer, { background, onEvent }: EngineSetting) {
    this.#parts = parts;
    if (onEvent !== undefined) this.#events.subscribe(onEvent);
    this.#memory = memory;
    this.#present = parts.holds.present;
    this.#writes = new WritePath(this);
    const { disk, clock } = parts;
    this.#maintenance = new Maintenance(
      {
        parts,
        publish: (event) => this.#events.publish(event),
        rotate: () => this.#rotate(),
        durable: async () => void (await this.#lastWrite),
        failed: (what, error) => this.#failed(what, error),
      },
      compactionHost({ kind: background, disk, clock }),
    );
    parts.content.onProgress((progress) => this.#events.publish({ kind: "content-compaction", ...progress }));
    for (const event of parts.lostLog.events) this.#events.publish(event);
    const fragmentation = fragmentationOf(parts.content);
    if (fragmentation >= fragmentedFrom) this.#events.publish({ kind: "fragmented", fragmentation });
    this.#scheduleMaintenance();
  }

  get folder(): string {
    return this.#parts.folder;
  }

  get level(): StorageLevel {
    return this.#level;
  }

  get clock(): EngineParts["clock"] {
    return this.#parts.clock;
  }

  get warnings(): readonly DurabilityWarning[] {
    return this.#parts.log.recovery.warnings;
  }

  get content(): ContentLog {
    return this.#parts.content;
  }

  get catalog(): Catalog {
    return this.#parts.catalog;
  }

  get views(): Views {
    return this.#parts.views;
  }

  get log(): Wal {
    return this.#parts.log;
  }

  get large(): LargeContent {
    return this.#parts.large;
  }

  get vectors(): Vectors {
    return this.#parts.vectors;
  }

  get filters(): SearchFilters {
    return this.#parts.filters;
  }

  get memory(): MemoryLayer {
    return this.#memory;
  }

  async collection(name: string, settings?: CollectionSettings): Promise<Collection> {
    this.refuseClosed();
    const facts = await this.#parts.catalog.open(name, settings);
    return new EngineCollection(facts, this, this.#present, this.#writes);
  }

  collections(): readonly { readonly name: string; readonly settings: CollectionSettings }[] {
    return this.#parts.catalog.all.map(({ name, settings }) => ({ name, settings }));
  }

  write(changes: readonly Change[], options?: WriteOptions): Promise<WriteResult> {
    return this.#writes.write(changes, options);
  }

  snapshot(): StoreSnapshot {
    this.refuseClosed();
    const scope = this.#parts.holds.snapshot();
    return {
      version: scope.atSequence,
      collection: (name) => new EngineReader(this.#parts.catalog.need(name), this, scope),
      [Symbol.dispose]: () => scope[Symbol.dispose](),
    };
  }

  statistics(): StoreStatistics {
    const { views, content, log, cache, holds, lostLog } = this.#parts;
    const { layers } = views.current;
    const memory = layers.filter((layer) => layer instanceof MemoryLayer);
    return {
      level: this.#level,
      version: log.visibleSequence,
      durableVersion: log.durableSequence,
      memtableEntries: memory.reduce((sum, { source }) => sum + source.entries, 0),
      memtableBytes: memory.reduce((sum, { source }) => sum + source.usedBytes, 0),
      segments: layers
        .filter((layer) => layer instanceof SegmentLayer)
        .map(({ file: { id, level, sizeBytes, entries, tombstones } }) => ({
          ...{ id, level, sizeBytes, entries, tombstones },
        })),
      contentFiles: content.statistics(),
      logBytes: log.statistics.totalBytes,
      cacheBytes: cache.statistics.usedBytes,
      queuedWrites: 0,
      snapshots: holds.count,
      lost: [...views.current.lost.described(), ...lostLog.ranges],
    };
  }

  on(listener: Listener<StoreEvent>): Disposable {
    return this.#events.subscribe(listener);
  }

  async flush(): Promise<void> {
    this.refuseClosed();
    await this.#maintenance.flush();
  }

  async compact(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    this.refuseClosed();
    await this.#maintenance.compact(options.signal);
  }

  async compactContent(
    options: { readonly minimumGarbage?: number; readonly signal?: AbortSignal } = {},
  ): Promise<{ readonly freedBytes: number }> {
    this.refuseClosed();
    return await this.#maintenance.compactContent(options.minimumGarbage, options.signal);
  }

  async consolidate(_options?: ConsolidateOptions): Promise<ConsolidationReport> {
    throw new Error("to come");
  }

  async verify(options?: StoreVerifyOptions): Promise<VerifyReport> {
    this.refuseClosed();
    return await verifyOpen(this.#parts, options);
  }

  async backup(target: string, options?: StoreBackupOptions): Promise<BackupReport> {
    this.refuseClosed();
    return await backupOpen(this.#parts, target, () => this.flush(), options);
  }

  async acceptLoss(): Promise<readonly LostRange[]> {
    this.refuseClosed();
    return (await this.#maintenance.acceptLoss()).described();
  }

  async maintain(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    this.refuseClosed();
    await this.#maintenance.mergeDue(options.signal);
    await this.#maintenance.compactContent(undefined, options.signal);
    await this.#parts.deleteObsolete();
  }

  async close(): Promise<void> {
    this.#closing ??= this.#close();
    await this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  refuseClosed(): void {
    if (this.#closing === undefined) return;
    throw new HoldfastError("STORE_CLOSED", `the store in ${this.folder} is closed`, { hint: "Open it again." });
  }

  room(): Promise<void> | undefined {
    return this.#maintenance.room();
  }

  wrote(durable: Promise<unknown>): void {
    this.#lastWrite = durable;
    const { source } = this.#memory;
    const { memtableBytes, memtableEntries } = this.#parts.options;
    if (source.entries < memtableEntries && source.usedBytes < memtableBytes) return;
    this.#rotate();
    this.#maintenance.kick();
  }

  logFailed(error: unknown): void {
    this.#failed("log", error);
  }

  #rotate(): boolean {
    if (this.#memory.source.entries === 0) return false;
    this.#memory.source.freeze();
    this.#memory = new MemoryLayer();
    const { views } = this.#parts;
    views.publish([this.#memory, ...views.current.layers]);
    return true;
  }

  #scheduleMaintenance(): void {
    const { clock, options } = this.#parts;
    if (options.manual || this.#closing !== undefined) return;
    const maintain = (): void => {
      this.maintain()
        .catch((error: unknown) => this.#failed("maintenance", error))
        .finally(() => this.#scheduleMaintenance());
    };
    this.#cancelMaintenance = clock.schedule(options.maintenanceMs, maintain, { background: true });
  }

  #failed(what: string, error: unknown): void {
    if (this.#closing === undefined) this.#events.publish({ kind: "failed", what, error });
  }

  async #close(): Promise<void> {
    const { log, content, views, manifest, lock } = this.#parts;
    this.#cancelMaintenance?.();
    await this.#maintenance.stop();
    try {
      await log.close();
    } finally {
      views.close();
      await content[Symbol.asyncDispose]().catch(() => undefined);
      await manifest.close().catch(() => undefined);
      await lock.release();
    }
  }
}

/** Garbage over content, of all files. */
function fragmentationOf(content: ContentLog): number {
  const files = content.statistics();
  const contentBytes = files.reduce((sum, file) => sum + file.contentBytes, 0);
  const garbageBytes = files.reduce((sum, file) => sum + file.garbageBytes, 0);
  return contentBytes === 0 ? 0 : garbageBytes / contentBytes;
}
