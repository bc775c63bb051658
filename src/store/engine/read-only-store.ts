/**
 * A store that is only read: nothing of it is changed, and what is asked of it that would is refused (STORE_READ_ONLY).
 *
 * Where it can be taken the folder's lock is held all the same, so that nobody writes meanwhile; on a file system that
 * cannot be written nobody can.
 */

import { join } from "node:path";
import { HoldfastError, type Listener, systemClock, Topic } from "../../base/index.ts";
import { type Disk, type DiskLock, NodeDisk } from "../../disk/index.ts";
import type { StorageLevel } from "../../resilience/index.ts";
import { readWal } from "../../wal/index.ts";
import { ContentLog } from "../content/index.ts";
import { FallbackItems } from "../degradation/fallback-items.ts";
import { fileName } from "../manifest/names.ts";
import { type ManifestReading, readManifest } from "../manifest/open-manifest.ts";
import type { Pin } from "../manifest/versions.ts";
import type { VerifyReport } from "../operations/verify-store.ts";
import { SearchFilters } from "../recall/index.ts";
import { BlockCache } from "../segment/block-cache.ts";
import type {
  Collection,
  CollectionSettings,
  Store,
  StoreEvent,
  StoreOptions,
  StoreSnapshot,
  StoreStatistics,
  StoreVerifyOptions,
} from "../store.ts";
import { Catalog } from "./catalog.ts";
import { checkLogFiles } from "./check-log.ts";
import { EngineReader } from "./collection-reader.ts";
import { decodeCommit } from "./commit-codec.ts";
import { ManifestContentCatalog } from "./content-catalog.ts";
import { DamageReports } from "./damage-reports.ts";
import { LostLog } from "./lost-log.ts";
import { MemoryLayer } from "./memory-layer.ts";
import { openLayers } from "./open-layer.ts";
import { Holds, type ReadPort } from "./read-scope.ts";
import { refuseBackup } from "./refuse-backup.ts";
import type { SegmentLayer } from "./segment-layer.ts";
import { verifyOpen } from "./store-care.ts";
import { lockIfWritable } from "./store-lock.ts";
import { Vectors } from "./vector-layers.ts";
import { Views } from "./view.ts";

/** Throws STORE_LOCKED, STORE_MISSING where the folder holds no store, and what `openStore` throws. */
export async function openReadOnly(options: StoreOptions): Promise<Store> {
  const { disk = new NodeDisk(), folder } = options;
  await refuseBackup(disk, folder);
  const lock = await lockIfWritable(disk, folder);
  try {
    const reading = await readManifest({ disk, folder });
    if (reading === undefined) {
      throw new HoldfastError("STORE_MISSING", `there is no store in ${folder}`, {
        hint: "Check the path: a store is made by the first who opens it to write.",
        details: { path: folder },
      });
    }
    const parts = await partsOf(options, disk, reading);
    return new ReadOnlyStore(options, parts, lock);
  } catch (error) {
    await lock?.release();
    throw error;
  }
}

interface ReadOnlyParts {
  readonly disk: Disk;
  readonly pin: Pin;
  readonly events: Topic<StoreEvent>;
  readonly lostLog: LostLog;
  readonly catalog: Catalog;
  readonly content: ContentLog;
  readonly views: Views;
  readonly segments: readonly SegmentLayer[];
  readonly memory: MemoryLayer;
  readonly version: number;
}

async function partsOf(options: StoreOptions, disk: Disk, reading: ManifestReading): Promise<ReadOnlyParts> {
  const { folder, cacheBytes = 64 * 2 ** 20, clock = systemClock, signal, recovery } = options;
  const { state } = reading;
  const cache = new BlockCache({ limitBytes: cacheBytes });
  const refuse = async (): Promise<never> => {
    throw readOnlyError(folder);
  };
  const manifest = {
    state,
    apply: refuse,
    newFileId: () => state.nextFileId,
    pathOf: (file: { readonly id: number; readonly kind: "segment" | "content" }) => join(folder, fileName(file)),
  };
  const catalog = new Catalog(manifest);
  const memory = new MemoryLayer();
  let version = state.flushedPosition;
  const events = new Topic<StoreEvent>("store");
  if (options.onEvent !== undefined) events.subscribe(options.onEvent);
  const lostLog = new LostLog();
  const onLoss = recovery === "salvage" ? { onLoss: lostLog.add } : {};
  await checkLogFiles(disk, folder, reading);
  for await (const { sequence, payload } of readWal(disk, join(folder, "log"), { signal, ...onLoss })) {
    if (sequence <= state.flushedPosition) continue;
    const commit = decodeCommit(payload, sequence);
    memory.apply(commit);
    memory.vectors.note(commit, catalog.withVectors, clock);
    version = sequence;
  }
  const segments: SegmentLayer[] = [];
  try {
    const damage = new DamageReports();
    damage.listen(({ path, offset, reason }) => events.publish({ kind: "damage", path, offset, reason }));
    for (const event of lostLog.events) events.publish(event);
    await openLayers({ disk, folder, cache, state, damage }, segments);
    const hooks = { deleteObsolete: refuse, onCommitted: () => undefined };
    const contentCatalog = new ManifestContentCatalog(manifest, hooks, () => true);
    const content = ContentLog.forReading({
      ...{ disk, folder, catalog: contentCatalog },
      onDamage: (_file, error) => void damage.told(error),
    });
    const pin = { state, [Symbol.dispose]: () => undefined };
    const views = new Views([memory, ...segments], () => pin);
    return { disk, pin, events, lostLog, catalog, content, views, segments, memory, version };
  } catch (error) {
    for (const segment of segments) await segment.close();
    throw error;
  }
}

