/** The store behind `openStore`: what its parts do together. */

import { HoldfastError, type Listener, Topic } from "../../base/index.ts";
import type { CheckResult, StorageLevel } from "../../resilience/index.ts";
import type { DurabilityWarning } from "../../wal/index.ts";
import { compactionHost } from "../compaction/host.ts";
import type { ConsolidateOptions, ConsolidationReport } from "../consolidation/report.ts";
import type { UseLog } from "../consolidation/use-log.ts";
import type { ContentLog } from "../content/index.ts";
import { FallbackItems } from "../degradation/fallback-items.ts";
import type { LogHolder } from "../degradation/log-holder.ts";
import { StorageGuard } from "../degradation/storage-guard.ts";
import { StoreInspection } from "../degradation/store-inspection.ts";
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
import { Consolidations } from "./consolidations.ts";
import type { EngineParts } from "./engine-parts.ts";
import type { LargeContent } from "./large-content.ts";
import { Maintenance } from "./maintenance.ts";
import { MemoryLayer } from "./memory-layer.ts";
import type { Holds, ReadPort, ReadScope } from "./read-scope.ts";
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
  readonly #consolidations: Consolidations;
  readonly #writes: WritePath;
  readonly #events = new Topic<StoreEvent>("store");
  readonly #present: ReadScope;
  readonly #inspection: StoreInspection;
  readonly guard: StorageGuard;
  readonly fallback: FallbackItems;
  #memory: MemoryLayer;
  #lastWrite: Promise<unknown> = Promise.resolve();
  #closing: Promise<void> | undefined;
  #cancelMaintenance: (() => void) | undefined;

  constructor(parts: EngineParts, memory: MemoryLayer, { background, onEvent }: EngineSetting) {
    this.#parts = parts;
    if (onEvent !== undefined) this.#events.subscribe(onEvent);
    this.#memory = memory;
    this.#present = parts.holds.present;
    this.#writes = new WritePath(this);
    const { disk, clock } = parts;
    this.fallback = new FallbackItems(clock);
    this.guard = new StorageGuard({
      ...{ clock, log: parts.log, queue: parts.queue },
      publish: (event) => this.#events.publish(event),
      // Where there is nothing to delete there may be room all the same.
      makeRoom: () => parts.deleteObsolete().catch(() => undefined),
      save: (frozenOnly) => (frozenOnly ? this.#maintenance.flushFrozen() : this.#maintenance.flush()),
      renewed: () => {
        this.#lastWrite = Promise.resolve();
      },
      readSegments: () => this.#inspection.readSegments(),
      apply: (planned) => this.#writes.replay(planned),
    });
    this.#inspection = new StoreInspection({
      parts,
      guard: this.guard,
      publish: (event) => this.#events.publish(event),
    });
    this.#maintenance = new Maintenance(
      {
        parts,
        publish: (event) => this.#events.publish(event),
        rotate: () => this.#rotate(),
        durable: async () => void (await this.#lastWrite),
        failed: (what, error) => this.#failed(what, error),
        guard: this.guard,
        learningOf: (files, signal) => this.#consolidations.learningOf(files, signal),
      },
      compactionHost({ kind: background, disk, clock }),
    );
    this.#consolidations = new Consolidations(
      {
        reading: this,
        write: (changes, options) => this.#writes.write(changes, options),
        flush: () => this.#maintenance.flush(),
        mergeWithKappa: (changes, signal) => this.#maintenance.mergeWithKappa(changes, signal),
        mergesDone: () => this.#maintenance.mergesDone(),
        deleteObsolete: parts.deleteObsolete,
        done: (report) => this.#events.publish({ kind: "consolidation", report }),
      },
      parts.options.consolidation,
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
    return this.guard.level;
  }

  get clock(): EngineParts["clock"] {
    return this.#parts.clock;
  }

  get warnings(): readonly DurabilityWarning[] {
    return this.#parts.log.current.recovery.warnings;
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

  get log(): LogHolder {
    return this.#parts.log;
  }

  get holds(): Holds {
    return this.#parts.holds;
  }

  get uses(): UseLog {
    return this.#consolidations.uses;
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
    const { views, content, log, queue, cache, holds, manifest, lostLog } = this.#parts;
    const { layers } = views.current;
    const memory = layers.filter((layer) => layer instanceof MemoryLayer);
    return {
      level: this.guard.level,
      version: log.visibleSequence,
      durableVersion: log.durableSequence(manifest.state.flushedPosition),
      memtableEntries: memory.reduce((sum, { source }) => sum + source.entries, 0),
      memtableBytes: memory.reduce((sum, { source }) => sum + source.usedBytes, 0),
      segments: layers
        .filter((layer) => layer instanceof SegmentLayer)
        .map(({ file: { id, level, sizeBytes, entries, tombstones } }) => ({
          ...{ id, level, sizeBytes, entries, tombstones },
        })),
      contentFiles: content.statistics(),
      logBytes: log.current.statistics.totalBytes,
      cacheBytes: cache.statistics.usedBytes,
      queuedWrites: queue.size,
      snapshots: holds.count,
      lost: [...views.current.lost.described(), ...lostLog.ranges],
    };
  }

  on(listener: Listener<StoreEvent>): Disposable {
    return this.#events.subscribe(listener);
  }

  async flush(): Promise<void> {
    this.refuseClosed();
    this.guard.refuseDegraded("nothing is flushed but by recovery");
    await this.#maintenance.flush();
  }

  async compact(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    this.#refuseMaintenance();
    await this.#maintenance.compact(options.signal);
  }

  async compactContent(
    options: { readonly minimumGarbage?: number; readonly signal?: AbortSignal } = {},
  ): Promise<{ readonly freedBytes: number }> {
    this.#refuseMaintenance();
    return await this.#maintenance.compactContent(options.minimumGarbage, options.signal);
  }

  async consolidate(options?: ConsolidateOptions): Promise<ConsolidationReport> {
    this.#refuseMaintenance();
    return await this.#consolidations.run(options);
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
    this.#refuseMaintenance();
    await this.#maintenance.mergeDue(options.signal);
    await this.#maintenance.maintainContent(options.signal);
    await this.#parts.deleteObsolete();
    await this.#consolidations.runDue(options.signal);
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
    // One promise for all who share a sync.
    if (durable !== this.#lastWrite) durable.catch(() => this.guard.logFailed());
    this.#lastWrite = durable;
    const { source } = this.#memory;
    const { memtableBytes, memtableEntries } = this.#parts.options;
    if (source.entries < memtableEntries && source.usedBytes < memtableBytes) return;
    this.#rotate();
    this.#maintenance.kick();
  }

  readFailed(error: unknown): void {
    this.guard.readFailed(error);
  }

  checkHealth(): Promise<CheckResult> {
    this.refuseClosed();
    return this.#inspection.check();
  }

  #refuseMaintenance(): void {
    this.refuseClosed();
    this.guard.refuseDegraded("nothing is merged, compacted or consolidated");
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
      (this.guard.isDegraded ? Promise.resolve() : this.maintain())
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
    // Whether all was synced has to be known while what was not can still be saved.
    await this.#lastWrite.catch(() => undefined);
    await this.guard.end();
    await this.#lastWrite.catch(() => undefined);
    const unsaved = this.#unsaved();
    await this.#inspection.end();
    await Promise.all([this.#consolidations.stop(), this.#maintenance.stop()]);
    // What has no place among the writes yet ends with STORE_CLOSED, and leaves no file behind.
    await this.#writes.prepared();
    try {
      if (log.failure !== undefined) await log.release();
      else if (unsaved === undefined) await log.close();
      else await log.close().catch(() => undefined);
    } finally {
      await views.close();
      await content[Symbol.asyncDispose]().catch(() => undefined);
      await manifest.close().catch(() => undefined);
      // A device that fails fails here too; that something was lost matters more.
      if (unsaved === undefined) await lock.release();
      else await lock.release().catch(() => undefined);
    }
    if (unsaved !== undefined) throw unsaved;
  }

  #unsaved(): HoldfastError | undefined {
    const { log, queue, manifest } = this.#parts;
    const unsynced = log.unsynced(manifest.state.flushedPosition);
    const count = queue.size + unsynced;
    if (count === 0) return undefined;
    const what = `${queue.size} queued and ${unsynced} visible writes did not reach the disk`;
    return new HoldfastError("STORE_UNSAVED", `the store in ${this.folder} is closed, and ${what}`, {
      cause: this.guard.lastError,
      hint: "None of them was called durable. Write them again when the disk works.",
      details: { path: this.folder, count, queued: queue.size, unsynced },
    });
  }
}

/** Garbage over content, of all files. */
function fragmentationOf(content: ContentLog): number {
  const files = content.statistics();
  const contentBytes = files.reduce((sum, file) => sum + file.contentBytes, 0);
  const garbageBytes = files.reduce((sum, file) => sum + file.garbageBytes, 0);
  return contentBytes === 0 ? 0 : garbageBytes / contentBytes;
}
