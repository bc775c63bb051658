/**
 * The graph as a reader sees it: all layers as one, at one sequence number.
 *
 * Three questions: who is next to an item, who is within so many steps, and what an item brings to mind. The last is
 * spreading activation (Collins & Loftus, 1975) in the form of Anderson (1983), step by step:
 *
 *     a'(j) = a(j) + d · Σᵢ a(i) · w(i, j) / Σₖ |w(i, k)|
 *
 * where the sum runs over what became active in the step before, d is the decay of a step, and the fan of a source
 * divides what it gives. What falls below a threshold spreads no further.
 */

import { HoldfastError } from "../../base/index.ts";
import { compareChanges, compareText, type Direction, type Edge, type EdgeChange, type GraphLayer } from "./edge.ts";

export interface NeighbourOptions {
  /** "out" (default) follows edges from source to target, "in" against them, "both" either way. */
  readonly direction?: Direction | "both";
  /** Only edges of these types. */
  readonly types?: readonly string[];
}

export interface WalkOptions extends NeighbourOptions {
  /** At most so many items, the nearest first. Default 10,000. */
  readonly limit?: number;
  readonly signal?: AbortSignal;
}

export interface SpreadOptions extends WalkOptions {
  /** What of the activation goes on from step to step. Above 0, at most 1; default 0.5. */
  readonly decay?: number;
  /** Default 3, at most 100. */
  readonly steps?: number;
  /** An activation below this spreads no further. Default 0.001. */
  readonly threshold?: number;
}

export class GraphView {
  readonly #layers: readonly GraphLayer[];
  readonly #sequence: number;

  /** Layers in any order: what is newer says the sequence number. Changes above `sequence` are not seen. */
  constructor(layers: readonly GraphLayer[], sequence = Number.MAX_SAFE_INTEGER) {
    this.#layers = layers;
    this.#sequence = sequence;
  }

