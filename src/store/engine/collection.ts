/** A collection of an open store: what its readers can do, and writing. */

import { HoldfastError } from "../../base/index.ts";
import type { UseLog } from "../consolidation/use-log.ts";
import type {
  EdgeInput,
  EdgeWriteOptions,
  Item,
  ItemInput,
  ItemWriteOptions,
  WriteOptions,
  WriteResult,
} from "../item/item.ts";
import { checkId } from "../item/item-key.ts";
import type { Collection, CollectionSettings, Recalled, RecallQuery } from "../store.ts";
import type { CollectionFacts } from "./catalog.ts";
import { optionError } from "./change-plan.ts";
import { EngineReader } from "./collection-reader.ts";
import type { ReadPort, ReadScope } from "./read-scope.ts";
import type { WritePath } from "./write-path.ts";

const updateTries = 16;

export interface CollectionPort extends ReadPort {
  readonly uses: UseLog;
}

export class EngineCollection extends EngineReader implements Collection {
  readonly #writes: WritePath;
  readonly #uses: UseLog;
  /** Reads as this does, but nothing is noted as used. */
  readonly #unnoted: EngineReader;
  readonly #notesReads: boolean;

  constructor(facts: CollectionFacts, port: CollectionPort, scope: ReadScope, writes: WritePath) {
    super(facts, port, scope);
    this.#writes = writes;
    this.#uses = port.uses;
    this.#unnoted = new EngineReader(facts, port, scope);
    this.#notesReads = facts.settings.uses === "reads";
  }

  get settings(): CollectionSettings {
    return this.facts.settings;
  }

  override peek(id: string): Item | undefined | Promise<Item | undefined> {
    const found = super.peek(id);
    if (!this.#notesReads || found === undefined) return found;
    return found instanceof Promise ? found.then((item) => this.#noted(item)) : this.#noted(found);
  }

  override async recall(query: RecallQuery): Promise<Recalled[]> {
    const found = await this.#unnoted.recall(query);
    if (query.use !== false) for (const { item } of found) this.#noted(item);
    return found;
  }

  put(id: string, input: ItemInput, options: ItemWriteOptions = {}): Promise<WriteResult> {
    const { name } = this;
    return this.#writes.write([{ ...input, op: "put", collection: name, id, ...conditionOf(options) }], options);
  }

  async update(
    id: string,
    change: (item: Item | undefined) => ItemInput | undefined | Promise<ItemInput | undefined>,
    options: WriteOptions = {},
  ): Promise<WriteResult | undefined> {
    for (let attempt = 1; ; attempt++) {
      options.signal?.throwIfAborted();
      const before = await this.#unnoted.get(id);
      const changed = await change(before);
      if (changed === undefined) return undefined;
      // Its time was over meanwhile: it is not there any more.
      if (before?.expiryMs !== undefined && before.expiryMs <= this.port.clock.nowMs() && attempt < updateTries)
        continue;
      const put = {
        ...merged(before, changed, this.port.clock.nowMs()),
        op: "put",
        collection: this.name,
        id,
      } as const;
      try {
        const condition = { ifVersion: before?.version ?? 0 };
        return await this.#writes.write([{ ...put, ...condition }], options, before?.createdMs);
      } catch (error) {
        if (!HoldfastError.is(error) || error.code !== "STORE_CONFLICT" || attempt === updateTries) throw error;
      }
    }
  }

  delete(id: string, options: ItemWriteOptions = {}): Promise<WriteResult> {
    return this.#writes.write([{ op: "delete", collection: this.name, id, ...conditionOf(options) }], options);
  }

  link(id: string, edge: EdgeInput, options: EdgeWriteOptions = {}): Promise<WriteResult> {
    return this.#writes.write([{ op: "link", collection: this.name, id, edge, ...conditionOf(options) }], options);
  }

  unlink(
    id: string,
    edge: Pick<EdgeInput, "type" | "target" | "collection">,
    options: EdgeWriteOptions = {},
  ): Promise<WriteResult> {
    return this.#writes.write([{ op: "unlink", collection: this.name, id, edge, ...conditionOf(options) }], options);
  }

  use(ids: readonly string[]): void {
    this.port.refuseClosed();
    for (const id of ids) checkId(id);
    const timeMs = this.port.clock.monotonicMs();
    for (const id of ids) this.#uses.note(this.name, id, timeMs);
  }

  #noted(item: Item | undefined): Item | undefined {
    if (item !== undefined) this.#uses.note(this.name, item.id, this.port.clock.monotonicMs());
    return item;
  }
}

/** Throws STORE_OPTION for one that is there and undefined: the version of an item that was not found, say. */
function conditionOf(options: ItemWriteOptions | EdgeWriteOptions): { readonly ifVersion?: number } {
  if (!("ifVersion" in options)) return {};
  if (options.ifVersion === undefined)
    throw optionError("ifVersion", undefined, "a version, or 0 for what is not there: item?.version ?? 0");
  return { ifVersion: options.ifVersion };
}

/** What is not said anew stays, the rest of its time to live too. */
function merged(before: Item | undefined, changed: ItemInput, nowMs: number): ItemInput {
  if (before === undefined) return changed;
  const { content, embedding, metadata, kappa, pinned, expiryMs } = before;
  return {
    content,
    kappa,
    pinned,
    ...(embedding === undefined ? {} : { embedding }),
    ...(metadata === undefined ? {} : { metadata }),
    ...(expiryMs === undefined ? {} : { ttlMs: expiryMs - nowMs }),
    ...changed,
  };
}
