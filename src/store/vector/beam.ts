/**
 * Best-first search on one level: from given rows, always on from the nearest that has not been expanded, until none
 * is nearer than the worst of the `ef` nearest found.
 *
 * All links of a row that have not been seen are measured in one kernel call. What is found may be bound to a bitmap
 * of rows: others lead on, but are not found. Among equal distances the smaller id counts as nearer.
 */
import type { LinkGraph } from "./graph.ts";
import { none } from "./graph.ts";
import type { VectorColumn } from "./vector-column.ts";

/** Bit `row % 32` of word `row / 32`. */
export type RowBitmap = Uint32Array;

export class Beam {
  /** Found so far, as a heap whose first is the farthest; after `sort`, from the nearest on. */
  foundDistances = new Float32Array(256);
  foundRows = new Uint32Array(256);
  found = 0;
  /** Distances computed since `begin`. */
  visited = 0;
  #ids: Uint32Array = new Uint32Array(0);
  #ef = 0;
  #distances = new Float32Array(1024);
  #rows = new Uint32Array(1024);
  #waiting = 0;
  #stamps = new Uint16Array(0);
  #stamp = 0;

  /** Forgets what was found; `ids` break ties and belong to rows up to `rows`. */
  begin(ef: number, ids: Uint32Array, rows: number): void {
    this.#ids = ids;
    this.#ef = ef;
    this.found = 0;
    this.#waiting = 0;
    this.visited = 0;
    if (this.foundRows.length < ef + 1) {
      this.foundDistances = new Float32Array(ef * 2);
      this.foundRows = new Uint32Array(ef * 2);
    }
    if (this.#stamps.length < rows) {
      this.#stamps = new Uint16Array(Math.max(rows, this.#stamps.length * 2));
      this.#stamp = 0;
    }
    if (++this.#stamp > 0xffff) {
      this.#stamps.fill(0);
      this.#stamp = 1;
    }
  }

  /** A row to begin from. */
  enter(row: number, distance: number, accepted: RowBitmap | undefined): void {
    if (this.#stamps[row] === this.#stamp) return;
    this.#stamps[row] = this.#stamp;
    this.#push(distance, row);
    if (accepted === undefined || (accepted[row >>> 5]! >>> (row & 31)) & 1) this.offer(distance, row);
  }

  /** The row is neither found nor gone on from. */
  exclude(row: number): void {
    this.#stamps[row] = this.#stamp;
  }

  /** Runs to the end; false where more than `limit` distances were needed, and what was found is not all. */
  run(
    graph: LinkGraph,
    level: number,
    column: VectorColumn,
    byCodes: boolean,
    accepted?: RowBitmap,
    limit = Number.POSITIVE_INFINITY,
  ): boolean {
    const { list, distances } = column;
    const links = graph.column(level);
    const width = graph.width(level);
    const stamps = this.#stamps;
    const stamp = this.#stamp;
    const ef = this.#ef;
    while (this.#waiting > 0) {
      const nearest = this.#distances[0]!;
      if (this.found === ef && nearest > this.foundDistances[0]!) break;
      const start = graph.start(this.#rows[0]!, level);
      this.#pop();
      let count = 0;
      for (let place = start; place < start + width; place++) {
        const row = links[place]!;
        if (row === none) break;
        if (stamps[row] === stamp) continue;
        stamps[row] = stamp;
        list[count++] = row;
      }
      if (count === 0) continue;
      if (byCodes) column.measureCodes(count);
      else column.measure(count);
      this.visited += count;
      for (let place = 0; place < count; place++) {
        const distance = distances[place]!;
        if (this.found === ef && distance > this.foundDistances[0]!) continue;
        const row = list[place]!;
        this.#push(distance, row);
        if (accepted === undefined || (accepted[row >>> 5]! >>> (row & 31)) & 1) this.offer(distance, row);
      }
      if (this.visited > limit) return false;
    }
    return true;
  }

  /** Keeps the row where it is among the `ef` nearest. */
  offer(distance: number, row: number): void {
    const { foundDistances: distances, foundRows: rows } = this;
    if (this.found < this.#ef) {
      this.#rise(distance, row);
      return;
    }
    const worst = distances[0]!;
    if (distance > worst || (distance === worst && this.#ids[row]! > this.#ids[rows[0]!]!)) return;
    this.#sink(distance, row, this.found);
  }

  /** Puts what was found in order, the nearest first. */
  sort(): void {
    const { foundDistances: distances, foundRows: rows } = this;
    for (let end = this.found - 1; end > 0; end--) {
      const [distance, row] = [distances[0]!, rows[0]!];
      this.#sink(distances[end]!, rows[end]!, end);
      distances[end] = distance;
      rows[end] = row;
    }
  }

  /** True where the first is farther than the second. */
  #farther(distance: number, row: number, otherDistance: number, other: number): boolean {
    if (distance !== otherDistance) return distance > otherDistance;
    return this.#ids[row]! > this.#ids[other]!;
  }

  #rise(distance: number, row: number): void {
    const { foundDistances: distances, foundRows: rows } = this;
    let place = this.found++;
    while (place > 0) {
      const parent = (place - 1) >>> 1;
      if (!this.#farther(distance, row, distances[parent]!, rows[parent]!)) break;
      distances[place] = distances[parent]!;
      rows[place] = rows[parent]!;
      place = parent;
    }
    distances[place] = distance;
    rows[place] = row;
  }

  /** In place of the first of `count` that are found. */
  #sink(distance: number, row: number, count: number): void {
    const { foundDistances: distances, foundRows: rows } = this;
    let place = 0;
    for (;;) {
      let child = place * 2 + 1;
      if (child >= count) break;
      if (
        child + 1 < count &&
        this.#farther(distances[child + 1]!, rows[child + 1]!, distances[child]!, rows[child]!)
      ) {
        child++;
      }
      if (!this.#farther(distances[child]!, rows[child]!, distance, row)) break;
      distances[place] = distances[child]!;
      rows[place] = rows[child]!;
      place = child;
    }
    distances[place] = distance;
    rows[place] = row;
  }

  #push(distance: number, row: number): void {
    if (this.#waiting === this.#rows.length) this.#grow();
    const [distances, rows] = [this.#distances, this.#rows];
    let place = this.#waiting++;
    while (place > 0) {
      const parent = (place - 1) >>> 1;
      if (distances[parent]! <= distance) break;
      distances[place] = distances[parent]!;
      rows[place] = rows[parent]!;
      place = parent;
    }
    distances[place] = distance;
    rows[place] = row;
  }

  #pop(): void {
    const [distances, rows] = [this.#distances, this.#rows];
    const count = --this.#waiting;
    const [distance, row] = [distances[count]!, rows[count]!];
    let place = 0;
    for (;;) {
      let child = place * 2 + 1;
      if (child >= count) break;
      if (child + 1 < count && distances[child + 1]! < distances[child]!) child++;
      if (distances[child]! >= distance) break;
      distances[place] = distances[child]!;
      rows[place] = rows[child]!;
      place = child;
    }
    distances[place] = distance;
    rows[place] = row;
  }

  #grow(): void {
    const distances = new Float32Array(this.#distances.length * 2);
    distances.set(this.#distances);
    this.#distances = distances;
    const rows = new Uint32Array(this.#rows.length * 2);
    rows.set(this.#rows);
    this.#rows = rows;
  }
}
