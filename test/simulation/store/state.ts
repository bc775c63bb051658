/**
 * What a store holds after some of its commits, kept in the plainest way, and what a reader of that is told. The rules
 * of the interface, written a second time and as simply as they can be.
 */

import type { Change, Content, EdgeInput, Item, ItemInput, Metadata } from "../../../src/store/item/item.ts";
import type { EdgeOf, ScanOptions } from "../../../src/store/store.ts";

/** `update` merges what it is given into the item; otherwise as the store's own changes. */
export type ModelChange =
  | Change
  | ({
      readonly op: "update";
      readonly collection: string;
      readonly id: string;
      readonly ifVersion: number;
    } & ItemInput);

export interface StoredItem {
  /** Below 0 where the write was not heard of again: whatever number it got, and the same for all that it wrote. */
  readonly version: number;
  readonly content: Content;
  readonly embedding: Float32Array | undefined;
  readonly metadata: Metadata | undefined;
  readonly kappa: number;
  readonly pinned: boolean;
  readonly createdMs: number;
  readonly updatedMs: number;
  readonly expiryMs: number | undefined;
}

export interface CommitFacts {
  readonly version: number;
  readonly nowMs: number;
}

export class State {
  readonly #items: Map<string, StoredItem>;
  readonly #edges: Map<string, number>;

  constructor(items = new Map<string, StoredItem>(), edges = new Map<string, number>()) {
    this.#items = items;
    this.#edges = edges;
  }

  copy(): State {
    return new State(new Map(this.#items), new Map(this.#edges));
  }

  /** Whether this commit could be made here: all its conditions hold. */
  permits(changes: readonly ModelChange[], nowMs: number): boolean {
    return changes.every((change) => {
      if (change.op === "link" || change.op === "unlink") return true;
      const item = this.get(change.collection, change.id, nowMs);
      if (change.op === "check") return change.isThere === (item !== undefined);
      if (change.ifVersion === undefined) return true;
      return item === undefined ? change.ifVersion === 0 : isVersion(item, change.ifVersion);
    });
  }

  apply(changes: readonly ModelChange[], facts: CommitFacts): void {
    for (const change of changes) this.#apply(change, facts);
  }

  #apply(change: ModelChange, { version, nowMs }: CommitFacts): void {
    const { collection, id } = change;
    const key = itemKey(collection, id);
    switch (change.op) {
      case "put":
      case "update": {
        const before = this.get(collection, id, nowMs);
        this.#items.set(key, written(change, change.op === "put" ? undefined : before, { version, nowMs }));
        if (change.edges !== undefined) {
          this.#dropEdges((edge) => edge.startsWith(`${key}\0`));
          for (const edge of change.edges) this.#link(key, collection, edge);
        }
        return;
      }
      case "delete":
        this.#items.delete(key);
        this.#dropEdges((edge) => edge.startsWith(`${key}\0`) || edge.endsWith(`\0${key}`));
        return;
      case "link":
        return this.#link(key, collection, change.edge);
      case "unlink":
        this.#edges.delete(edgeKey(key, collection, change.edge));
    }
  }

  #link(key: string, collection: string, edge: EdgeInput): void {
    this.#edges.set(edgeKey(key, collection, edge), Math.fround(edge.weight ?? 1));
  }

  #dropEdges(isWanted: (edge: string) => boolean): void {
    for (const edge of this.#edges.keys()) if (isWanted(edge)) this.#edges.delete(edge);
  }

  get(collection: string, id: string, nowMs: number): StoredItem | undefined {
    const item = this.#items.get(itemKey(collection, id));
    return item === undefined || isExpired(item, nowMs) ? undefined : item;
  }

  /** With those that have expired. */
  items(): ReadonlyMap<string, StoredItem> {
    return this.#items;
  }

  edges(): ReadonlyMap<string, number> {
    return this.#edges;
  }

  setItem(key: string, item: StoredItem | undefined): void {
    if (item === undefined) this.#items.delete(key);
    else this.#items.set(key, item);
  }

  setEdge(key: string, weight: number | undefined): void {
    if (weight === undefined) this.#edges.delete(key);
    else this.#edges.set(key, weight);
  }

  scan(collection: string, options: ScanOptions, nowMs: number): [id: string, item: StoredItem][] {
    const { from, to, prefix = "", reverse, limit } = options;
    const found: [string, StoredItem][] = [];
    for (const [key, item] of this.#items) {
      const [itsCollection, id] = key.split("\0") as [string, string];
      if (itsCollection !== collection || isExpired(item, nowMs) || !id.startsWith(prefix)) continue;
      if (from !== undefined && compareIds(id, from) < 0) continue;
      if (to !== undefined && compareIds(id, to) >= 0) continue;
      found.push([id, item]);
    }
    found.sort(([a], [b]) => compareIds(a, b));
    if (reverse === true) found.reverse();
    return limit === undefined ? found : found.slice(0, limit);
  }

  /** Weights by `edgeName`. */
  neighbours(collection: string, id: string, direction: "out" | "in" | "both"): Map<string, number> {
    const found = new Map<string, number>();
    const key = itemKey(collection, id);
    for (const [edge, weight] of this.#edges) {
      const leaves = edge.startsWith(`${key}\0`);
      const enters = edge.endsWith(`\0${key}`);
      if ((direction !== "in" && leaves) || (direction !== "out" && enters)) found.set(edge, weight);
    }
    return found;
  }

