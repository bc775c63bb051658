/** From the hash of a key to the row that stands for it: open addressing, linear probing, at most half full. */

import { type Rows, wordsInRow } from "./rows.ts";

const firstSlots = 512;

export class KeyTable {
  readonly #rows: Rows;
  /** The row plus 1; 0 where the slot is free. */
  #slots = new Uint32Array(firstSlots);
  count = 0;

  constructor(rows: Rows) {
    this.#rows = rows;
  }

  get allocatedBytes(): number {
    return this.#slots.byteLength;
  }

  /** The row that stands for this key, or -1. */
  find(key: Uint8Array, hash: number): number {
    const slots = this.#slots;
    const { words } = this.#rows;
    const mask = slots.length - 1;
    for (let slot = hash & mask; slots[slot] !== 0; slot = (slot + 1) & mask) {
      const row = slots[slot] - 1;
      if (words[row * wordsInRow] === hash && this.#rows.compareKey(key, row) === 0) return row;
    }
    return -1;
  }

  /** Names a row whose key is not there yet. */
  add(row: number, hash: number): void {
    this.count++;
    if (this.count * 2 > this.#slots.length) this.#grow();
    place(this.#slots, row, hash);
  }

  #grow(): void {
    const wider = new Uint32Array(this.#slots.length * 2);
    const { words } = this.#rows;
    for (const named of this.#slots) if (named !== 0) place(wider, named - 1, words[(named - 1) * wordsInRow]);
    this.#slots = wider;
  }
}

function place(slots: Uint32Array, row: number, hash: number): void {
  const mask = slots.length - 1;
  let slot = hash & mask;
  while (slots[slot] !== 0) slot = (slot + 1) & mask;
  slots[slot] = row + 1;
}
