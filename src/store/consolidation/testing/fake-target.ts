/**
 * A store for the tests of consolidation, kept in the plainest way: maps, copied for a snapshot.
 *
 * Whatever a pass awaits gives `between` a chance to write as somebody else would.
 */

import { assert, HoldfastError, VirtualClock } from "../../../base/index.ts";
import { compareText } from "../../graph/edge.ts";
import type { Change, Item, ItemInput } from "../../item/item.ts";
import { nodeName } from "../../item/item-key.ts";
import type { CollectionSettings, ScanOptions, SearchOptions, SearchResult } from "../../store.ts";
import { keyOf } from "../commit.ts";
import { cosine } from "../prototype.ts";
import type { KappaChange } from "../report.ts";
import type {
  ConsolidationReader,
  ConsolidationSnapshot,
  ConsolidationTarget,
  ExpiredItem,
  StoredEdge,
} from "../target.ts";
import { UseLog } from "../use-log.ts";

interface State {
  readonly version: number;
  readonly items: Map<string, Item>;
  readonly edges: Map<string, StoredEdge>;
}

export class FakeTarget implements ConsolidationTarget {
  readonly clock = new VirtualClock();
  readonly uses = new UseLog();
  readonly settings = new Map<string, CollectionSettings>();
  readonly items = new Map<string, Item>();
  readonly edges = new Map<string, StoredEdge>();
  version = 0;
  /** Snapshots that nobody has let go of. */
  pinned = 0;
  /** Batches that consolidation has asked to be written. */
  writes: (readonly Change[])[] = [];
  kappaWrites = 0;
  isDegraded = false;
  between: () => void = () => {};
  /** Called before a batch's conditions are looked at. */
  beforeWrite: () => void = () => {};

  constructor(collections: readonly string[] = ["notes"]) {
    for (const name of collections) this.settings.set(name, { vectors: { dimension: 3, metric: "cosine" } });
  }

  snapshot(): ConsolidationSnapshot {
    this.pinned++;
    const state = { version: this.version, items: new Map(this.items), edges: new Map(this.edges) };
    return {
      version: this.version,
      collections: () => [...this.settings.keys()],
      collection: (name) => (this.settings.has(name) ? new FakeReader(this, state, name) : undefined),
      [Symbol.dispose]: () => void this.pinned--,
    };
  }

  async write(changes: readonly Change[]): Promise<{ readonly isQueued: boolean }> {
    await this.pause();
    this.beforeWrite();
    this.writes.push(changes);
    const keys = changes.flatMap(keyOf);
    assert(new Set(keys).size === keys.length, "a key is written once in a batch");
    if (!this.isDegraded) this.change(changes);
    return { isQueued: this.isDegraded };
  }

  async applyKappa(changes: readonly KappaChange[]): Promise<readonly KappaChange[]> {
    await this.pause();
    this.kappaWrites++;
    return changes.filter(({ collection, id, version, to }) => {
      const item = this.items.get(nodeName(collection, id));
      if (item?.version !== version) return true;
      this.items.set(nodeName(collection, id), { ...item, kappa: to });
      return false;
    });
  }

  async pause(): Promise<void> {
    await undefined;
    this.between();
  }

  /** As everybody writes: at once, all or nothing. */
  change(changes: readonly Change[]): void {
    for (const change of changes) if (!this.#holds(change)) throw conflict(change);
    this.version++;
    for (const change of changes) this.#apply(change);
  }

  put(id: string, input: ItemInput = {}, collection = "notes"): Item {
    this.change([{ op: "put", collection, id, ...input }]);
    return this.items.get(nodeName(collection, id))!;
  }

  link(source: string, type: string, target: string, weight = 1): void {
    this.change([{ op: "link", collection: "notes", id: source, edge: { type, target, weight } }]);
  }

  get(id: string, collection = "notes"): Item | undefined {
    const item = this.items.get(nodeName(collection, id));
    return item === undefined || isExpired(item, this.clock.nowMs()) ? undefined : item;
  }

  weight(source: string, type: string, target: string): number | undefined {
    return this.edges.get(edgeName("notes", source, type, "notes", target))?.weight;
  }

  /** Everything, in a form that can be compared. */
  image(): unknown {
    return structuredClone({ items: [...this.items].sort(byName), edges: [...this.edges].sort(byName) });
  }

  #holds(change: Change): boolean {
    const item = this.get(change.id, change.collection);
    if (change.op === "check") return change.isThere === (item !== undefined);
    if (change.ifVersion === undefined) return true;
    if (change.op === "put" || change.op === "delete") return (item?.version ?? 0) === change.ifVersion;
    return (this.edges.get(nameOfEdge(change))?.version ?? 0) === change.ifVersion;
  }