function readOnlyError(folder: string): HoldfastError {
  return new HoldfastError("STORE_READ_ONLY", `the store in ${folder} was opened for reading`, {
    hint: "Open it without readOnly to write.",
    details: { path: folder },
  });
}

class ReadOnlyStore implements Store, ReadPort {
  readonly folder: string;
  readonly level: StorageLevel = "normal";
  /** Nothing is written, so nothing is in doubt. */
  readonly warnings: Store["warnings"] = [];
  readonly clock: ReadPort["clock"];
  readonly content: ContentLog;
  readonly vectors: Vectors;
  readonly filters = new SearchFilters();
  readonly fallback: FallbackItems;
  readonly #parts: ReadOnlyParts;
  readonly #holds: Holds;
  readonly #lock: DiskLock | undefined;
  #isClosed = false;

  constructor({ folder, clock = systemClock }: StoreOptions, parts: ReadOnlyParts, lock: DiskLock | undefined) {
    this.folder = folder;
    this.clock = clock;
    this.content = parts.content;
    this.fallback = new FallbackItems(clock);
    this.vectors = new Vectors({ views: parts.views, catalog: parts.catalog, clock });
    this.#parts = parts;
    this.#lock = lock;
    this.#holds = new Holds(parts.views, () => parts.version);
  }

  async collection(name: string, settings?: CollectionSettings): Promise<Collection> {
    this.refuseClosed();
    if (this.#parts.catalog.get(name) === undefined) this.#parts.catalog.need(name);
    const facts = await this.#parts.catalog.open(name, settings);
    return new ReadOnlyCollection(facts, this, this.#holds.present);
  }

  collections(): readonly { readonly name: string; readonly settings: CollectionSettings }[] {
    return this.#parts.catalog.all.map(({ name, settings }) => ({ name, settings }));
  }

  snapshot(): StoreSnapshot {
    this.refuseClosed();
    const scope = this.#holds.snapshot();
    return {
      version: this.#parts.version,
      collection: (name) => new EngineReader(this.#parts.catalog.need(name), this, scope),
      [Symbol.dispose]: () => scope[Symbol.dispose](),
    };
  }

  statistics(): StoreStatistics {
    const { version, memory, segments, content, views, lostLog } = this.#parts;
    return {
      ...{ level: this.level, version, durableVersion: version },
      ...{ memtableEntries: memory.source.entries, memtableBytes: memory.source.usedBytes },
      segments: segments.map(({ file: { id, level, sizeBytes, entries, tombstones } }) => ({
        ...{ id, level, sizeBytes, entries, tombstones },
      })),
      contentFiles: content.statistics(),
      ...{ logBytes: 0, cacheBytes: 0, queuedWrites: 0, snapshots: this.#holds.count },
      lost: [...views.current.lost.described(), ...lostLog.ranges],
    };
  }

  on(listener: Listener<StoreEvent>): Disposable {
    return this.#parts.events.subscribe(listener);
  }

  write = this.#refused;
  flush = this.#refused;
  compact = this.#refused;
  compactContent = this.#refused;
  consolidate = this.#refused;
  maintain = this.#refused;
  acceptLoss = this.#refused;
  backup = this.#refused;
  checkHealth = this.#refused;

  readFailed(): void {}

  async verify(options?: StoreVerifyOptions): Promise<VerifyReport> {
    this.refuseClosed();
    const { disk, pin } = this.#parts;
    return await verifyOpen({ disk, folder: this.folder, manifest: { pin: () => pin } }, options);
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#parts.views.close();
    await this.content[Symbol.asyncDispose]();
    await this.#lock?.release();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  refuseClosed(): void {
    if (!this.#isClosed) return;
    throw new HoldfastError("STORE_CLOSED", `the store in ${this.folder} is closed`, { hint: "Open it again." });
  }

  async #refused(): Promise<never> {
    throw readOnlyError(this.folder);
  }
}

class ReadOnlyCollection extends EngineReader implements Collection {
  get settings(): CollectionSettings {
    return this.facts.settings;
  }

  put = this.#refused;
  update = this.#refused;
  delete = this.#refused;
  link = this.#refused;
  unlink = this.#refused;

  use(): void {}

  async #refused(): Promise<never> {
    throw readOnlyError(this.name);
  }
}
