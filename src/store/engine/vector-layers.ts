/**
 * The vectors of the layers of a store, and that each knows what hides its rows.
 *
 * Vectors of segments are read with the first search of their collection. From then on the collection is *warm*: every
 * write hides older rows at once, and what is flushed or merged comes with its vectors ready and told what is newer.
 * Until then nothing is kept but the rows beside the memtables.
 */

import { type Clock, untilAborted } from "../../base/index.ts";
import { hasPrefix, vectorLayerOf, vectorRowOf } from "../compaction/vector-sections.ts";
import type { Entry } from "../entry.ts";
import { hideOlder, hideOlderNow, MemoryVectorLayer, type VectorLayer } from "../recall/index.ts";
import type { Catalog, CollectionFacts } from "./catalog.ts";
import type { SegmentLayer } from "./segment-layer.ts";
import type { Layer, View, Views } from "./view.ts";

/** Beside a memtable: its rows, by the number of the collection. */
export class MemoryVectors {
  readonly #layers = new Map<number, MemoryVectorLayer>();

  get(collection: number): VectorLayer | undefined {
    return this.#layers.get(collection);
  }

  /** Rows of the entries that belong to a collection with vectors; `onRow` is told of each. */
  note(
    entries: readonly Entry[],
    collections: readonly CollectionFacts[],
    clock: Clock,
    onRow?: (collection: number, id: string, sequence: number) => void,
  ): void {
    for (const { number, prefix, settings } of collections) {
      for (const entry of entries) {
        if (settings.vectors === undefined || !hasPrefix(entry.key, prefix)) continue;
        const row = vectorRowOf(entry, prefix.length);
        let layer = this.#layers.get(number);
        if (layer === undefined) {
          layer = new MemoryVectorLayer({ settings: settings.vectors, clock });
          this.#layers.set(number, layer);
        }
        layer.add(row);
        onRow?.(number, row.id, row.sequence);
      }
    }
  }
}

export interface VectorsPort {
  readonly views: Views;
  readonly catalog: Catalog;
  readonly clock: Clock;
}

export class Vectors {
  readonly #port: VectorsPort;
  readonly #warm = new Set<number>();
  readonly #linking = new WeakMap<View, Map<number, Promise<void>>>();

  constructor(port: VectorsPort) {
    this.#port = port;
  }

  /** In the turn of a commit: the rows, and the hiding of older ones. */
  note(memory: MemoryVectors, entries: readonly Entry[]): void {
    const { catalog, views, clock } = this.#port;
    const collections = catalog.withVectors;
    if (collections.length === 0) return;
    memory.note(entries, collections, clock, (collection, id, sequence) => {
      if (!this.#warm.has(collection)) return;
      for (const layer of views.current.layers) {
        if (layer.vectors === memory) continue;
        layer.vectors.get(collection)?.hide(id, sequence); // mutant: vectors-hide
      }
    });
  }

  /** The layers of a view, newest first, each knowing what the others hide of it. */
  async of(view: View, facts: CollectionFacts, signal?: AbortSignal): Promise<readonly VectorLayer[]> {
    const { number } = facts;
    const isWarm = this.#warm.has(number) && view === this.#port.views.current;
    if (!isWarm && !view.linked.has(number)) await untilAborted(this.#linked(view, facts), signal);
    return layersOf(view.layers, number);
  }

  /**
   * Makes a new segment ready to take the place of others. What is returned is called in the turn in which it does; it
   * is told of the layers that are newer then.
   */
  async prepared(layer: SegmentLayer, isNewer: (other: Layer) => boolean): Promise<(newer: readonly Layer[]) => void> {
    const { catalog, views, clock } = this.#port;
    const ready = catalog.withVectors.filter(({ number }) => this.#warm.has(number));
    const told = new Set<Layer>();
    for (const facts of ready) {
      await layer.loadVectors(facts);
      const own = layer.vectors.get(facts.number);
      if (own === undefined) continue;
      for (const other of views.current.layers.filter((one) => isNewer(one) && "file" in one)) {
        const newer = other.vectors.get(facts.number);
        if (newer !== undefined) await hideOlder(newer, [own], { clock });
        told.add(other);
      }
    }
    return (newer) => {
      for (const number of [...this.#warm])
        if (!ready.some((facts) => facts.number === number)) this.#warm.delete(number);
      for (const { number } of ready) {
        const own = layer.vectors.get(number);
        if (own === undefined) continue;
        for (const other of newer) {
          const rows = told.has(other) ? undefined : other.vectors.get(number);
          if (rows !== undefined) hideOlderNow(rows, [own]);
        }
      }
    };
  }

  /** Once for all who ask of the same view. */
  #linked(view: View, facts: CollectionFacts): Promise<void> {
    const { number } = facts;
    const ofView = this.#linking.get(view) ?? new Map<number, Promise<void>>();
    this.#linking.set(view, ofView);
    const linking =
      ofView.get(number) ?? view.whileHeld(() => this.#link(view, facts)).finally(() => ofView.delete(number));
    ofView.set(number, linking);
    return linking;
  }

  /** Every layer is told of all newer ones; those in memory, which still grow, last and at once. */
  async #link(view: View, facts: CollectionFacts): Promise<void> {
    const { layers } = view;
    for (const layer of layers) if ("file" in layer) await layer.loadVectors(facts);
    const all = layers.map((layer) => layer.vectors.get(facts.number));
    for (const [place, layer] of layers.entries()) {
      const newer = all[place];
      if (newer === undefined || !("file" in layer)) continue;
      const older = present(all.slice(place + 1));
      await hideOlder(newer, older, { clock: this.#port.clock }); // mutant: vectors-link-segments
    }
    for (const [place, layer] of layers.entries()) {
      const newer = "file" in layer ? undefined : (all[place] ?? layer.vectors.get(facts.number));
      if (newer !== undefined) hideOlderNow(newer, present(all.slice(place + 1))); // mutant: vectors-link-memory
    }
    // In the very turn in which all was told: a write that came between would be missed.
    view.linked.add(facts.number);
    if (view === this.#port.views.current) this.#warm.add(facts.number);
  }
}

/** For the segments of a view. */
export class SegmentVectors {
  readonly #layers = new Map<number, VectorLayer | undefined>();

  get(collection: number): VectorLayer | undefined {
    return this.#layers.get(collection);
  }

  async load(layer: SegmentLayer, { number, settings }: CollectionFacts): Promise<void> {
    if (settings.vectors === undefined || this.#layers.has(number)) return;
    const loaded = layer.segment && (await vectorLayerOf(layer.segment, { number, vectors: settings.vectors }));
    if (!this.#layers.has(number)) this.#layers.set(number, loaded);
  }
}

function layersOf(layers: readonly Layer[], collection: number): VectorLayer[] {
  return present(layers.map(({ vectors }) => vectors.get(collection)));
}

function present(layers: readonly (VectorLayer | undefined)[]): VectorLayer[] {
  return layers.filter((layer) => layer !== undefined);
}
