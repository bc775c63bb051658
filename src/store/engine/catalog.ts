/**
 * Which collections a store has. Their settings stand in the manifest, a value for each:
 *
 *     collection.NAME = {"number": 3, "settings": {"vectors": {"dimension": 384, "metric": "cosine"}}}
 *
 * A number is given out once. Sections of segments are told apart by it, so it is never used again.
 */

import { HoldfastError } from "../../base/index.ts";
import type { SectionCollection } from "../compaction/derived-sections.ts";
import { checkCollectionName, itemPrefix } from "../item/item-key.ts";
import type { Manifest } from "../manifest/manifest.ts";
import type { VectorSettings } from "../recall/index.ts";
import type { CollectionSettings } from "../store.ts";
import { wholeNumber } from "../vector/options.ts";

export interface CollectionFacts {
  readonly name: string;
  readonly number: number;
  readonly settings: CollectionSettings;
  /** Before the ids in the keys of its items. */
  readonly prefix: Uint8Array;
}

export const collectionLimits = { collections: 10_000, withVectors: 100, dimension: 16_384 } as const;

const valuePrefix = "collection.";

export class Catalog {
  readonly #manifest: Pick<Manifest, "state" | "apply">;
  readonly #byName = new Map<string, CollectionFacts>();
  /** Those that are being made. */
  readonly #making = new Map<string, Promise<CollectionFacts>>();
  #withVectors: readonly CollectionFacts[] = [];
  #next = 0;

  constructor(manifest: Pick<Manifest, "state" | "apply">) {
    this.#manifest = manifest;
    for (const [name, value] of manifest.state.values) {
      if (!name.startsWith(valuePrefix)) continue;
      const { number, settings } = JSON.parse(value) as { number: number; settings: CollectionSettings };
      this.#add(name.slice(valuePrefix.length), number, settings);
    }
  }

  get all(): readonly CollectionFacts[] {
    return [...this.#byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  get withVectors(): readonly CollectionFacts[] {
    return this.#withVectors;
  }

  /** As builders of sections have to know them. */
  get sections(): readonly SectionCollection[] {
    return this.#withVectors.map(({ name, number, settings: { vectors } }) => ({
      ...{ name, number },
      ...(vectors === undefined ? {} : { vectors }),
    }));
  }

  get(name: string): CollectionFacts | undefined {
    return this.#byName.get(name);
  }

  /** Throws STORE_COLLECTION where there is none of this name. */
  need(name: string): CollectionFacts {
    const found = this.#byName.get(name);
    if (found !== undefined) return found;
    checkCollectionName(name);
    throw new HoldfastError("STORE_COLLECTION", `there is no collection ${name}`, {
      hint: `Make it with store.collection(${JSON.stringify(name)}).`,
      details: { collection: name },
    });
  }

  /** Throws STORE_COLLECTION where the name is none, the settings are wrong, or others than it was made with. */
  async open(name: string, settings: CollectionSettings | undefined): Promise<CollectionFacts> {
    checkCollectionName(name);
    const wanted = settings === undefined ? undefined : checkedSettings(name, settings);
    const found = this.#byName.get(name) ?? (await this.#making.get(name));
    if (found === undefined) {
      const making = this.#make(name, wanted ?? {}).finally(() => this.#making.delete(name));
      this.#making.set(name, making);
      return await making;
    }
    if (wanted !== undefined) refuseOther(found, wanted);
    return found;
  }

  async #make(name: string, settings: CollectionSettings): Promise<CollectionFacts> {
    if (this.#byName.size >= collectionLimits.collections)
      throw wrong(name, `there are ${collectionLimits.collections} collections already`);
    if (settings.vectors !== undefined && this.#withVectors.length >= collectionLimits.withVectors)
      throw wrong(name, `there are ${collectionLimits.withVectors} collections with vectors already`);
    const number = this.#next++;
    await this.#manifest.apply({ values: { [valuePrefix + name]: JSON.stringify({ number, settings }) } });
    return this.#add(name, number, settings);
  }

  #add(name: string, number: number, settings: CollectionSettings): CollectionFacts {
    const facts = { name, number, settings, prefix: itemPrefix(name) };
    this.#byName.set(name, facts);
    this.#next = Math.max(this.#next, number + 1);
    if (settings.vectors !== undefined) this.#withVectors = [...this.#withVectors, facts];
    return facts;
  }
}

/** Throws STORE_COLLECTION where the collection was made without vectors. */
export function vectorsOf({ name, settings }: CollectionFacts): VectorSettings {
  if (settings.vectors !== undefined) return settings.vectors;
  throw new HoldfastError("STORE_COLLECTION", `the collection ${name} was made without vectors`, {
    hint: "Make a collection with { vectors: { dimension, metric } } for items with embeddings.",
    details: { collection: name },
  });
}

function checkedSettings(name: string, { vectors, uses }: CollectionSettings): CollectionSettings {
  if (uses !== undefined && uses !== "explicit" && uses !== "reads")
    throw wrong(name, `uses is ${JSON.stringify(uses)}: "explicit" or "reads"`);
  if (vectors === undefined) return uses === undefined ? {} : { uses };
  const { dimension, metric, quantisation = "none" } = vectors;
  wholeNumber("dimension", dimension, 1, collectionLimits.dimension);
  if (!["cosine", "dot", "l2"].includes(metric))
    throw wrong(name, `metric is ${JSON.stringify(metric)}: "cosine", "dot" or "l2"`);
  if (quantisation !== "none" && quantisation !== "int8")
    throw wrong(name, `quantisation is ${JSON.stringify(quantisation)}: "none" or "int8"`);
  return { ...(uses === undefined ? {} : { uses }), vectors: { dimension, metric, quantisation } };
}

function refuseOther(found: CollectionFacts, wanted: CollectionSettings): void {
  const uses = found.settings.uses ?? "explicit";
  if (wanted.uses !== undefined && wanted.uses !== uses)
    throw wrong(found.name, `it was made with uses ${JSON.stringify(uses)}`);
  const have = found.settings.vectors;
  const want = wanted.vectors;
  if (want === undefined || JSON.stringify(have) === JSON.stringify(want)) return;
  const shown = have === undefined ? "without vectors" : `with ${JSON.stringify(have)}`;
  throw wrong(found.name, `it was made ${shown}, not with ${JSON.stringify(want)}`);
}

function wrong(collection: string, reason: string): HoldfastError {
  return new HoldfastError("STORE_COLLECTION", `the collection ${collection} cannot be opened so: ${reason}`, {
    hint: "Open it as it was made, or under another name.",
    details: { collection },
  });
}
