/** A store as text, and text as a store, through what everybody can ask of one (the lines stand in dump-line.ts). */

import { type Clock, HoldfastError, systemClock } from "../../base/index.ts";
import type { Change } from "../item/item.ts";
import type { CollectionReader, Store } from "../store.ts";
import { DumpReader, DumpWriter } from "./dump.ts";
import type { DumpedEdge, DumpedItem, DumpRecord } from "./dump-line.ts";

export interface DumpOptions {
  /** What was lost, and what is in doubt for it, is left out. Default false: the dump ends with STORE_LOST. */
  readonly skipLost?: boolean;
  readonly signal?: AbortSignal;
}

/** Each line with its line end; all of one moment, whatever is written meanwhile. */
export async function* dump(store: Store, options: DumpOptions = {}): AsyncGenerator<string, void> {
  const writer = new DumpWriter();
  using snapshot = store.snapshot();
  yield writer.header();
  const collections = store.collections();
  for (const { name, settings } of collections) yield writer.record({ kind: "collection", name, settings });
  for (const { name } of collections)
    for await (const record of recordsOf(snapshot.collection(name), options)) yield writer.record(record);
  yield writer.end();
}

async function* recordsOf(reader: CollectionReader, options: DumpOptions): AsyncGenerator<DumpRecord, void> {
  for await (const item of reader.scan(options)) yield { kind: "item", item };
  for await (const edge of reader.scanEdges(options))
    yield { kind: "edge", edge: { ...edge, collection: reader.name } };
}

export interface LoadOptions {
  /** Into a store that has collections already: items of the dump take the place of those with their ids. */
  readonly merge?: boolean;
  /** The dump was written or changed by hand: its counts and its checksum are not compared, and it needs no end. */
  readonly isEdited?: boolean;
  readonly clock?: Clock;
  readonly signal?: AbortSignal;
}

export interface LoadReport {
  readonly collections: number;
  readonly items: number;
  readonly edges: number;
  /** Items that had expired by now: they were left out. */
  readonly expired: number;
}

const changesInBatch = 512;
const bytesInBatch = 2 ** 20;

/**
 * Takes a dump line by line, with or without line ends. Items keep their content, embedding, metadata, κ, whether they
 * are pinned, when they were made and when they expire; versions are given anew. Throws STORE_DUMP with line and
 * column: what came before is in the store by then, which a load that fails leaves to be thrown away. Throws
 * STORE_NOT_EMPTY.
 */
export async function load(
  store: Store,
  lines: AsyncIterable<string> | Iterable<string>,
  options: LoadOptions = {},
): Promise<LoadReport> {
  const { merge = false, isEdited = false } = options;
  if (!merge && store.collections().length > 0) {
    throw new HoldfastError("STORE_NOT_EMPTY", `the store in ${store.folder} has collections already`, {
      hint: "Load into a new folder, or say that both are to be merged (--merge).",
      details: { path: store.folder },
    });
  }
  const loading = new Loading(store, options);
  const reader = new DumpReader({ isEdited });
  for await (const line of lines) {
    const record = reader.line(line.replace(/\r?\n$/, ""));
    if (record !== undefined) await loading.take(record);
  }
  reader.end();
  await loading.end();
  return { ...reader.counts, items: reader.counts.items - loading.expired, expired: loading.expired };
}

class Loading {
  expired = 0;
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #signal: AbortSignal | undefined;
  #changes: Change[] = [];
  #bytes = 0;

  constructor(store: Store, { clock = systemClock, signal }: LoadOptions) {
    this.#store = store;
    this.#clock = clock;
    this.#signal = signal;
  }

  async take(record: DumpRecord): Promise<void> {
    if (record.kind === "collection") {
      await this.#store.collection(record.name, record.settings);
      return;
    }
    const change = record.kind === "edge" ? linkOf(record.edge) : this.#putOf(record.item);
    if (change === undefined) return;
    this.#changes.push(change);
    this.#bytes += bytesOf(change);
    if (this.#changes.length >= changesInBatch || this.#bytes >= bytesInBatch) await this.#write("visible");
  }

  /** Everything is durable. */
  async end(): Promise<void> {
    await this.#write("visible");
    await this.#store.flush();
  }

  #putOf({ collection, id, content, embedding, metadata, kappa, pinned, createdMs, expiryMs }: DumpedItem) {
    const ttlMs = expiryMs === undefined ? undefined : expiryMs - this.#clock.nowMs();
    if (ttlMs !== undefined && ttlMs <= 0) {
      this.expired++;
      return undefined;
    }
    return {
      ...{ op: "put", collection, id, content, kappa, pinned, createdMs },
      ...(embedding === undefined ? {} : { embedding }),
      ...(metadata === undefined ? {} : { metadata }),
      ...(ttlMs === undefined ? {} : { ttlMs }),
    } satisfies Change;
  }

  async #write(durability: "visible"): Promise<void> {
    if (this.#changes.length === 0) return;
    const changes = this.#changes;
    [this.#changes, this.#bytes] = [[], 0];
    await this.#store.write(changes, { durability, ...(this.#signal && { signal: this.#signal }) });
  }
}

function linkOf({ collection, source, type, target, targetCollection, weight }: DumpedEdge): Change {
  const to = targetCollection === undefined ? {} : { collection: targetCollection };
  return { op: "link", collection, id: source, edge: { type, target, weight, ...to } };
}

/** About: so that a batch does not outgrow what one write may have. */
function bytesOf(change: Change): number {
  if (change.op !== "put") return 128;
  const { content = null, embedding, metadata } = change;
  const contentBytes = content instanceof Uint8Array ? content.length : JSON.stringify(content).length;
  return 128 + contentBytes + (embedding?.byteLength ?? 0) + JSON.stringify(metadata ?? null).length;
}
