/**
 * What a reader reads: a list of layers, the newest first, that never changes. Whoever reads for longer than one turn
 * holds the view; as long as it is held, none of its files is closed or deleted.
 *
 * A layer is closed when the last view that has it is let go.
 */

import { assert } from "../../base/index.ts";
import type { CursorSource } from "../cursor.ts";
import { LostRanges } from "../damage/lost-ranges.ts";
import type { GraphLayer } from "../graph/index.ts";
import type { Pin } from "../manifest/versions.ts";
import type { LookupSource } from "../merge/lookup.ts";
import type { MemoryLayer } from "./memory-layer.ts";
import type { SegmentLayer } from "./segment-layer.ts";

export type Layer = MemoryLayer | SegmentLayer;

export class View {
  readonly layers: readonly Layer[];
  readonly sources: readonly (LookupSource & CursorSource)[];
  /** Numbers of the collections of which every layer's vectors know what hides them. */
  readonly linked = new Set<number>();
  /** Of all its layers. */
  readonly lost: LostRanges;
  readonly #pin: Pin;
  readonly #onReleased: (view: View) => void;
  #holders = 1;
  #isLoaded = false;

  /** Takes the pin over, which keeps the layers' files. */
  constructor(layers: readonly Layer[], pin: Pin, onReleased: (view: View) => void) {
    this.layers = layers;
    this.sources = layers.map(({ source }) => source);
    this.lost = layers.reduce((all, { lost }) => all.with(lost), LostRanges.none);
    this.#pin = pin;
    this.#onReleased = onReleased;
  }

  /** Only while somebody holds it: its layers are closed when nobody does. */
  hold(): void {
    assert(this.#holders > 0, "a view that was let go is not held again");
    this.#holders++;
  }

  /** Holds it while this is done: a merge may take the place of its layers meanwhile, and they stay open. */
  async whileHeld<T>(work: () => Promise<T>): Promise<T> {
    this.hold();
    try {
      return await work();
    } finally {
      this.release();
    }
  }

  release(): void {
    this.#holders--;
    if (this.#holders > 0) return;
    this.#pin[Symbol.dispose]();
    this.#onReleased(this);
  }

  /** Index and filter of every segment are in memory: looking something up reads at most blocks, at once. */
  get isLoaded(): boolean {
    this.#isLoaded ||= this.layers.every(({ isLoaded }) => isLoaded);
    return this.#isLoaded;
  }

  async load(): Promise<void> {
    for (const layer of this.layers) if (!layer.isLoaded) await (layer as SegmentLayer).load();
  }

  /** The layers of the graph; undefined where some are not in memory yet. */
  get graph(): readonly GraphLayer[] | undefined {
    const graphs: GraphLayer[] = [];
    for (const { hasGraph, graph } of this.layers) {
      if (!hasGraph) continue;
      if (graph === undefined) return undefined;
      if (graph.size > 0) graphs.push(graph);
    }
    return graphs;
  }

  async loadGraph(): Promise<void> {
    for (const layer of this.layers)
      if (layer.hasGraph && layer.graph === undefined) await (layer as SegmentLayer).loadGraph();
  }
}

/** The present view, and how it is replaced. */
export class Views {
  #current: View;
  readonly #pinState: () => Pin;
  readonly #segments = new Map<SegmentLayer, number>();
  /** Closes that are under way. One that fails has nobody to tell: nothing is read any more. */
  readonly #closing = new Set<Promise<void>>();
  #isClosed = false;

  constructor(layers: readonly Layer[], pinState: () => Pin) {
    this.#pinState = pinState;
    this.#current = this.#make(layers);
  }

  get current(): View {
    return this.#current;
  }

  /** Readers that come from now on see these layers. Called in the turn in which the manifest's state changed. */
  publish(layers: readonly Layer[]): void {
    const before = this.#current;
    this.#current = this.#make(layers);
    before.release();
  }

  /** In place of `old`, which stand side by side, come `next`. */
  replace(old: readonly Layer[], next: readonly Layer[]): void {
    const { layers } = this.#current;
    const at = layers.indexOf(old[0]!);
    this.publish([...layers.slice(0, at), ...next, ...layers.slice(at + old.length)]);
  }

  /** Closes every layer, whoever still holds it: what they ask then fails with STORE_CLOSED. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#current.release();
    const layers = [...this.#segments.keys()];
    this.#segments.clear();
    for (const layer of layers) this.#closeLater(layer);
    await Promise.all(this.#closing);
  }

  #make(layers: readonly Layer[]): View {
    for (const layer of layers) if ("file" in layer) this.#segments.set(layer, (this.#segments.get(layer) ?? 0) + 1);
    return new View(layers, this.#pinState(), (view) => this.#released(view));
  }

  #released({ layers }: View): void {
    for (const layer of layers) {
      if (!("file" in layer) || (this.#isClosed && !this.#segments.has(layer))) continue;
      const left = this.#segments.get(layer)! - 1;
      if (left > 0) this.#segments.set(layer, left);
      else {
        this.#segments.delete(layer);
        this.#closeLater(layer);
      }
    }
  }

  #closeLater(layer: SegmentLayer): void {
    const closing = layer
      .close()
      .catch(() => undefined)
      .finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }
}
