/**
 * One search: by comparing all where that is exact and cheap, else through the graph, and by comparing all after all
 * where the graph came back with too little.
 *
 * With a filter (or deletions) the beam walks over what does not match but returns only what does. That costs about
 * ef × M / share of matches distances; comparing all matches costs their number. The cheaper is chosen, and a beam
 * that has needed more distances than there are matches is given up, so that no filter, however far its matches lie
 * from the query, costs more than twice the comparison of all. Fewer than k come back only where fewer match.
 */

import type { RowBitmap } from "./beam.ts";
import { type Matches, matchesOf, type VectorFilter } from "./filter.ts";
import { none } from "./graph.ts";
import type { IndexCore } from "./index-core.ts";
import { listLimit, type VectorColumn } from "./vector-column.ts";

export interface VectorSearchResult {
  /** The nearest first; of equal distances the smaller id. */
  readonly ids: Uint32Array;
  /** In the sense of the index's metric, computed in f32 from the vectors. */
  readonly distances: Float32Array;
  /** True where all that could match were compared. */
  readonly exact: boolean;
  /** Distances computed. */
  readonly visited: number;
}

export function searchCore(
  core: IndexCore,
  query: Float32Array,
  k: number,
  ef: number,
  filter: VectorFilter | undefined,
): VectorSearchResult {
  // First, for a predicate may itself search here, from elsewhere.
  const matches = matchesOf(core, filter);
  core.column.aimAt(query);
  const wanted = Math.min(k, matches.count);
  if (wanted === 0) return { ids: new Uint32Array(0), distances: new Float32Array(0), exact: true, visited: 0 };
  let visited = 0;
  if (!comparesAll(core, matches, ef)) {
    const complete = throughGraph(core, matches, ef);
    visited = core.beam.visited;
    if (complete && core.beam.found >= wanted) return resultOf(core, wanted, false, visited);
  }
  core.beam.begin(wanted, core.ids, 0);
  scan(core, matches.rows, 0, core.column.count, false);
  return resultOf(core, wanted, true, visited + core.beam.visited);
}

function comparesAll(core: IndexCore, matches: Matches, ef: number): boolean {
  const { exactBelow, connectivity } = core.settings;
  const { count } = core.column;
  if (!core.searchable || core.graph.entry === none || matches.count <= exactBelow) return true;
  // A tail that has no links yet is compared; where that is more than the graph would save, all is.
  if (core.graph.count < count - exactBelow || core.graph.count * 2 < count) return true;
  return matches.rows !== undefined && matches.count * matches.count <= inOrder * ef * connectivity * count;
}

/** How many distances to rows that follow each other take the time of one to a row anywhere. */
const inOrder = 2;

/** False where it was given up. */
function throughGraph(core: IndexCore, matches: Matches, ef: number): boolean {
  const { beam, column, graph, ids } = core;
  const byCodes = column.codeRowBytes > 0;
  let entry = graph.entry;
  let distance = distanceTo(column, entry, byCodes);
  let visited = 1;
  for (let level = graph.topLevel; level > 0; level--) {
    beam.begin(1, ids, graph.count);
    beam.enter(entry, distance, undefined);
    beam.run(graph, level, column, byCodes);
    visited += beam.visited;
    [entry, distance] = [beam.foundRows[0]!, beam.foundDistances[0]!];
  }
  beam.begin(ef, ids, graph.count);
  beam.enter(entry, distance, matches.rows);
  const limit = matches.rows === undefined ? Number.POSITIVE_INFINITY : matches.count;
  const complete = beam.run(graph, 0, column, byCodes, matches.rows, limit);
  if (complete) scan(core, matches.rows, graph.count, column.count, byCodes);
  beam.visited += visited;
  if (complete && byCodes) measureFoundAgain(core);
  return complete;
}

function distanceTo(column: VectorColumn, row: number, byCodes: boolean): number {
  column.list[0] = row;
  if (byCodes) column.measureCodes(1);
  else column.measure(1);
  return column.distances[0]!;
}

/** Offers the beam all rows from `from` up to `to`, or those of them in the bitmap. */
function scan(core: IndexCore, rows: RowBitmap | undefined, from: number, to: number, byCodes: boolean): void {
  const { column } = core;
  let waiting = 0;
  const measure = (): void => {
    offerListed(core, waiting, byCodes);
    waiting = 0;
  };
  if (rows === undefined) {
    for (let row = from; row < to; row++) {
      column.list[waiting++] = row;
      if (waiting === listLimit) measure();
    }
  } else {
    for (let word = from >>> 5; word < (to + 31) >>> 5; word++) {
      for (let left = rows[word]!; left !== 0; left &= left - 1) {
        const row = word * 32 + 31 - Math.clz32(left & -left);
        if (row < from) continue;
        column.list[waiting++] = row;
        if (waiting === listLimit) measure();
      }
    }
  }
  measure();
}

function offerListed(core: IndexCore, count: number, byCodes: boolean): void {
  const { beam, column } = core;
  if (count === 0) return;
  if (byCodes) column.measureCodes(count);
  else column.measure(count);
  beam.visited += count;
  for (let place = 0; place < count; place++) beam.offer(column.distances[place]!, column.list[place]!);
}

/** What was found by codes, once more by vectors. */
function measureFoundAgain(core: IndexCore): void {
  const { beam, column } = core;
  const rows = beam.foundRows.slice(0, beam.found);
  const visited = beam.visited;
  beam.begin(rows.length, core.ids, 0);
  for (let from = 0; from < rows.length; from += listLimit) {
    const part = rows.subarray(from, from + listLimit);
    column.list.set(part);
    offerListed(core, part.length, false);
  }
  beam.visited += visited;
}

function resultOf(core: IndexCore, wanted: number, exact: boolean, visited: number): VectorSearchResult {
  const { beam } = core;
  beam.sort();
  const ids = new Uint32Array(wanted);
  for (let place = 0; place < wanted; place++) ids[place] = core.ids[beam.foundRows[place]!]!;
  return { ids, distances: beam.foundDistances.slice(0, wanted), exact, visited };
}
