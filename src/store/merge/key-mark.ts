/** Remembers one key without copying it: bytes under a cursor never change. */

import type { Cursor } from "../cursor.ts";
import { noBytes } from "../entry.ts";

export class KeyMark {
  #bytes: Uint8Array = noBytes;
  #from = 0;
  #to = -1;

  set(cursor: Cursor): void {
    this.#bytes = cursor.keyBytes;
    this.#from = cursor.keyFrom;
    this.#to = cursor.keyTo;
  }

  /** From the last byte on, for neighbours mostly differ there. */
  isAt(cursor: Cursor): boolean {
    const length = this.#to - this.#from;
    if (cursor.keyTo - cursor.keyFrom !== length) return false;
    const bytes = this.#bytes;
    const other = cursor.keyBytes;
    const shift = cursor.keyFrom - this.#from;
    for (let place = this.#to - 1; place >= this.#from; place--)
      if (bytes[place] !== other[place + shift]) return false;
    return true;
  }
}
