/**
 * Row numbers for epilogues: one flat row number where the epilogue allows it, else the indices it stands for, computed
 * by division. Tiles cover rows in steps; the last tile is moved back so that it ends with the last row, and computes
 * some rows a second time to the same result.
 */
import type { ContractionContext, IndexBinding } from "../codegen/interface.ts";
import type { Local } from "../wasm/function-builder.ts";

export class RowIndices {
  readonly #context: ContractionContext;
  readonly #extents: readonly number[];
  readonly #flat: boolean;
  #indices: Local[][] = [];
  #row: Local | undefined;

  /** `extents`: those of all indices but the last. */
  constructor(context: ContractionContext, extents: readonly number[]) {
    this.#context = context;
    this.#extents = extents;
    this.#flat = context.epilogue.flattens(extents);
  }

  /** Computes what `of` needs for rows `row`, `row + 1`, … */
  prepare(row: Local, rows: number): void {
    this.#row = row;
    if (this.#flat) return;
    const { builder: b } = this.#context;
    for (let place = 0; place < rows; place++) {
      this.#indices[place] ??= this.#extents.map(() => b.local("i32"));
      const rest = b.local("i32");
      b.get(row).i32(place).op("i32.add").set(rest);
      for (let axis = this.#extents.length - 1; axis >= 0; axis--) {
        const index = this.#indices[place]![axis]!;
        b.get(rest).i32(this.#extents[axis]!).op("i32.rem_u").set(index);
        b.get(rest).i32(this.#extents[axis]!).op("i32.div_u").set(rest);
      }
      b.release(rest);
    }
  }

  of(place: number): IndexBinding[] {
    if (!this.#flat) return this.#indices[place]!.map((local) => ({ local, constant: 0 }));
    const zeros = this.#extents.slice(1).map(() => ({ constant: 0 }));
    return [...zeros, { local: this.#row!, constant: place }];
  }
}
