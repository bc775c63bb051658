/** The columns of one index, side by side; a row is a place in each. What is promised of it: `vector-index.ts`. */
import { HoldfastError } from "../../base/index.ts";
import { Beam, type RowBitmap } from "./beam.ts";
import { LinkGraph } from "./graph.ts";
import { IdTable } from "./id-table.ts";
import { Linker } from "./insert.ts";
import type { IndexSettings } from "./options.ts";
import { VectorColumn } from "./vector-column.ts";

export class IndexCore {
  readonly settings: IndexSettings;
  readonly column: VectorColumn;
  readonly graph: LinkGraph;
  readonly beam = new Beam();
  readonly linker: Linker;
  readonly table = new IdTable();
  /** By row. */
  ids: Uint32Array = new Uint32Array(64);
  /** Rows that have not been deleted. */
  live: RowBitmap = new Uint32Array(2);
  liveCount = 0;
  /** Every id is its row: bitmaps of ids are bitmaps of rows. */
  idsAreRows = true;
  /** False while a graph that was taken over has holes. */
  searchable = true;

  constructor(settings: IndexSettings, capacity: number, kernels?: "simd" | "javascript", graph?: LinkGraph) {
    this.settings = settings;
    this.column = new VectorColumn(settings, capacity, kernels);
    this.graph = graph ?? new LinkGraph(settings.connectivity);
    this.linker = new Linker(this.graph, this.column, this.beam);
  }

  isLive(row: number): boolean {
    return ((this.live[row >>> 5]! >>> (row & 31)) & 1) === 1;
  }

  /** The row of a live id, or -1. */
  rowOf(id: number): number {
    const row = this.table.rowOf(id, this.ids);
    return row >= 0 && this.isLive(row) ? row : -1;
  }

  /** Throws as `VectorColumn.append`, and STORE_VECTOR_DUPLICATE; the index is as before then. */
  add(id: number, vector: Float32Array): void {
    if (this.rowOf(id) >= 0) {
      throw new HoldfastError("STORE_VECTOR_DUPLICATE", `id ${id} is in the index already`, {
        hint: "delete it before, to replace its vector",
        details: { id },
      });
    }
    this.column.append(vector);
    this.noteRow(id);
  }

  /** The row that the column took last is that id's, and live. */
  noteRow(id: number): void {
    const row = this.column.count - 1;
    if (row >= this.ids.length) {
      const rows = Math.max(row + 1, this.ids.length * 2);
      this.ids = extended(this.ids, rows);
      this.live = extended(this.live, (rows + 31) >>> 5);
    }
    this.ids[row] = id;
    this.idsAreRows &&= id === row;
    this.table.set(id, row, this.ids);
    this.live[row >>> 5]! |= 1 << (row & 31);
    this.liveCount++;
  }

  delete(id: number): boolean {
    const row = this.rowOf(id);
    if (row < 0) return false;
    this.live[row >>> 5]! &= ~(1 << (row & 31));
    this.liveCount--;
    return true;
  }

  /** A graph is begun where comparing all would take too long, and kept up from then on. */
  get wantsGraph(): boolean {
    return this.graph.count > 0 || this.column.count > this.settings.exactBelow;
  }
}

function extended(words: Uint32Array, length: number): Uint32Array {
  const longer = new Uint32Array(length);
  longer.set(words);
  return longer;
}