  /** Edges at the item, by type and then by the other end. */
  neighbours(id: string, options: NeighbourOptions = {}): Edge[] {
    const { direction = "out", types } = options;
    const directions: readonly Direction[] = direction === "both" ? ["out", "in"] : [direction];
    const edges = directions.flatMap((one) => this.#edgesOf(id, one));
    // A loop from an item to itself is found from both ends.
    const once = direction === "both" ? edges.filter((edge, place) => place === edges.findIndex(sameAs(edge))) : edges;
    return types === undefined ? once : once.filter((edge) => types.includes(edge.type));
  }

  /** All edges that leave the item, or enter it, each with the sequence number of the write that made it so. */
  withSequences(id: string, direction: Direction): (Edge & { readonly sequence: number })[] {
    const changes: EdgeChange[] = [];
    for (const layer of this.#layers) {
      for (const change of layer.changesOf(id, direction)) if (change.sequence <= this.#sequence) changes.push(change);
    }
    return [...newest(changes.sort(compareChanges))];
  }

  /** The weight of one edge; undefined where there is none. */
  weight(source: string, type: string, target: string): number | undefined {
    return this.#edgesOf(source, "out").find((edge) => edge.type === type && edge.target === target)?.weight;
  }

  /** Every item within `steps` steps, with its distance: the start is at 0. Nearest first, then by id. */
  within(id: string, steps: number, options: WalkOptions = {}): Map<string, number> {
    const limit = options.limit ?? 10_000;
    const found = new Map([[id, 0]]);
    let edge = [id];
    for (let step = 1; step <= steps && edge.length > 0 && found.size < limit; step++) {
      options.signal?.throwIfAborted();
      const next = new Set(edge.flatMap((one) => this.neighbours(one, options).map((found) => otherEnd(found, one))));
      edge = [...next]
        .filter((one) => !found.has(one))
        .sort(compareText)
        .slice(0, limit - found.size);
      for (const one of edge) found.set(one, step);
    }
    return found;
  }

  /** What these items bring to mind: activation by item, the strongest first. Throws STORE_GRAPH_OPTION. */
  spread(seeds: ReadonlyMap<string, number>, options: SpreadOptions = {}): Map<string, number> {
    const { decay = 0.5, steps = 3, threshold = 0.001, limit = 10_000 } = options;
    checkSpread(decay, steps, threshold);
    const total = new Map(seeds);
    let fresh = new Map(seeds);
    for (let step = 0; step < steps && fresh.size > 0; step++) {
      options.signal?.throwIfAborted();
      const given = new Map<string, number>();
      // In the order of their ids, so that sums of floating-point numbers are the same on every run.
      for (const [id, activation] of [...fresh].sort(([a], [b]) => compareText(a, b))) {
        if (Math.abs(activation) < threshold) continue;
        const edges = this.neighbours(id, options);
        const fan = edges.reduce((sum, edge) => sum + Math.abs(edge.weight), 0);
        if (fan === 0) continue;
        for (const edge of edges) {
          const to = otherEnd(edge, id);
          given.set(to, (given.get(to) ?? 0) + (decay * activation * edge.weight) / fan);
        }
      }
      for (const [id, activation] of given) total.set(id, (total.get(id) ?? 0) + activation);
      fresh = given;
      if (total.size >= limit) break;
    }
    return new Map([...total].sort(([a, x], [b, y]) => y - x || compareText(a, b)).slice(0, limit));
  }

  #edgesOf(id: string, direction: Direction): Edge[] {
    return this.withSequences(id, direction).map(({ sequence: _, ...edge }) => edge);
  }
}

/**
 * The changes of all layers that somebody may still see: of each edge the newest, and what was newest at each of the
 * snapshots. Where `isBottom` there are no other layers, and what changes nothing is dropped.
 */
export function mergeGraphs(
  layers: readonly GraphLayer[],
  options: { readonly snapshots?: readonly number[]; readonly isBottom?: boolean } = {},
): EdgeChange[] {
  const readers = [Number.MAX_SAFE_INTEGER, ...(options.snapshots ?? [])].sort((a, b) => b - a);
  const kept: EdgeChange[] = [];
  let edge: EdgeChange[] = [];
  const finish = (): void => {
    const seen = new Set(readers.map((sequence) => edge.find((change) => change.sequence <= sequence)));
    const wanted = edge.filter((change) => seen.has(change));
    kept.push(...(options.isBottom === true ? wanted.filter(saysMoreThan) : wanted));
    edge = [];
  };
  for (const change of layers.flatMap((layer) => [...layer.all()]).sort(compareChanges)) {
    if (edge.length > 0 && !isSameEdge(edge[0]!, change)) finish();
    edge.push(change);
  }
  finish();
  return kept;
}

/**
 * False for a change after which an edge is as it was before: removed where it was not there, or of the same weight.
 */
function saysMoreThan({ weight }: EdgeChange, place: number, newestFirst: readonly EdgeChange[]): boolean {
  return weight !== newestFirst[place + 1]?.weight;
}

/** Of each edge the first change, if it was not a removal. */
function* newest(sorted: readonly EdgeChange[]): Generator<Edge & { readonly sequence: number }> {
  for (const [place, change] of sorted.entries()) {
    if (place > 0 && isSameEdge(sorted[place - 1]!, change)) continue;
    const { source, type, target, weight, sequence } = change;
    if (weight !== undefined) yield { source, type, target, weight, sequence };
  }
}

function isSameEdge(a: EdgeChange, b: EdgeChange): boolean {
  return a.source === b.source && a.type === b.type && a.target === b.target;
}

function sameAs(edge: Edge): (other: Edge) => boolean {
  return ({ source, type, target }) => source === edge.source && type === edge.type && target === edge.target;
}

function otherEnd(edge: Edge, id: string): string {
  return edge.source === id ? edge.target : edge.source;
}

function checkSpread(decay: number, steps: number, threshold: number): void {
  const wrong = !(decay > 0 && decay <= 1) ? "decay" : !(steps >= 0 && steps <= 100) ? "steps" : undefined;
  if (wrong === undefined && threshold >= 0) return;
  throw new HoldfastError("STORE_GRAPH_OPTION", `${wrong ?? "threshold"} is out of range`, {
    hint: "decay is above 0 and at most 1, steps 0 to 100, threshold 0 or more",
    details: { option: wrong ?? "threshold" },
  });
}
