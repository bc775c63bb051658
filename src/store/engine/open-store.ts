/**
 * Opening a store: the lock, the manifest, the log, and then what both say.
 *
 *     FOLDER/
 *       store.lock.N          who holds it
 *       CURRENT, manifest-N   which files there are, and how far the log is in them
 *       N.segment             sorted runs, with graph and vectors
 *       N.content             contents that are too long to stand under their keys
 *       log/                  everything since
 *
 * The manifest is read, the ends of the segments, and the log; no data. What the log holds beyond the segments comes
 * into memory; what a crash left behind is swept away, unless it may still be needed.
 */

import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { type Clock, systemClock } from "../../base/index.ts";
import { type Disk, type DiskLock, NodeDisk } from "../../disk/index.ts";
import { openWal } from "../../wal/index.ts";
import { contentHandleOf } from "../compaction/content-garbage.ts";
import { hasPrefix } from "../compaction/vector-sections.ts";
import { type ContentHandle, ContentLog } from "../content/index.ts";
import { LogHolder } from "../degradation/log-holder.ts";
import { WriteQueue } from "../degradation/write-queue.ts";
import { isItemKey } from "../item/item-key.ts";
import { openManifest } from "../manifest/open-manifest.ts";
import { identityValue } from "../operations/backup-folder.ts";
import { SearchFilters } from "../recall/index.ts";
import { BlockCache } from "../segment/block-cache.ts";
import type { Store, StoreOptions } from "../store.ts";
import { Catalog } from "./catalog.ts";
import { checkLog, lastEditsError } from "./check-log.ts";
import { decodeCommit } from "./commit-codec.ts";
import { ManifestContentCatalog } from "./content-catalog.ts";
import { DamageReports } from "./damage-reports.ts";
import { Engine } from "./engine.ts";
import type { EngineOptions, EngineParts } from "./engine-parts.ts";
import { LargeContent } from "./large-content.ts";
import { LostLog } from "./lost-log.ts";
import { MemoryLayer } from "./memory-layer.ts";
import { openLayers } from "./open-layer.ts";
import { openReadOnly } from "./read-only-store.ts";
import { Holds } from "./read-scope.ts";
import { refuseBackup } from "./refuse-backup.ts";
import type { SegmentLayer } from "./segment-layer.ts";
import { lockStore } from "./store-lock.ts";
import { checkedStoreOptions } from "./store-options.ts";
import { Vectors } from "./vector-layers.ts";
import { Views } from "./view.ts";

/**
 * Opens the store in `folder`, made where it is not there. Throws STORE_LOCKED with the holder's pid, STORE_VERSION for
 * one that a later Holdfast wrote, STORE_MANIFEST_CORRUPT, STORE_LOG_MISSING, WAL_CORRUPT, STORE_OPTION and DISK_*.
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const checked = checkedStoreOptions(options);
  const { disk = new NodeDisk(), folder, signal } = options;
  signal?.throwIfAborted();
  if (options.readOnly === true) return await openReadOnly(options);
  await disk.makeFolder(folder);
  await refuseBackup(disk, folder);
  const lock = await lockStore(disk, folder);
  const opening = new Opening();
  try {
    return await open(options, checked, disk, lock, opening);
  } catch (error) {
    await opening.undo();
    await lock.release().catch(() => undefined);
    throw error;
  }
}

/** What is open already, for when the rest fails. */
class Opening {
  readonly #closers: (() => Promise<unknown>)[] = [];

  add(close: () => Promise<unknown>): void {
    this.#closers.push(close);
  }

