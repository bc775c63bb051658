/** An item as it was read: what is not asked for is not decoded. */

import type { StorageLevel } from "../../resilience/index.ts";
import type { Entry } from "../entry.ts";
import type { Content, Item, Metadata } from "../item/item.ts";
import type { ItemRecord } from "../item/record.ts";

export const pinnedFlag = 1;

export class StoredItem implements Item {
  readonly collection: string;
  readonly id: string;
  readonly level: StorageLevel;
  readonly #entry: Entry;
  readonly #record: ItemRecord;
  /** Of what lies in the content log; null where it was not asked for. */
  readonly #fetched: Uint8Array | null | undefined;
  #content: Content | undefined;

  constructor(
    collection: string,
    id: string,
    level: StorageLevel,
    entry: Entry,
    record: ItemRecord,
    fetched: Uint8Array | null | undefined,
  ) {
    this.collection = collection;
    this.id = id;
    this.level = level;
    this.#entry = entry;
    this.#record = record;
    this.#fetched = fetched;
  }

  get version(): number {
    return this.#entry.sequence;
  }

  get content(): Content {
    if (this.#fetched === null) return null;
    this.#content ??= this.#record.content(this.#fetched);
    return this.#content;
  }

  get embedding(): Float32Array | undefined {
    return this.#record.embedding;
  }

  get metadata(): Metadata | undefined {
    return this.#record.metadata;
  }

  get kappa(): number {
    return this.#entry.kappa;
  }

  get pinned(): boolean {
    return (this.#entry.flags & pinnedFlag) !== 0;
  }

  get createdMs(): number {
    return this.#record.createdMs;
  }

  get updatedMs(): number {
    return this.#record.updatedMs;
  }

  get expiryMs(): number | undefined {
    return this.#entry.expiryMs === 0 ? undefined : this.#entry.expiryMs;
  }

  /** All of it, decoded: for JSON, and for whoever prints it. */
  toJSON(): Item {
    const { collection, id, version, content, embedding, metadata } = this;
    const { kappa, pinned, createdMs, updatedMs, expiryMs, level } = this;
    const written = { content, embedding, metadata, kappa, pinned, createdMs, updatedMs, expiryMs };
    return { collection, id, version, ...written, level };
  }

  [Symbol.for("nodejs.util.inspect.custom")](): Item {
    return this.toJSON();
  }
}
