/**
 * What the forge keeps, all of it in one store, in the folder `store` of the state folder:
 *
 *     jobs        ORDER accepted        what was asked for; ORDER has 16 digits and grows with every acceptance
 *                 ORDER attempt UNIT    the last attempt at a unit that failed
 *                 ORDER eager UNIT      a unit that stays eager in this job
 *                 ORDER end             how it ended; what has none is to be carried on
 *     units       UNIT                  which object a unit has, by the unit's key
 *     inputs      HASH                  models and options
 *     objects     HASH                  what units were compiled to
 *     artifacts   HASH                  the files of finished jobs
 *
 * The first two hold records (`record.ts`), the others bytes under their own SHA-256, which is checked when they are
 * read: damage is never delivered. A step of a job is one batch: a unit is known as compiled together with its object,
 * a job as finished together with its files, or neither is. Jobs are few and all in memory, folded by the ledger; a
 * scan finds them in their order. Units are asked for one by one: opening takes no longer the more is cached.
 *
 * After every ten compilations what is in memory becomes a segment and the log is cut off: the time to recover is
 * bounded by that, not by how long the forge has run (W9).
 */

import { join } from "node:path";
import { type Clock, HoldfastError } from "../base/index.ts";
import type { Disk } from "../disk/index.ts";
import { type Change, type Item, openStore, readItems, type Store } from "../store/index.ts";
import type { DurabilityWarning } from "../wal/index.ts";
import { hashHex } from "./content-hash.ts";
import type { ForgeRecord } from "./gen/holdfast/v2/forge_pb.ts";
import { type CompiledUnit, compiledUnit, type JobEntry, Ledger, placeOf, type StoredFile } from "./ledger.ts";
import { decodeRecord, encodedRecord, encodeRecord, type RecordEvent } from "./record.ts";
import type { ArtifactFile } from "./toolchain.ts";

export const checkpointInterval = 10;

const collections = ["jobs", "units", "inputs", "objects", "artifacts"] as const;
type ForgeCollection = (typeof collections)[number];
/** Those that hold bytes under their hash. */
type ByHash = Exclude<ForgeCollection, "jobs" | "units">;

/** The fields of a record's event, but for those that are made here. */
type FieldsOf<Case extends RecordEvent["case"], Made extends string = never> = Omit<
  Extract<RecordEvent, { readonly case: Case }>["value"],
  Made | "$typeName" | "$unknown"
>;

const orderDigits = 16;
/** A compilation writes the unit and its object. */
const entriesOfCompilation = 2;

export function storeFolder(stateDir: string): string {
  return join(stateDir, "store");
}

export interface ForgeStoreOptions {
  readonly stateDir: string;
  readonly disk: Disk;
  readonly clock: Clock;
}

export class ForgeStore implements AsyncDisposable {
  /** The jobs. */
  readonly ledger = new Ledger();
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #orders = new Map<string, number>();
  #lastOrder = 0;
  #compilations: number;
  #checkpoint: Promise<void> | undefined;

