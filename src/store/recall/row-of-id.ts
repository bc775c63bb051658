/**
 * From an id to the row of its newest version: open addressing over numbers, at most two thirds full. A `Map` of a
 * million strings is what the garbage collector then walks at every turn.
 *
 * Rows are sorted, so that the other versions of the id are those that follow.
 */

import { hashKey } from "../key.ts";
import { hasId, type RowsColumns } from "./rows-column.ts";
import type { Slices } from "./slices.ts";

/** More than any id has: what of a longer text fits in is none. */
const scratch = new Uint8Array(1_040);
const encoder = new TextEncoder();
const hash = new Uint32Array(2);

export class RowOfId {
  readonly #columns: RowsColumns;
  /** The row plus 1; 0 where the slot is free. */
  readonly #slots: Uint32Array;

  private constructor(columns: RowsColumns, ids: number) {
    this.#columns = columns;
    let slots = 16;
    while (slots * 2 < ids * 3) slots *= 2;
    this.#slots = new Uint32Array(slots);
  }

  static async of(columns: RowsColumns, slices: Slices, signal?: AbortSignal): Promise<RowOfId> {
    const rows = columns.sequences.length;
    const table = new RowOfId(columns, rows);
    for (let row = 0; row < rows; row++) {
      const id = idBytes(columns, row);
      if (row === 0 || !hasId(columns, row - 1, id)) table.#place(row, id);
      if (row % 64 === 63 && slices.isSpent(64)) await slices.pause(signal);
    }
    return table;
  }

  get memoryBytes(): number {
    return this.#slots.byteLength;
  }

  /** -1 where there is none. */
  find(id: string): number {
    const { written } = encoder.encodeInto(id, scratch);
    const bytes = scratch.subarray(0, written);
    const mask = this.#slots.length - 1;
    hashKey(bytes, hash);
    for (let slot = hash[0]! & mask; this.#slots[slot] !== 0; slot = (slot + 1) & mask) {
      const row = this.#slots[slot]! - 1;
      if (hasId(this.#columns, row, bytes)) return row;
    }
    return -1;
  }

  #place(row: number, id: Uint8Array): void {
    const mask = this.#slots.length - 1;
    hashKey(id, hash);
    let slot = hash[0]! & mask;
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
    this.#slots[slot] = row + 1;
  }
}

function idBytes({ ids, idStarts }: RowsColumns, row: number): Uint8Array {
  return ids.subarray(idStarts[row]!, idStarts[row + 1]!);
}
