/**
 * The layer of the graph that is written to: everything since the last flush, in memory, found from both ends.
 *
 * Older changes of an edge are kept beside newer ones, for readers of a snapshot; `encodeGraph` makes an immutable
 * layer of it when the memtable beside it is flushed.
 */

import { checkChange, compareChanges, type Direction, type EdgeChange, type GraphLayer } from "./edge.ts";

export class GraphDelta implements GraphLayer {
  readonly #out = new Map<string, EdgeChange[]>();
  readonly #in = new Map<string, EdgeChange[]>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Writes an edge, or removes it where `weight` is undefined. Throws STORE_GRAPH_EDGE. */
  write(change: EdgeChange): void {
    checkChange(change);
    const rounded = change.weight === undefined ? change : { ...change, weight: Math.fround(change.weight) };
    append(this.#out, change.source, rounded);
    append(this.#in, change.target, rounded);
    this.#size++;
  }

  changesOf(id: string, direction: Direction): readonly EdgeChange[] {
    return (direction === "out" ? this.#out : this.#in).get(id) ?? [];
  }

  all(): EdgeChange[] {
    return [...this.#out.values()].flat().sort(compareChanges);
  }
}

function append(map: Map<string, EdgeChange[]>, id: string, change: EdgeChange): void {
  const list = map.get(id);
  if (list === undefined) map.set(id, [change]);
  else list.push(change);
}