  private constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
    this.#compilations = Math.floor(store.statistics().memtableEntries / entriesOfCompilation);
  }

  /** Throws DISK_LOCKED with the holder's pid, FORGE_BAD_RECORD, and what `openStore` throws. */
  static async open(options: ForgeStoreOptions): Promise<ForgeStore> {
    const store = await opened(options);
    try {
      return await ForgeStore.over(store, options.clock);
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  /** Takes the store over. */
  static async over(store: Store, clock: Clock): Promise<ForgeStore> {
    for (const name of collections) await store.collection(name);
    const forgeStore = new ForgeStore(store, clock);
    const jobs: Item[] = [];
    for await (const item of (await store.collection("jobs")).scan()) jobs.push(item);
    for (const item of folded(jobs)) {
      const record = recordOf(item);
      forgeStore.ledger.apply(record);
      if (record.event.case === "jobAccepted") forgeStore.#took(record.event.value.jobId, orderOf(item.id));
    }
    return forgeStore;
  }

  /** What of the file system puts the state folder in doubt (W7). */
  get warnings(): readonly DurabilityWarning[] {
    return this.#store.warnings;
  }

  /**
   * From here on the job survives anything. The inputs are durable first: then the order is given out in the turn in
   * which the record takes its place in the log, and jobs stand in the one order everywhere.
   */
  async accept(value: FieldsOf<"jobAccepted">, inputs: readonly Uint8Array[]): Promise<void> {
    const jobId = value.jobId ?? "";
    const missing = await this.#missing("inputs", inputs);
    if (missing.length > 0) await this.#write(missing);
    const before = this.#orders.get(jobId);
    const places = before === undefined ? [] : [...(this.ledger.job(jobId)?.records.keys() ?? [])];
    const order = ++this.#lastOrder;
    const bytes = this.#encoded({ case: "jobAccepted", value });
    await this.#write([
      put("jobs", jobItemId(order, "accepted"), bytes),
      ...places.map((place): Change => ({ op: "delete", collection: "jobs", id: jobItemId(before ?? 0, place) })),
    ]);
    this.#took(jobId, order);
    this.ledger.apply(decodeRecord(bytes));
  }

  /** What happened to a job that was accepted. Durable, and seen in the ledger, when this resolves. */
  async note(jobId: string, event: RecordEvent, more: readonly Change[] = []): Promise<void> {
    const order = this.#orders.get(jobId);
    if (order === undefined) throw new HoldfastError("FORGE_BAD_RECORD", `the job ${jobId} was never accepted`);
    const bytes = this.#encoded(event);
    await this.#write([...more, put("jobs", jobItemId(order, placeOf(event)), bytes)]);
    this.ledger.apply(decodeRecord(bytes));
  }

  /** The job is finished together with its files. */
  async finish(value: FieldsOf<"jobFinished", "files">, files: readonly ArtifactFile[]): Promise<void> {
    const stored = files.map(
      ({ path, bytes }): StoredFile => ({ path, hash: hashHex(bytes), sizeBytes: bytes.length }),
    );
    const missing = await this.#missing(
      "artifacts",
      files.map(({ bytes }) => bytes),
    );
    const named = stored.map((file) => ({ ...file, sizeBytes: BigInt(file.sizeBytes) }));
    await this.note(value.jobId ?? "", { case: "jobFinished", value: { ...value, files: named } }, missing);
  }

  /** The unit is compiled together with its object. */
  async compiled(value: FieldsOf<"unitCompiled", "objectHash" | "compilations">, object: Uint8Array): Promise<void> {
    const id = value.unitKey ?? "";
    const compilations = ((await this.unit(id))?.compilations ?? 0) + 1;
    const whole = { ...value, objectHash: hashHex(object), compilations };
    const missing = await this.#missing("objects", [object]);
    await this.#write([...missing, put("units", id, this.#encoded({ case: "unitCompiled", value: whole }))]);
    if (++this.#compilations >= checkpointInterval) this.#beginCheckpoint();
  }

  /** A unit of an earlier state folder, where this one does not have its object. */
  async adoptUnit(record: ForgeRecord, { key }: CompiledUnit, object: Uint8Array | undefined): Promise<void> {
    if ((await this.unit(key))?.objectHash !== undefined) return;
    const missing = object === undefined ? [] : await this.#missing("objects", [object]);
    await this.#write([...missing, put("units", key, encodedRecord(record))]);
  }

  /** A job of an earlier state folder with all that is known of it, at the end of the order; one that is here stays. */
  async adoptJob(
    { id, records }: JobEntry,
    bytes: Readonly<Record<"inputs" | "artifacts", readonly Uint8Array[]>>,
  ): Promise<void> {
    if (this.#orders.has(id)) return;
    const order = ++this.#lastOrder;
    await this.#write([
      ...(await this.#missing("inputs", bytes.inputs)),
      ...(await this.#missing("artifacts", bytes.artifacts)),
      ...[...records].map(([place, record]) => put("jobs", jobItemId(order, place), encodedRecord(record))),
    ]);
    this.#took(id, order);
    for (const record of records.values()) this.ledger.apply(record);
  }

  /** undefined where it was never compiled, or what says so is damaged. */
  async unit(key: string): Promise<CompiledUnit | undefined> {
    const item = await this.#undamaged("units", key);
    if (item === undefined) return undefined;
    const record = recordOf(item);
    return record.event.case === "unitCompiled" ? compiledUnit(record.event.value, record) : undefined;
  }

  /** The object of this unit is missing or damaged: it may be compiled again. */
  async lost(unit: CompiledUnit): Promise<void> {
    const { event } = unit.record;
    if (event.case !== "unitCompiled") return;
    const value = { ...event.value, objectHash: "" };
    await this.#write([put("units", unit.key, this.#encoded({ case: "unitCompiled", value }))]);
  }

  /** undefined where it is missing or damaged. */
  async bytes(collection: ByHash, hash: string): Promise<Uint8Array | undefined> {
    const content = (await this.#undamaged(collection, hash))?.content;
    return content instanceof Uint8Array && hashHex(content) === hash ? content : undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#checkpoint;
    await this.#store.close();
  }

  #encoded(event: RecordEvent): Uint8Array {
    return encodeRecord(this.#clock.nowMs(), event);
  }

  #took(jobId: string, order: number): void {
    this.#orders.set(jobId, order);
    this.#lastOrder = Math.max(this.#lastOrder, order);
  }

  /** What the forge goes on from has to be durable: a store that is degraded only promises to write it later. */
  async #write(changes: readonly Change[]): Promise<void> {
    const { durability } = await this.#store.write(changes);
    if (durability === "durable") return;
    throw new HoldfastError(
      "FORGE_NOT_DURABLE",
      `the state folder's store is degraded: a write is ${durability} only`,
      {
        hint: "See to the disk, then resume: the job goes on from its last finished unit.",
        retryable: true,
      },
    );
  }

  async #missing(collection: ByHash, contents: readonly Uint8Array[]): Promise<Change[]> {
    const byHash = new Map(contents.map((content) => [hashHex(content), content] as const));
    const changes: Change[] = [];
    for (const [hash, content] of byHash)
      if ((await this.bytes(collection, hash)) === undefined) changes.push(put(collection, hash, content));
    return changes;
  }

  async #undamaged(collection: ForgeCollection, id: string): Promise<Item | undefined> {
    try {
      return await (await this.#store.collection(collection)).get(id);
    } catch (error) {
      if (HoldfastError.is(error) && damage.has(error.code)) return undefined;
      throw error;
    }
  }

  /** Nobody waits for it: what it leaves undone the log still has. */
  #beginCheckpoint(): void {
    this.#compilations = 0;
    const before = this.#checkpoint ?? Promise.resolve();
    this.#checkpoint = before
      .then(() => this.#store.flush())
      .then(() => this.#store.maintain())
      .catch((error: unknown) => {
        // Without a checkpoint the log is only longer. A store that failed says so to the next write.
        if (!HoldfastError.is(error)) throw error;
      });
  }
}

