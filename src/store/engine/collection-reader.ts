/** Reading a collection, from the store as it is or from a snapshot. */

import { HoldfastError, utf8 } from "../../base/index.ts";
import { edgeChangeOf } from "../compaction/derived-sections.ts";
import { decodeHandle } from "../content/index.ts";
import { isStorageFailure } from "../degradation/failure.ts";
import { type Entry, isGone, latestSequence } from "../entry.ts";
import { type Edge, GraphView, type NeighbourOptions, type SpreadOptions, type WalkOptions } from "../graph/index.ts";
import type { Item } from "../item/item.ts";
import { checkId, edgePrefix, edgesPrefix, idIn, itemKey, nodeName, nodeParts, ScratchKeys } from "../item/item-key.ts";
import { ItemRecord } from "../item/record.ts";
import { lookUp } from "../merge/lookup.ts";
import { scanEntries } from "../merge/scan.ts";
import { checkEmbedding, type SearchFilters, searchLayers } from "../recall/index.ts";
import type {
  CollectionReader,
  EdgeOf,
  EdgeScanOptions,
  Recalled,
  RecallQuery,
  ScanOptions,
  SearchOptions,
  SearchResult,
} from "../store.ts";
import { type CollectionFacts, vectorsOf } from "./catalog.ts";
import { ItemScan, type ItemScanParts } from "./item-scan.ts";
import { certainSources, refuseLost } from "./lost-guard.ts";
import type { Hold, ReadPort, ReadScope } from "./read-scope.ts";
import { recalled } from "./recall.ts";
import { StoredItem } from "./stored-item.ts";

export class EngineReader implements CollectionReader {
  readonly facts: CollectionFacts;
  protected readonly port: ReadPort;
  protected readonly scope: ReadScope;
  readonly #keys: ScratchKeys;

  constructor(facts: CollectionFacts, port: ReadPort, scope: ReadScope) {
    this.facts = facts;
    this.port = port;
    this.scope = scope;
    this.#keys = new ScratchKeys(facts.prefix);
  }

  get name(): string {
    return this.facts.name;
  }

  get filters(): SearchFilters {
    return this.port.filters;
  }

  async get(id: string): Promise<Item | undefined> {
    return await this.peek(id);
  }

  async getMany(ids: readonly string[]): Promise<(Item | undefined)[]> {
    const items: (Item | undefined)[] = [];
    for (const id of ids) {
      const item = this.peek(id);
      items.push(item instanceof Promise ? await item : item);
    }
    return items;
  }

  peek(id: string): Item | undefined | Promise<Item | undefined> {
    return this.find(id, true);
  }

  scan(options: ScanOptions = {}): AsyncGenerator<Item, void> {
    const begin = this.#scanOf(options);
    return new ItemScan({
      begin,
      itemOf: (entry) => this.#scanned(entry, options),
      refuseClosed: () => this.port.refuseClosed(),
    });
  }

  async *scanBatches(options: ScanOptions = {}): AsyncGenerator<Item[], void> {
    const { hold, batches } = this.#scanOf(options)();
    using _hold = hold;
    for await (const entries of batches) {
      const items: Item[] = [];
      for (const entry of entries) {
        const item = this.#scanned(entry, options);
        items.push(item instanceof Promise ? await item : item);
      }
      yield items;
      this.port.refuseClosed();
    }
  }

  async search(embedding: Float32Array, options: SearchOptions = {}): Promise<SearchResult> {
    this.port.refuseClosed();
    const settings = vectorsOf(this.facts);
    const { k = 10, ef = 64, filter, signal } = options;
    checkEmbedding(embedding, settings);
    const rowFilter = filter === undefined ? undefined : this.port.filters.of(filter);
    using hold = this.scope.hold();
    refuseLost(hold.view, { prefix: this.facts.prefix });
    const layers = await this.port.vectors.of(hold.view, this.facts, signal);
    const nowMs = this.port.clock.nowMs();
    const search = { k, ef: Math.max(k, ef), atSequence: hold.atSequence, nowMs, filter: rowFilter, signal };
    const { hits, exact } = await searchLayers(layers, embedding, search);
    const shown = hits.map(({ id, distance, sequence }) => ({ id, distance, version: sequence }));
    return { hits: shown, exact, level: this.port.level };
  }