  #apply(change: Change): void {
    const { op, collection, id } = change;
    if (op === "check") return;
    if (op === "delete") this.items.delete(nodeName(collection, id));
    else if (op === "put") this.#put(collection, id, change);
    else if (op === "unlink") this.edges.delete(nameOfEdge(change));
    else {
      const { type, target, collection: targetCollection = collection, weight = 1 } = change.edge;
      const edge = { collection, source: id, type, target, targetCollection };
      this.edges.set(nameOfEdge(change), { ...edge, weight: Math.fround(weight), version: this.version });
    }
  }

  #put(collection: string, id: string, input: ItemInput): void {
    const nowMs = this.clock.nowMs();
    const old = this.get(id, collection);
    this.items.set(nodeName(collection, id), {
      collection,
      id,
      version: this.version,
      content: input.content ?? null,
      embedding: input.embedding,
      metadata: input.metadata,
      kappa: Math.fround(input.kappa ?? 0),
      pinned: input.pinned ?? false,
      createdMs: old?.createdMs ?? nowMs,
      updatedMs: nowMs,
      expiryMs: input.ttlMs === undefined ? undefined : nowMs + input.ttlMs,
      level: "normal",
    });
  }
}

class FakeReader implements ConsolidationReader {
  readonly name: string;
  readonly settings: CollectionSettings;
  readonly #target: FakeTarget;
  readonly #state: State;
  readonly #nowMs: number;

  constructor(target: FakeTarget, state: State, name: string) {
    this.name = name;
    this.settings = target.settings.get(name)!;
    this.#target = target;
    this.#state = state;
    this.#nowMs = target.clock.nowMs();
  }

  async get(id: string): Promise<Item | undefined> {
    return (await this.#all()).find((item) => item.id === id);
  }

  async itemsOf(ids: readonly string[]): Promise<(Item | undefined)[]> {
    const items = new Map((await this.#all()).map((item) => [item.id, { ...item, content: null }]));
    return ids.map((id) => items.get(id));
  }

  async *scan({ prefix = "" }: ScanOptions = {}): AsyncGenerator<Item, void> {
    for (const item of await this.#all()) {
      await this.#target.pause();
      if (item.id.startsWith(prefix)) yield { ...item, content: null };
    }
  }

  async search(embedding: Float32Array, { k = 10, filter }: SearchOptions = {}): Promise<SearchResult> {
    const hits = (await this.#all()).flatMap(({ id, version, embedding: own, metadata }) => {
      if (own === undefined || (typeof filter === "function" && !filter(metadata, id))) return [];
      return [{ id, version, distance: 1 - cosine(embedding, own) }];
    });
    hits.sort((a, b) => a.distance - b.distance || compareText(a.id, b.id));
    return { hits: hits.slice(0, k), exact: true, level: "normal" };
  }

  async *edges(): AsyncGenerator<StoredEdge, void> {
    for (const [, edge] of [...this.#state.edges].sort(byName)) {
      await this.#target.pause();
      if (edge.collection === this.name) yield edge;
    }
  }

  async edgesFrom(id: string): Promise<readonly StoredEdge[]> {
    await this.#target.pause();
    const edges = [...this.#state.edges].sort(byName).map(([, edge]) => edge);
    return edges.filter((edge) => edge.collection === this.name && edge.source === id);
  }

  async edgesTo(id: string): Promise<readonly StoredEdge[]> {
    await this.#target.pause();
    const edges = [...this.#state.edges].sort(byName).map(([, edge]) => edge);
    return edges.filter((edge) => edge.targetCollection === this.name && edge.target === id);
  }

  async *expired(): AsyncGenerator<ExpiredItem, void> {
    for (const item of this.#own()) {
      await this.#target.pause();
      const { id, version, kappa, pinned, expiryMs } = item;
      if (expiryMs !== undefined && isExpired(item, this.#nowMs)) yield { id, version, kappa, pinned, expiryMs };
    }
  }

  async #all(): Promise<Item[]> {
    await this.#target.pause();
    return this.#own().filter((item) => !isExpired(item, this.#nowMs));
  }

  #own(): Item[] {
    const items = [...this.#state.items.values()].filter((item) => item.collection === this.name);
    return items.sort((a, b) => compareText(a.id, b.id));
  }
}

function isExpired(item: Item, nowMs: number): boolean {
  return item.expiryMs !== undefined && item.expiryMs <= nowMs;
}

function nameOfEdge(change: Extract<Change, { readonly op: "link" | "unlink" }>): string {
  const { collection, id, edge } = change;
  return edgeName(collection, id, edge.type, edge.collection ?? collection, edge.target);
}

function edgeName(collection: string, source: string, type: string, targetCollection: string, target: string): string {
  return [collection, source, type, targetCollection, target].join("\0");
}

function conflict(change: Change): HoldfastError {
  return new HoldfastError("STORE_CONFLICT", `${change.op} of ${change.id} is refused`, { retryable: true });
}

function byName([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return compareText(a, b);
}
