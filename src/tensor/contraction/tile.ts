/**
 * The register tile: `rows` × (4 or 8) results, accumulated over a stream of B rows.
 *
 * Results stay in v128 locals; each step of k loads one row of a B panel (one or two vectors) and spreads one element
 * of A for each tile row over a vector. With relaxed SIMD a step is one fused multiply-add per accumulator, and 12 of
 * them hide its latency; without, a product and a sum, for which fewer rows leave the registers room.
 */
import type { ContractionContext } from "../codegen/interface.ts";
import type { FunctionBuilder, Local } from "../wasm/function-builder.ts";

/** Rows of a tile that fit 16 vector registers. */
export function tileRows(relaxed: boolean, rows: number): number {
  return Math.min(relaxed ? 6 : 5, rows);
}

export interface TileShape {
  readonly rows: number;
  /** Vectors of four columns: 1 or 2. */
  readonly vectors: number;
  /** Columns that are results; the rest of the last vector is dropped. */
  readonly columns: number;
}

export class Tile {
  readonly shape: TileShape;
  readonly #b: FunctionBuilder;
  readonly #relaxed: boolean;
  /** Independent sums for few rows, added up at the end. */
  readonly #chains: number;
  readonly #sums: Local[] = [];
  readonly #columnsB: Local[] = [];
  readonly #spread: Local;

  constructor(context: ContractionContext, shape: TileShape) {
    this.#b = context.builder;
    this.#relaxed = context.relaxed;
    this.shape = shape;
    this.#chains = shape.rows * shape.vectors <= 2 ? 4 : shape.rows * shape.vectors <= 4 ? 2 : 1;
    const count = shape.rows * shape.vectors * this.#chains;
    for (let place = 0; place < count; place++) this.#sums.push(this.#b.local("v128"));
    for (let vector = 0; vector < shape.vectors; vector++) this.#columnsB.push(this.#b.local("v128"));
    this.#spread = this.#b.local("v128");
  }

  release(): void {
    this.#b.release(...this.#sums, ...this.#columnsB, this.#spread);
  }

  clear(): void {
    for (const sum of this.#sums) this.#b.f32x4(0).set(sum);
  }

  /** One step of k: B at `pointerB + offsetB`, the A element of row r at `pointersA[r] + offsetA(r)`. */
  step(
    pointerB: Local,
    offsetB: number,
    pointerA: (row: number) => Local,
    offsetA: (row: number) => number,
    k: number,
  ): void {
    const b = this.#b;
    const { rows, vectors } = this.shape;
    for (const [vector, column] of this.#columnsB.entries())
      b.get(pointerB)
        .memory("v128.load", offsetB + vector * 16)
        .set(column);
    for (let row = 0; row < rows; row++) {
      b.get(pointerA(row)).memory("v128.load32_splat", offsetA(row), 2).set(this.#spread);
      for (let vector = 0; vector < vectors; vector++) {
        const sum = this.#sum(row, vector, k % this.#chains);
        if (this.#relaxed) b.get(this.#spread).get(this.#columnsB[vector]!).get(sum).op("f32x4.relaxed_madd").set(sum);
        else b.get(sum).get(this.#spread).get(this.#columnsB[vector]!).op("f32x4.mul").op("f32x4.add").set(sum);
      }
    }
  }

  /** Steps of k that should be written out at once. */
  get unroll(): number {
    return Math.max(this.#chains, this.shape.rows * this.shape.vectors <= 4 ? 4 : 2);
  }

  /** Hands every result to the epilogue: `indices` gives the indices of a row but the last, `column` the last. */
  finish(context: ContractionContext, indices: (row: number) => readonly Index[], column: Index): void {
    const b = this.#b;
    for (let row = 0; row < this.shape.rows; row++) {
      for (let vector = 0; vector < this.shape.vectors; vector++) {
        const sum = this.#sum(row, vector, 0);
        for (let chain = 1; chain < this.#chains; chain++)
          b.get(sum)
            .get(this.#sum(row, vector, chain))
            .op("f32x4.add")
            .set(sum);
        const columns = Math.min(4, this.shape.columns - vector * 4);
        const at = (lane: number): Index => ({ ...column, constant: column.constant + vector * 4 + lane });
        if (columns === 4 && context.epilogue.canUseLanes) {
          context.epilogue.lanes([...indices(row), at(0)], sum);
          continue;
        }
        const single = b.local("f32");
        for (let lane = 0; lane < columns; lane++) {
          b.get(sum).lane("f32x4.extract_lane", lane).set(single);
          context.epilogue.single([...indices(row), at(lane)], single);
        }
        b.release(single);
      }
    }
  }

  #sum(row: number, vector: number, chain: number): Local {
    return this.#sums[(row * this.shape.vectors + vector) * this.#chains + chain]!;
  }
}

type Index = Parameters<ContractionContext["epilogue"]["single"]>[0][number];
