/** Reading a collection, from the store as it is or from a snapshot. */

import { HoldfastError, utf8 } from "../../base/index.ts";
import { decodeHandle } from "../content/index.ts";
import { type Entry, isGone, latestSequence } from "../entry.ts";
import { type Edge, GraphView, type NeighbourOptions, type SpreadOptions, type WalkOptions } from "../graph/index.ts";
import type { Item } from "../item/item.ts";
import { checkId, idIn, itemKey, nodeName, nodeParts } from "../item/item-key.ts";
import { ItemRecord } from "../item/record.ts";
import { lookUp } from "../merge/lookup.ts";
import { scanEntries } from "../merge/scan.ts";
import { checkEmbedding, type SearchFilters, searchLayers } from "../recall/index.ts";
import type {
  CollectionReader,
  EdgeOf,
  Recalled,
  RecallQuery,
  ScanOptions,
  SearchOptions,
  SearchResult,
} from "../store.ts";
import { type CollectionFacts, vectorsOf } from "./catalog.ts";
import type { Hold, ReadPort, ReadScope } from "./read-scope.ts";
import { recalled } from "./recall.ts";
import { StoredItem } from "./stored-item.ts";

export class EngineReader implements CollectionReader {
  readonly facts: CollectionFacts;
  protected readonly port: ReadPort;
  protected readonly scope: ReadScope;

  constructor(facts: CollectionFacts, port: ReadPort, scope: ReadScope) {
    this.facts = facts;
    this.port = port;
    this.scope = scope;
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
    this.port.refuseClosed();
    const key = itemKey(this.facts.prefix, id);
    try {
      const found = lookUp(this.scope.view.sources, key, this.scope.atSequence);
      if (found instanceof Promise) return this.#peekLater(found, id);
      return found === undefined ? undefined : this.#shown(found, id);
    } catch (error) {
      return this.#fallenBack(id, error);
    }
  }

  async *scan(options: ScanOptions = {}): AsyncGenerator<Item, void> {
    this.port.refuseClosed();
    const { prefix } = this.facts;
    const { from, to, prefix: idPrefix = "", withContent = true, ...rest } = options;
    checkLimit(options.limit);
    using hold = this.scope.hold();
    const range = {
      prefix: keyOf(prefix, idPrefix),
      ...(from === undefined ? {} : { from: keyOf(prefix, from) }),
      ...(to === undefined ? {} : { to: keyOf(prefix, to) }),
    };
    const { atSequence } = hold;
    const nowMs = this.port.clock.nowMs();
    try {
      for await (const batch of scanEntries(hold.view.sources, { ...rest, ...range, atSequence, nowMs })) {
        for (const entry of batch) {
          const item = this.#itemOf(entry, idIn(entry.key, prefix.length), withContent);
          yield item instanceof Promise ? await item : item;
          this.port.refuseClosed();
        }
      }
    } catch (error) {
      this.port.readFailed(error);
      throw error;
    }
  }

  async search(embedding: Float32Array, options: SearchOptions = {}): Promise<SearchResult> {
    this.port.refuseClosed();
    const settings = vectorsOf(this.facts);
    const { k = 10, ef = 64, filter, signal } = options;
    checkEmbedding(embedding, settings);
    const rowFilter = filter === undefined ? undefined : this.port.filters.of(filter);
    using hold = this.scope.hold();
    const layers = await this.port.vectors.of(hold.view, this.facts, signal);
    const nowMs = this.port.clock.nowMs();
    const search = { k, ef: Math.max(k, ef), atSequence: hold.atSequence, nowMs, filter: rowFilter, signal };
    const { hits, exact } = await searchLayers(layers, embedding, search);
    const shown = hits.map(({ id, distance, sequence }) => ({ id, distance, version: sequence }));
    return { hits: shown, exact, level: this.port.level };
  }

