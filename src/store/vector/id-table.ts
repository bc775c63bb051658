/**
 * From an id to its newest row, by open addressing over typed arrays: a `Map` of a few million numbers is what the
 * garbage collector then walks at every turn.
 */
export class IdTable {
  /** Row + 1, or 0. */
  #slots = new Uint32Array(256);
  #used = 0;

  /** The newest row of that id, or -1. */
  rowOf(id: number, ids: Uint32Array): number {
    const mask = this.#slots.length - 1;
    for (let slot = scatter(id) & mask; ; slot = (slot + 1) & mask) {
      const row = this.#slots[slot]! - 1;
      if (row < 0 || ids[row] === id) return row;
    }
  }

  /** From now on the id, which stands in `ids`, has that row. */
  set(id: number, row: number, ids: Uint32Array): void {
    if (this.#used * 2 >= this.#slots.length) this.#grow(ids);
    if (this.#put(id, row, ids)) this.#used++;
  }

  #put(id: number, row: number, ids: Uint32Array): boolean {
    const mask = this.#slots.length - 1;
    for (let slot = scatter(id) & mask; ; slot = (slot + 1) & mask) {
      const other = this.#slots[slot]! - 1;
      if (other >= 0 && ids[other] !== id) continue;
      this.#slots[slot] = row + 1;
      return other < 0;
    }
  }

  #grow(ids: Uint32Array): void {
    const before = this.#slots;
    this.#slots = new Uint32Array(before.length * 2);
    for (const slot of before) if (slot > 0) this.#put(ids[slot - 1]!, slot - 1, ids);
  }
}

function scatter(id: number): number {
  const mixed = Math.imul(id ^ (id >>> 15), 0x9e3779b1);
  return (mixed ^ (mixed >>> 13)) >>> 0;
}