  async neighbours(id: string, options: NeighbourOptions = {}): Promise<EdgeOf[]> {
    this.port.refuseClosed();
    checkId(id);
    using hold = this.scope.hold();
    const { direction = "out" } = options;
    const graph = await graphOf(hold, direction === "out" ? edgePrefix(nodeName(this.name, id)) : allEdges);
    return graph.neighbours(nodeName(this.name, id), options).map((edge) => this.#edgeOf(edge));
  }

  async within(id: string, steps: number, options: WalkOptions = {}): Promise<Map<string, number>> {
    this.port.refuseClosed();
    checkId(id);
    using hold = this.scope.hold();
    const graph = await graphOf(hold);
    return this.#ownIds(graph.within(nodeName(this.name, id), steps, options));
  }

  async spread(seeds: ReadonlyMap<string, number>, options: SpreadOptions = {}): Promise<Map<string, number>> {
    this.port.refuseClosed();
    using hold = this.scope.hold();
    const graph = await graphOf(hold);
    const named = new Map([...seeds].map(([id, activation]) => [nodeName(this.name, id), activation]));
    return this.#ownIds(graph.spread(named, options));
  }

  async *scanEdges(options: EdgeScanOptions = {}): AsyncGenerator<EdgeOf, void> {
    this.port.refuseClosed();
    const { skipLost = false, signal } = options;
    using hold = this.scope.hold();
    const sources = skipLost ? certainSources(hold) : hold.view.sources;
    const range = { prefix: edgesPrefix(this.name), atSequence: hold.atSequence };
    for await (const batch of scanEntries(sources, { ...range, ...(signal && { signal }) })) {
      for (const entry of batch) {
        const change = edgeChangeOf(entry);
        if (change?.weight !== undefined) yield this.#edgeOf({ ...change, weight: change.weight });
      }
      this.port.refuseClosed();
    }
  }

  async recall(query: RecallQuery): Promise<Recalled[]> {
    this.port.refuseClosed();
    return await recalled(this, query);
  }

  /** The embeddings of these as the index keeps them; undefined where there is none. */
  async embeddingsOf(ids: readonly string[]): Promise<(Float32Array | undefined)[]> {
    using hold = this.scope.hold();
    refuseLost(hold.view, { prefix: this.facts.prefix });
    const layers = await this.port.vectors.of(hold.view, this.facts);
    return ids.map((id) => firstOf(layers, (layer) => layer.embeddingOf(id, hold.atSequence)));
  }

  /** At level memory-only an item that was read last stands in for what cannot be read; else there is the error. */
  #fallenBack(id: string, error: unknown): Item | undefined {
    this.port.readFailed(error);
    const known = isStorageFailure(error) && this.port.level === "memory-only" ? this.#known(id) : undefined;
    if (known === undefined) throw error;
    return known.item;
  }

