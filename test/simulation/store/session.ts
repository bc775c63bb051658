/**
 * One opening of the store: from `openStore` to the close, the crash or the fault that ends it. Knows how to wait for
 * the store without waiting for ever: what the store itself waits for is the virtual clock, or nothing at all.
 */

import { VirtualClock } from "../../../src/base/index.ts";
import type { SimDisk } from "../../../src/disk/index.ts";
import type { Item } from "../../../src/store/item/item.ts";
import type {
  Collection,
  CollectionReader,
  Store,
  StoreEvent,
  StoreOptions,
  StoreSnapshot,
} from "../../../src/store/store.ts";
import { stackOf } from "./allowed.ts";
import type { ScanSpec, ScriptSettings } from "./operations.ts";
import { slowDisk } from "./slow-disk.ts";
import type { State, StoredItem } from "./state.ts";
import { dimension } from "./values.ts";

export type OpenStore = (options: StoreOptions) => Promise<Store>;

export const folder = "/store";

/** Something that a store must never do. */
export class Violation extends Error {}

export interface OpenSnapshot {
  readonly snapshot: StoreSnapshot;
  readonly states: readonly State[];
}

export interface OpenScan {
  readonly collection: string;
  readonly options: ScanSpec;
  readonly items: AsyncGenerator<Item, void>;
  readonly openedMs: number;
  /** What it has to give from now on. */
  wanted: readonly (readonly [id: string, item: StoredItem])[];
}

export type Outcome<T> = { readonly value: T } | { readonly error: unknown } | { readonly lost: true };

/** Turns of the event loop after which nobody waits for a store whose disk is gone. */
const turnsAfterCrash = 20;
const quickTurns = 60;
const patientTurns = 20_000;
/** Then the clock moves: what the store waits for may be a timer. */
const turnsBeforeTime = 4_000;
const timeStepMs = 1_000;

export class Session {
  readonly disk: SimDisk;
  readonly clock: VirtualClock;
  readonly store: Store;
  readonly collections: ReadonlyMap<string, Collection>;
  readonly snapshots: OpenSnapshot[] = [];
  readonly scans: OpenScan[] = [];
  /** Maintenance that was begun and not waited for. */
  readonly works: { readonly what: string; readonly done: Promise<unknown> }[] = [];
  /** What the store said by itself. */
  readonly failures: readonly string[];
  isOver = false;

  constructor(
    disk: SimDisk,
    clock: VirtualClock,
    store: Store,
    collections: ReadonlyMap<string, Collection>,
    failures: readonly string[],
  ) {
    this.failures = failures;
    this.disk = disk;
    this.clock = clock;
    this.store = store;
    this.collections = collections;
  }

  get hasFailed(): boolean {
    return this.disk.faultsStruck > 0;
  }

  get readers(): CollectionReader[] {
    return [...this.collections.values()];
  }

  collection(name: string): Collection {
    return this.collections.get(name)!;
  }

  /** What becomes of it; `lost` where the disk is gone and no answer comes. */
  async outcomeOf<T>(work: Promise<T>, what: string): Promise<Outcome<T>> {
    return await outcomeOf(work, what, this.disk, this.clock);
  }
}

export async function openSession(
  openStore: OpenStore,
  settings: ScriptSettings,
  disk: SimDisk,
  nowMs: number,
): Promise<Outcome<Session>> {
  const clock = new VirtualClock({ nowMs });
  return await outcomeOf(opened(openStore, settings, disk, clock), "opening the store", disk, clock);
}

async function opened(
  openStore: OpenStore,
  settings: ScriptSettings,
  disk: SimDisk,
  clock: VirtualClock,
): Promise<Session> {
  const { memtableBytes, memtableEntries, cacheBytes, contentFromBytes, manual } = settings;
  const sizes = { memtableBytes, memtableEntries, cacheBytes, contentFromBytes, manual };
  const failures: string[] = [];
  const onEvent = (event: StoreEvent): void => {
    if (event.kind === "failed") failures.push(`${event.what} failed: ${stackOf(event.error)}`);
    if (event.kind === "damage") failures.push(`damage at ${event.path}:${event.offset}: ${event.reason}`);
  };
  // What merges learn by the way no report says.
  const learns = { consolidation: "manual" } as const;
  const store = await openStore({
    folder,
    disk: slowDisk(disk, settings.slow),
    clock,
    background: "slices",
    onEvent,
    ...sizes,
    ...learns,
  });
  const collections = new Map<string, Collection>();
  for (const { name, metric, quantisation = "none", uses = "explicit" } of settings.collections) {
    const vectors = metric === undefined ? {} : { vectors: { dimension, metric, quantisation } };
    collections.set(name, await store.collection(name, { ...vectors, uses }));
  }
  return new Session(disk, clock, store, collections, failures);
}

export async function outcomeOf<T>(
  work: Promise<T>,
  what: string,
  disk: SimDisk,
  clock: VirtualClock,
): Promise<Outcome<T>> {
  let outcome: Outcome<T> | undefined;
  work.then(
    (value) => (outcome = { value }),
    (error: unknown) => (outcome = { error }),
  );
  const isDone = (): Outcome<T> | undefined => outcome;
  for (let turn = 0; turn < quickTurns; turn++) {
    await undefined;
    if (outcome !== undefined) return outcome;
  }
  let left = turnsAfterCrash;
  for (let turn = 0; turn < patientTurns; turn++) {
    const found = isDone();
    if (found !== undefined) return found;
    if (disk.hasCrashed && left-- === 0) return { lost: true };
    await clock.advance(turn < turnsBeforeTime ? 0 : timeStepMs);
  }
  throw new Violation(`${what} never ends`);
}
