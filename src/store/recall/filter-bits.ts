/**
 * Which rows of a layer pass a filter: asked once for each row, in slices, and remembered for as long as the filter is
 * in use. Rows never change, so that what was found stays right; those that were added since are asked then.
 */

import { type Clock, untilAborted } from "../../base/index.ts";
import type { Metadata } from "../item/item.ts";
import type { RowBits } from "./row-visibility.ts";
import { Slices } from "./slices.ts";
import type { RowFilter } from "./vector-layer.ts";

/** Rows with an embedding, as the index numbers them. */
export interface FilterRows {
  readonly count: number;
  idOf(row: number): string;
  metadataOf(row: number): Metadata | undefined;
}

interface Asked {
  /** How many rows were. */
  rows: number;
  bits: RowBits;
  work: Promise<void> | undefined;
}

export class FilterBits {
  readonly #rows: FilterRows;
  readonly #clock: Clock;
  /** By filter, so that one that nobody holds any more is forgotten. */
  readonly #asked = new WeakMap<RowFilter, Asked>();

  constructor(rows: FilterRows, clock: Clock) {
    this.#rows = rows;
    this.#clock = clock;
  }

  /**
   * A bit for each row there is; at once where all have been asked before. Several that wait for the same share the
   * work, which goes on to its end where one of them stops waiting.
   */
  of(filter: RowFilter, signal: AbortSignal | undefined): RowBits | Promise<RowBits> {
    let asked = this.#asked.get(filter);
    if (asked === undefined) {
      asked = { rows: 0, bits: new Uint32Array(0), work: undefined };
      this.#asked.set(filter, asked);
    }
    return asked.rows >= this.#rows.count ? asked.bits : this.#whenAsked(filter, asked, signal);
  }

  async #whenAsked(filter: RowFilter, asked: Asked, signal: AbortSignal | undefined): Promise<RowBits> {
    while (asked.rows < this.#rows.count) {
      asked.work ??= this.#ask(filter, asked).finally(() => {
        asked.work = undefined;
      });
      await untilAborted(asked.work, signal);
    }
    return asked.bits;
  }

  async #ask(filter: RowFilter, asked: Asked): Promise<void> {
    const rows = this.#rows;
    const slices = new Slices(this.#clock);
    while (asked.rows < rows.count) {
      const row = asked.rows;
      if (row >>> 5 >= asked.bits.length) asked.bits = longer(asked.bits, rows.count);
      if (filter.passes(rows.metadataOf(row), rows.idOf(row))) asked.bits[row >>> 5]! |= 1 << (row & 31);
      asked.rows++;
      if (slices.isSpent()) await slices.pause();
    }
  }
}

function longer(bits: RowBits, rows: number): RowBits {
  const more = new Uint32Array(Math.max((rows + 31) >>> 5, bits.length * 2));
  more.set(bits);
  return more;
}