  /** What is remembered is the newest version: of an earlier moment it says nothing. */
  #known(id: string): { readonly item: Item | undefined } | undefined {
    const known =
      this.scope.atSequence === latestSequence ? this.port.fallback.get(nodeName(this.name, id)) : undefined;
    if (known === undefined) return undefined;
    if (known.item === undefined) return { item: undefined };
    const { entry, content } = known.item;
    const record = new ItemRecord(entry.value);
    return { item: new StoredItem(this.facts.name, id, this.port.level, entry, record, content) };
  }

  #scanned(entry: Entry, { withContent = true }: ScanOptions): Item | Promise<Item> {
    return this.#itemOf(entry, idIn(entry.key, this.facts.prefix.length), withContent);
  }

  /** Checks the options; what it returns begins. */
  #scanOf({ from, to, prefix: idPrefix = "", withContent: _, skipLost, ...rest }: ScanOptions): ItemScanParts["begin"] {
    this.port.refuseClosed();
    checkLimit(rest.limit);
    const { prefix } = this.facts;
    const range = {
      prefix: keyOf(prefix, idPrefix),
      ...(from === undefined ? {} : { from: keyOf(prefix, from) }),
      ...(to === undefined ? {} : { to: keyOf(prefix, to) }),
    };
    return () => {
      const hold = this.scope.hold();
      const [{ atSequence }, nowMs] = [hold, this.port.clock.nowMs()];
      const sources = skipLost === true ? certainSources(hold) : hold.view.sources;
      return { hold, batches: scanEntries(sources, { ...rest, ...range, atSequence, nowMs }) };
    };
  }

  /** Unless `withContent`, content that is in the content log is not fetched, and null. */
  protected find(id: string, withContent: boolean): Item | undefined | Promise<Item | undefined> {
    this.port.refuseClosed();
    if (typeof id !== "string") checkId(id);
    const { view, atSequence } = this.scope;
    if (this.port.level === "memory-only") {
      const known = this.#known(id);
      if (known !== undefined) return known.item;
    }
    // What is in memory answers in this turn, and keeps no key.
    const key = view.isLoaded && view.lost.isEmpty ? this.#keys.of(id) : itemKey(this.facts.prefix, id);
    try {
      const found = lookUp(view.sources, key, atSequence);
      if (found instanceof Promise) return this.#findLater(found, id, withContent);
      return found === undefined ? undefined : this.#shown(found, id, withContent);
    } catch (error) {
      return this.#fallenBack(id, error);
    }
  }

  /** The hold keeps the view in which it is looked for, from the turn on in which that began. */
  async #findLater(finding: Promise<Entry | undefined>, id: string, withContent: boolean): Promise<Item | undefined> {
    using _hold = this.scope.hold();
    try {
      const found = await finding;
      return found === undefined ? undefined : await this.#shown(found, id, withContent);
    } catch (error) {
      return this.#fallenBack(id, error);
    }
  }

  #shown(entry: Entry, id: string, withContent: boolean): Item | undefined | Promise<Item | undefined> {
    if (entry.kind !== 1 || (entry.expiryMs !== 0 && isGone(entry, this.port.clock.nowMs()))) return undefined;
    return this.#itemOf(entry, id, withContent);
  }

  #itemOf(entry: Entry, id: string, withContent: boolean): Item | Promise<Item> {
    const record = new ItemRecord(entry.value);
    const { level } = this.port;
    if (record.isInContentLog && withContent) return this.#fetched(entry, id, record);
    if (level !== "normal" && !record.isInContentLog && this.scope.atSequence === latestSequence)
      this.port.fallback.remember(nodeName(this.name, id), entry);
    return new StoredItem(this.facts.name, id, level, entry, record, record.isInContentLog ? null : undefined);
  }

  /** The hold is taken in the turn in which the entry was found: until then nobody has freed its content. */
  async #fetched(entry: Entry, id: string, record: ItemRecord): Promise<Item> {
    using _hold = this.scope.hold();
    try {
      const content = await this.port.content.read(decodeHandle(record.contentBytes));
      if (this.#isNewest(id, entry)) this.port.fallback.remember(nodeName(this.name, id), entry, content);
      return new StoredItem(this.facts.name, id, this.port.level, entry, record, content);
    } catch (error) {
      const item = this.#fallenBack(id, error);
      if (item === undefined) throw error;
      return item;
    }
  }

  /** It may have been written anew while its content was read. */
  #isNewest(id: string, { sequence }: Entry): boolean {
    // What would have to be read first is not asked.
    if (this.scope.atSequence !== latestSequence || !this.scope.view.isLoaded) return false;
    const found = lookUp(this.scope.view.sources, itemKey(this.facts.prefix, id));
    return !(found instanceof Promise) && found?.sequence === sequence;
  }

  #edgeOf({ source, type, target, weight }: Edge): EdgeOf {
    const [from, to] = [nodeParts(source), nodeParts(target)];
    return {
      source: from.id,
      type,
      target: to.id,
      weight,
      ...(from.collection === this.name ? {} : { sourceCollection: from.collection }),
      ...(to.collection === this.name ? {} : { targetCollection: to.collection }),
    };
  }

  #ownIds(found: ReadonlyMap<string, number>): Map<string, number> {
    const own = new Map<string, number>();
    for (const [name, value] of found) {
      const { collection, id } = nodeParts(name);
      if (collection === this.name) own.set(id, value);
    }
    return own;
  }
}

function firstOf<T, Found>(list: readonly T[], find: (one: T) => Found | undefined): Found | undefined {
  for (const one of list) {
    const found = find(one);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** `keys` begin the keys of all edges that the answer may come from: none of them may be lost. */
export async function graphOf({ view, atSequence }: Hold, keys = allEdges): Promise<GraphView> {
  refuseLost(view, { prefix: keys });
  if (view.graph === undefined) await view.loadGraph();
  return new GraphView(view.graph ?? [], atSequence);
}

const allEdges = utf8("e");

function keyOf(prefix: Uint8Array, text: string): Uint8Array {
  const bytes = utf8(text);
  const key = new Uint8Array(prefix.length + bytes.length);
  key.set(prefix);
  key.set(bytes, prefix.length);
  return key;
}

function checkLimit(limit: number | undefined): void {
  if (limit === undefined || (Number.isSafeInteger(limit) && limit >= 0)) return;
  throw new HoldfastError("STORE_OPTION", `limit is ${String(limit)}`, { hint: "a whole number from 0 on" });
}