  async undo(): Promise<void> {
    for (const close of this.#closers.reverse()) await close().catch(() => undefined);
  }
}

async function open(
  options: StoreOptions,
  checked: EngineOptions,
  disk: Disk,
  lock: DiskLock,
  opening: Opening,
): Promise<Store> {
  const { folder, clock = systemClock, cacheBytes = 64 * 2 ** 20, background = "worker" } = options;
  const opened = await openManifest({ disk, folder });
  const { manifest } = opened;
  opening.add(() => manifest.close());
  const cache = new BlockCache({ limitBytes: cacheBytes });
  const segments: SegmentLayer[] = [];
  opening.add(() => Promise.all(segments.map((layer) => layer.close())));
  const damage = new DamageReports();
  await openLayers({ disk, folder, cache, state: manifest.state, damage }, segments);
  const catalog = new Catalog(manifest);
  const memory = new Recovered(checked, catalog, clock, folder);
  const logOptions = { disk, clock, folder: join(folder, "log"), recovery: options.recovery ?? "strict" };
  const wal = await openWal({
    ...logOptions,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    onFound: (found) => checkLog(opened, catalog, found, folder),
    onEntry: ({ sequence, payload }) => {
      if (sequence <= manifest.state.flushedPosition) return; // mutant: flushed-position
      memory.apply(payload, sequence);
    },
  });
  const log = new LogHolder(wal, (firstSequence) => openWal({ ...logOptions, firstSequence }));
  opening.add(() => log.close());
  const lostLog = new LostLog(wal.recovery.lost);
  for (const name of opened.orphans) await disk.remove(join(folder, name));
  const deleteObsolete = async (): Promise<void> => void (await manifest.deleteObsolete());
  const onCommitted = (): void => views.publish(views.current.layers);
  const hooks = { deleteObsolete, onCommitted };
  const contentCatalog = new ManifestContentCatalog(manifest, hooks, (source) => memory.names(source));
  const onDamage = (_file: number, error: unknown): void => void damage.told(error);
  const content = await ContentLog.open({ disk, folder, catalog: contentCatalog, onDamage });
  if (!manifest.state.values.has(identityValue)) await manifest.apply({ values: { [identityValue]: randomUUID() } });
  const layers = memory.layers();
  const views = new Views([...layers, ...segments], () => manifest.pin());
  const parts: EngineParts = {
    ...{ disk, folder, clock, options: checked, lock, manifest, log, content, cache, catalog, views, deleteObsolete },
    queue: await WriteQueue.open(clock),
    holds: new Holds(views, () => log.visibleSequence),
    large: new LargeContent(content),
    vectors: new Vectors({ views, catalog, clock }),
    filters: new SearchFilters(),
    damage,
    lostLog,
  };
  return new Engine(parts, layers[0], { background, onEvent: options.onEvent });
}

/** What the log holds and the segments do not. */
class Recovered {
  readonly #options: EngineOptions;
  readonly #catalog: Catalog;
  readonly #clock: Clock;
  readonly #folder: string;
  /** Before the ids of the last item's collection: the next one is mostly of the same. */
  #prefix: Uint8Array | undefined;
  readonly #frozen: MemoryLayer[] = [];
  #sources: ReadonlySet<number> | undefined;
  #layer = new MemoryLayer();

  constructor(options: EngineOptions, catalog: Catalog, clock: Clock, folder: string) {
    this.#options = options;
    this.#catalog = catalog;
    this.#clock = clock;
    this.#folder = folder;
  }

  apply(payload: Uint8Array, sequence: number): void {
    const commit = decodeCommit(payload, sequence);
    for (const { key } of commit) this.#refuseUnknown(key); // mutant: log-collections
    this.#layer.apply(commit);
    this.#layer.vectors.note(commit, this.#catalog.withVectors, this.#clock); // mutant: vectors-recovered
    const { entries, usedBytes } = this.#layer.source;
    if (entries < this.#options.memtableEntries && usedBytes < this.#options.memtableBytes) return;
    this.#layer.source.freeze();
    this.#frozen.unshift(this.#layer);
    this.#layer = new MemoryLayer();
  }

  /** A collection is in the manifest before anything is written to it. */
  #refuseUnknown(key: Uint8Array): void {
    if (!isItemKey(key) || (this.#prefix !== undefined && hasPrefix(key, this.#prefix))) return;
    this.#prefix = this.#catalog.all.find(({ prefix }) => hasPrefix(key, prefix))?.prefix;
    if (this.#prefix === undefined) throw lastEditsError(this.#folder);
  }

  /** Whether something in memory names contents that were first written in this file. */
  names(source: number): boolean {
    this.#sources ??= new Set([...this.#handles()].map(({ file }) => file));
    return this.#sources.has(source);
  }

  *#handles(): Generator<ContentHandle> {
    for (const { source } of this.layers()) {
      const cursor = source.cursor();
      for (cursor.advance(); cursor.valid; cursor.advance()) {
        const handle = contentHandleOf(cursor.entry());
        if (handle !== undefined) yield handle;
      }
    }
  }

  /** Newest first; the first one is to be written to. */
  layers(): [MemoryLayer, ...MemoryLayer[]] {
    return [this.#layer, ...this.#frozen];
  }
}
