/**
 * Links a row into the graph: algorithm 1 of the paper with the selection of algorithm 4.
 *
 * A list that overflows is selected anew. What the selection leaves out is filled in again, the nearest first, up to
 * half of the level's width: that is the floor under which no list falls while there are rows to link to, and leaves
 * room, so that not every new link causes another selection.
 */
import type { Beam } from "./beam.ts";
import { type LinkGraph, levelOf, none } from "./graph.ts";
import type { VectorColumn } from "./vector-column.ts";

/** Rows that chosen ones are compared with at once: few, for most that are left out are left out early. */
const compareAtOnce = 8;

export class Linker {
  readonly #graph: LinkGraph;
  readonly #column: VectorColumn;
  readonly #beam: Beam;
  readonly #chosen = new Uint32Array(1_024);
  readonly #left = new Uint32Array(8_192);
  #order = new Uint32Array(1_024);
  #sortedRows = new Uint32Array(1_024);
  #sortedDistances = new Float32Array(1_024);

  constructor(graph: LinkGraph, column: VectorColumn, beam: Beam) {
    this.#graph = graph;
    this.#column = column;
    this.#beam = beam;
  }

  /** Gives the next row of the graph its place and, where it is live, its links. */
  insertNext(ids: Uint32Array, live: boolean): void {
    const { connectivity, seed } = this.#column.settings;
    const graph = this.#graph;
    const row = graph.append(live ? levelOf(ids[graph.count]!, seed, connectivity) : 0);
    if (!live) return;
    if (graph.entry === none) {
      graph.entry = row;
      return;
    }
    this.connect(row, ids);
    if (graph.levels[row]! > graph.topLevel) graph.entry = row;
  }

  /** Searches links for a row, on all its levels or on one of them alone, and links back. */
  connect(row: number, ids: Uint32Array, only?: number): void {
    const graph = this.#graph;
    const { efConstruction } = this.#column.settings;
    const level = graph.levels[row]!;
    this.#column.aimAtRow(row);
    let [entry, distance] = [graph.entry, this.#distanceTo(graph.entry)];
    for (let at = graph.topLevel; at >= 0; at--) {
      this.#column.aimAtRow(row);
      const beam = this.#beam;
      beam.begin(at > level || at > (only ?? at) ? 1 : efConstruction, ids, graph.count);
      // A row that has links already would be what it finds first, and where it goes on from.
      if (entry !== row) beam.exclude(row);
      beam.enter(entry, distance, undefined);
      beam.run(graph, at, this.#column, false);
      beam.sort();
      [entry, distance] = [beam.foundRows[0]!, beam.foundDistances[0]!];
      if (at <= level && (only ?? at) === at) this.#linkBothWays(row, at, ids);
    }
  }

  #distanceTo(row: number): number {
    this.#column.list[0] = row;
    this.#column.measure(1);
    return this.#column.distances[0]!;
  }

  #linkBothWays(row: number, level: number, ids: Uint32Array): void {
    const graph = this.#graph;
    const beam = this.#beam;
    const { connectivity } = graph;
    let found = 0;
    for (let place = 0; place < beam.found; place++) {
      if (beam.foundRows[place] === row) continue;
      beam.foundRows[found] = beam.foundRows[place]!;
      beam.foundDistances[found++] = beam.foundDistances[place]!;
    }
    const count = this.select(beam.foundRows, beam.foundDistances, found, connectivity, connectivity);
    graph.link(row, level, this.#chosen, count);
    const column = graph.column(level);
    const start = graph.start(row, level);
    for (let place = start; place < start + count; place++) this.#linkFrom(column[place]!, row, level, ids);
  }

  /** One more link of `from`; where its list is full, the best of all are selected. */
  #linkFrom(from: number, to: number, level: number, ids: Uint32Array): void {
    const graph = this.#graph;
    const column = graph.column(level);
    const [start, width] = [graph.start(from, level), graph.width(level)];
    for (let place = start; place < start + width; place++) {
      if (column[place] === to) return;
      if (column[place] !== none) continue;
      column[place] = to;
      return;
    }
    const order = this.#order;
    for (let place = 0; place < width; place++) order[place] = column[start + place]!;
    order[width] = to;
    this.relink(from, level, order, width + 1, width >>> 1, ids);
  }

  /** Selects links of a row from `candidates`, and fills them up to `floor`. */
  relink(row: number, level: number, candidates: Uint32Array, count: number, floor: number, ids: Uint32Array): void {
    const graph = this.#graph;
    this.#column.aimAtRow(row);
    this.#sortByDistance(candidates, count, ids);
    const width = graph.width(level);
    const chosen = this.select(this.#sortedRows, this.#sortedDistances, count, width, floor);
    graph.link(row, level, this.#chosen, chosen);
  }

  #sortByDistance(candidates: Uint32Array, count: number, ids: Uint32Array): void {
    const column = this.#column;
    const [rows, distances] = [this.#sortedRows, this.#sortedDistances];
    for (let place = 0; place < count; place++) column.list[place] = candidates[place]!;
    column.measure(count);
    for (let next = 0; next < count; next++) {
      const [row, distance] = [column.list[next]!, column.distances[next]!];
      let place = next;
      while (place > 0) {
        const before = distances[place - 1]!;
        if (before < distance || (before === distance && ids[rows[place - 1]!]! <= ids[row]!)) break;
        rows[place] = rows[place - 1]!;
        distances[place] = before;
        place--;
      }
      rows[place] = row;
      distances[place] = distance;
    }
  }

  /**
   * Of rows from the nearest on, those that are nearer to where we stand than to any chosen before: up to `most`, then
   * filled up to `floor` with the nearest of the others. They are in `#chosen` afterwards; returns how many.
   */
  select(rows: Uint32Array, distances: Float32Array, count: number, most: number, floor: number): number {
    const chosen = this.#chosen;
    let chosenCount = 0;
    let leftCount = 0;
    for (let place = 0; place < count && chosenCount < most; place++) {
      const row = rows[place]!;
      if (chosenCount === 0 || this.#isApart(row, distances[place]!, chosenCount)) chosen[chosenCount++] = row;
      else this.#left[leftCount++] = row;
    }
    for (let place = 0; place < leftCount && chosenCount < floor; place++) chosen[chosenCount++] = this.#left[place]!;
    return chosenCount;
  }

  #isApart(row: number, distance: number, chosenCount: number): boolean {
    const column = this.#column;
    const { list, distances } = column;
    column.aimAtRow(row);
    for (let from = 0; from < chosenCount; from += compareAtOnce) {
      const count = Math.min(compareAtOnce, chosenCount - from);
      for (let place = 0; place < count; place++) list[place] = this.#chosen[from + place]!;
      column.measure(count);
      for (let place = 0; place < count; place++) if (distances[place]! < distance) return false;
    }
    return true;
  }
}