  async neighbours(id: string, options: NeighbourOptions = {}): Promise<EdgeOf[]> {
    checkId(id);
    using hold = this.scope.hold();
    const graph = await graphOf(hold);
    return graph.neighbours(nodeName(this.name, id), options).map((edge) => this.#edgeOf(edge));
  }

  async within(id: string, steps: number, options: WalkOptions = {}): Promise<Map<string, number>> {
    checkId(id);
    using hold = this.scope.hold();
    const graph = await graphOf(hold);
    return this.#ownIds(graph.within(nodeName(this.name, id), steps, options));
  }

  async spread(seeds: ReadonlyMap<string, number>, options: SpreadOptions = {}): Promise<Map<string, number>> {
    using hold = this.scope.hold();
    const graph = await graphOf(hold);
    const named = new Map([...seeds].map(([id, activation]) => [nodeName(this.name, id), activation]));
    return this.#ownIds(graph.spread(named, options));
  }

  async recall(query: RecallQuery): Promise<Recalled[]> {
    this.port.refuseClosed();
    return await recalled(this, query);
  }

  /** The embeddings of these as the index keeps them; undefined where there is none. */
  async embeddingsOf(ids: readonly string[]): Promise<(Float32Array | undefined)[]> {
    using hold = this.scope.hold();
    const layers = await this.port.vectors.of(hold.view, this.facts);
    return ids.map((id) => firstOf(layers, (layer) => layer.embeddingOf(id, hold.atSequence)));
  }

  /** At level memory-only an item that was read last stands in for what cannot be read; else there is the error. */
  #fallenBack(id: string, error: unknown): Item | undefined {
    this.port.readFailed(error);
    if (this.port.level !== "memory-only" || this.scope.atSequence !== latestSequence) throw error;
    const known = this.port.fallback.get(nodeName(this.name, id));
    if (known === undefined) throw error;
    if (known.item === undefined) return undefined;
    const { entry, content } = known.item;
    const names = { collection: this.name, id, level: this.port.level };
    return new StoredItem(names, entry, new ItemRecord(entry.value), content);
  }

  /** The hold keeps the view in which it is looked for, from the turn on in which that began. */
  async #peekLater(finding: Promise<Entry | undefined>, id: string): Promise<Item | undefined> {
    using _hold = this.scope.hold();
    try {
      const found = await finding;
      return found === undefined ? undefined : await this.#shown(found, id);
    } catch (error) {
      return this.#fallenBack(id, error);
    }
  }

  #shown(entry: Entry, id: string): Item | undefined | Promise<Item | undefined> {
    if (entry.kind !== 1 || (entry.expiryMs !== 0 && isGone(entry, this.port.clock.nowMs()))) return undefined;
    return this.#itemOf(entry, id, true);
  }

  #itemOf(entry: Entry, id: string, withContent: boolean): Item | Promise<Item> {
    const record = new ItemRecord(entry.value);
    const { level } = this.port;
    const names = { collection: this.name, id, level };
    if (!record.isInContentLog) {
      if (level !== "normal" && this.scope.atSequence === latestSequence)
        this.port.fallback.remember(nodeName(this.name, id), entry);
      return new StoredItem(names, entry, record);
    }
    if (!withContent) return new StoredItem(names, entry, record, null);
    return this.#fetched(names, entry, record);
  }

  /** The hold is taken in the turn in which the entry was found: until then nobody has freed its content. */
  async #fetched(names: ConstructorParameters<typeof StoredItem>[0], entry: Entry, record: ItemRecord): Promise<Item> {
    using _hold = this.scope.hold();
    try {
      const content = await this.port.content.read(decodeHandle(record.contentBytes));
      if (this.#isNewest(entry)) this.port.fallback.remember(nodeName(this.name, names.id), entry, content);
      return new StoredItem(names, entry, record, content);
    } catch (error) {
      const item = this.#fallenBack(names.id, error);
      if (item === undefined) throw error;
      return item;
    }
  }

  /** It may have been written anew while its content was read. */
  #isNewest({ key, sequence }: Entry): boolean {
    if (this.scope.atSequence !== latestSequence) return false;
    const found = lookUp(this.scope.view.sources, key);
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

async function graphOf({ view, atSequence }: Hold): Promise<GraphView> {
  if (view.graph === undefined) await view.loadGraph();
  return new GraphView(view.graph ?? [], atSequence);
}

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