  /** All that has an embedding and passes, the nearest first. */
  search(
    collection: string,
    query: Float32Array,
    { metric, passes, nowMs }: SearchRules,
  ): { readonly id: string; readonly distance: number; readonly version: number }[] {
    return this.scan(collection, {}, nowMs)
      .filter(([id, item]) => item.embedding !== undefined && passes(item.metadata, id))
      .map(([id, item]) => ({ id, version: item.version, distance: distance(metric, query, item.embedding!) }))
      .sort((a, b) => a.distance - b.distance || compareIds(a.id, b.id));
  }
}

export interface SearchRules {
  readonly metric: "cosine" | "dot" | "l2";
  readonly passes: (metadata: Metadata | undefined, id: string) => boolean;
  readonly nowMs: number;
}

/** What is not said is as in `before`, which a put does not look at. */
function written(input: ItemInput, before: StoredItem | undefined, { version, nowMs }: CommitFacts): StoredItem {
  return {
    version,
    content: input.content ?? before?.content ?? null,
    embedding: input.embedding ?? before?.embedding,
    metadata: input.metadata ?? before?.metadata,
    kappa: Math.fround(input.kappa ?? before?.kappa ?? 0),
    pinned: input.pinned ?? before?.pinned ?? false,
    createdMs: before?.createdMs ?? nowMs,
    updatedMs: nowMs,
    expiryMs: input.ttlMs === undefined ? before?.expiryMs : nowMs + input.ttlMs,
  };
}

export function itemKey(collection: string, id: string): string {
  return `${collection}\0${id}`;
}

export function edgeKey(
  source: string,
  collection: string,
  edge: { readonly type: string; readonly target: string; readonly collection?: string },
): string {
  return `${source}\0${edge.type}\0${edge.collection ?? collection}\0${edge.target}`;
}

/** The same name of an edge as a collection tells it. */
export function edgeName(collection: string, edge: EdgeOf): string {
  const source = itemKey(edge.sourceCollection ?? collection, edge.source);
  const target = itemKey(edge.targetCollection ?? collection, edge.target);
  return `${source}\0${edge.type}\0${target}`;
}

/** By their UTF-8 bytes. */
export function compareIds(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function isExpired(item: StoredItem, nowMs: number): boolean {
  return item.expiryMs !== undefined && item.expiryMs <= nowMs;
}

export function distance(metric: "cosine" | "dot" | "l2", a: Float32Array, b: Float32Array): number {
  let [product, aa, bb, apart] = [0, 0, 0, 0];
  for (let place = 0; place < a.length; place++) {
    const [x, y] = [a[place]!, b[place]!];
    product += x * y;
    aa += x * x;
    bb += y * y;
    apart += (x - y) * (x - y);
  }
  if (metric === "dot") return -product;
  return metric === "l2" ? apart : 1 - product / Math.sqrt(aa * bb);
}

/** What differs between an item that was read and the one that should have been, or undefined. */
export function itemProblem(wanted: StoredItem | undefined, found: Item | undefined): string | undefined {
  if (wanted === undefined) return found === undefined ? undefined : `found ${shown(found)}, and nothing is there`;
  if (found === undefined) return `found nothing, in place of ${shown(wanted)}`;
  const isSame =
    sameTimes(wanted, found) &&
    sameContent(wanted.content, found.content) &&
    sameVector(wanted.embedding, found.embedding) &&
    JSON.stringify(wanted.metadata) === JSON.stringify(found.metadata) &&
    wanted.kappa === found.kappa &&
    wanted.pinned === found.pinned;
  return isSame ? undefined : `found ${shown(found)}, in place of ${shown(wanted)}`;
}

/** An item whose number nobody knows may have any. */
function isVersion({ version }: StoredItem, wanted: number): boolean {
  return version < 0 ? wanted > 0 : version === wanted;
}

/** A write of unknown number may have been made later than it was asked for. */
function sameTimes(wanted: StoredItem, found: Item): boolean {
  if (wanted.version < 0)
    return wanted.updatedMs <= found.updatedMs && (wanted.expiryMs === undefined) === (found.expiryMs === undefined);
  const { version, createdMs, updatedMs, expiryMs } = wanted;
  const areSame = createdMs === found.createdMs && updatedMs === found.updatedMs && expiryMs === found.expiryMs;
  return areSame && version === found.version;
}

export function sameContent(a: Content, b: Content): boolean {
  if (a instanceof Uint8Array || b instanceof Uint8Array)
    return a instanceof Uint8Array && b instanceof Uint8Array && Buffer.compare(a, b) === 0;
  return JSON.stringify(a) === JSON.stringify(b);
}

function sameVector(a: Float32Array | undefined, b: Float32Array | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.length === b.length && a.every((number, place) => number === b[place]);
}

/** Short, for people. */
export function shown(item: StoredItem | Item): string {
  const { content } = item;
  const text =
    content instanceof Uint8Array
      ? `${content.length} bytes of ${Buffer.from(content.subarray(0, 4)).toString("hex")}`
      : JSON.stringify(content).slice(0, 24);
  const { version, metadata, kappa, pinned, createdMs, updatedMs, expiryMs } = item;
  const times = `${createdMs % 1e8}/${updatedMs % 1e8}/${expiryMs === undefined ? "-" : expiryMs % 1e8}`;
  const vector = item.embedding === undefined ? "" : " e";
  return `v${version} ${text} ${JSON.stringify(metadata)} κ${kappa}${pinned ? " pinned" : ""} ${times}${vector}`;
}