const damage = new Set([
  "STORE_CONTENT_CORRUPT",
  "STORE_CONTENT_MISSING",
  "STORE_SEGMENT_CORRUPT",
  "STORE_LOST",
  "DISK_NOT_FOUND",
]);

async function opened({ stateDir, disk, clock }: ForgeStoreOptions): Promise<Store> {
  try {
    return await openStore({ folder: storeFolder(stateDir), disk, clock, background: "slices" });
  } catch (error) {
    // The forge's own name for it, which says who holds the folder.
    if (HoldfastError.is(error) && error.code === "STORE_LOCKED" && HoldfastError.is(error.cause)) throw error.cause;
    throw error;
  }
}

function put(collection: ForgeCollection, id: string, content: Uint8Array): Change {
  return { op: "put", collection, id, content };
}

function jobItemId(order: number, place: string): string {
  return `${String(order).padStart(orderDigits, "0")} ${place}`;
}

function orderOf(id: string): number {
  return Number(id.slice(0, orderDigits));
}

/** Jobs in their order, and the records of each as they were written: so they fold into what was. */
function folded(items: readonly Item[]): Item[] {
  return items.toSorted((a, b) => orderOf(a.id) - orderOf(b.id) || a.version - b.version);
}

function recordOf({ content, collection, id }: Item) {
  if (content instanceof Uint8Array) return decodeRecord(content);
  throw new HoldfastError("FORGE_BAD_RECORD", `${collection}/${id} is no record`);
}

/** What the store of a state folder says that need not be open, and may be open elsewhere. */
export async function readLedger(disk: Disk, folder: string): Promise<Ledger> {
  const items = await readItems({ disk, folder, collections: ["units", "jobs"] });
  const ledger = new Ledger();
  for (const item of items.get("units") ?? []) ledger.apply(recordOf(item));
  for (const item of folded(items.get("jobs") ?? [])) ledger.apply(recordOf(item));
  return ledger;
}
