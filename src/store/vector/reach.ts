/**
 * Whether every live row can be reached from the entry over level 0, and links for those that cannot.
 *
 * Selecting a full list anew may drop the last link to a row. It is then linked from the nearest row that is reached:
 * into a free place, or in place of another link, which goes on from the row itself. So no way that there was is lost,
 * each step reaches at least one row more, and the walk ends.
 */
import { none } from "./graph.ts";
import type { IndexCore } from "./index-core.ts";

/** Rows walked over between two chances to pause. */
const rowsAtOnce = 512;
const searchWidth = 64;

class Walk {
  readonly reached: Uint8Array;
  readonly #core: IndexCore;
  readonly #queue: Uint32Array;
  #head = 0;
  #tail = 0;

  constructor(core: IndexCore) {
    this.#core = core;
    this.reached = new Uint8Array(core.graph.count);
    this.#queue = new Uint32Array(core.graph.count);
    if (core.graph.entry !== none) this.reach(core.graph.entry);
  }

  reach(row: number): void {
    if (this.reached[row] === 1) return;
    this.reached[row] = 1;
    this.#queue[this.#tail++] = row;
  }

  /** Goes on from at most `limit` rows; false where none was left. */
  advance(limit: number): boolean {
    const { graph } = this.#core;
    const width = graph.width(0);
    const end = Math.min(this.#tail, this.#head + limit);
    for (; this.#head < end; this.#head++) {
      const start = this.#queue[this.#head]! * width;
      for (let place = start; place < start + width && graph.base[place] !== none; place++) {
        this.reach(graph.base[place]!);
      }
    }
    return this.#head < this.#tail;
  }
}

/** Live rows that no way leads to. */
export function unreachableRows(core: IndexCore): number[] {
  const walk = new Walk(core);
  while (walk.advance(rowsAtOnce));
  const rows: number[] = [];
  for (let row = 0; row < core.graph.count; row++) if (walk.reached[row] === 0 && core.isLive(row)) rows.push(row);
  return rows;
}

/** Links every live row that cannot be reached; pauses at each `yield`. Rows must not be linked meanwhile. */
export function* restoreReach(core: IndexCore): Generator<void, void, void> {
  const walk = new Walk(core);
  for (let row = 0; row < walk.reached.length; row++) {
    while (walk.advance(rowsAtOnce)) yield;
    if (walk.reached[row] === 1 || !core.isLive(row)) continue;
    linkFromReached(core, row);
    walk.reach(row);
    yield;
  }
}

/** Once the walk has ended, what a search finds is what was reached. */
function linkFromReached(core: IndexCore, row: number): void {
  const { beam, column, graph } = core;
  column.aimAtRow(row);
  beam.begin(searchWidth, core.ids, graph.count);
  column.list[0] = graph.entry;
  column.measure(1);
  beam.enter(graph.entry, column.distances[0]!, undefined);
  beam.run(graph, 0, column, false);
  beam.sort();
  const width = graph.width(0);
  for (let place = 0; place < beam.found; place++) {
    const near = beam.foundRows[place]!;
    const degree = graph.degree(near, 0);
    if (degree === width) continue;
    graph.base[near * width + degree] = row;
    return;
  }
  const last = beam.foundRows[0]! * width + width - 1;
  const displaced = graph.base[last]!;
  graph.base[last] = row;
  const degree = graph.degree(row, 0);
  graph.base[row * width + Math.min(degree, width - 1)] = displaced;
}
