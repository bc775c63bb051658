/**
 * Which of very many ids were met: 8 bytes each, in a table that is at most half full.
 *
 * Ids are kept as fingerprints of 64 bits. Of a million ids two are mistaken for one another once in 37 million runs;
 * whoever uses this must lose nothing by it. Not for ids that an enemy chooses.
 */

import { assert } from "../../base/index.ts";

export class IdSet {
  /** Two words a place; both 0 where it is free. */
  #words = new Uint32Array(firstPlaces * 2);
  #size = 0;
  #low = 0;
  #high = 0;

  get size(): number {
    return this.#size;
  }

  has(id: string): boolean {
    this.#fingerprint(id);
    return this.#words[this.#place()] !== 0;
  }

  add(id: string): void {
    this.#fingerprint(id);
    const place = this.#place();
    if (this.#words[place] !== 0) return;
    this.#put(place);
    this.#size++;
    if (this.#size * 4 > this.#words.length) this.#grow();
  }

  /** Where the fingerprint stands, or would. */
  #place(): number {
    const mask = this.#words.length - 1;
    let place = (this.#low * 2) & mask;
    while (this.#words[place] !== 0 && (this.#words[place] !== this.#low || this.#words[place + 1] !== this.#high))
      place = (place + 2) & mask;
    return place;
  }

  #put(place: number): void {
    this.#words[place] = this.#low;
    this.#words[place + 1] = this.#high;
  }

  #grow(): void {
    const old = this.#words;
    this.#words = new Uint32Array(old.length * 2);
    for (let place = 0; place < old.length; place += 2) {
      if (old[place] === 0) continue;
      this.#low = old[place]!;
      this.#high = old[place + 1]!;
      this.#put(this.#place());
    }
    assert(this.#size * 4 <= this.#words.length, "half of the places are free");
  }

  /** Two walks over the units, in the manner of FNV-1a, with different multipliers; the low word is never 0. */
  #fingerprint(id: string): void {
    let low = 0x811c9dc5;
    let high = 0x2b1a4f37;
    for (let place = 0; place < id.length; place++) {
      const unit = id.charCodeAt(place);
      low = Math.imul(low ^ unit, 0x01000193);
      high = Math.imul(high ^ unit, 0x85ebca6b);
      high ^= high >>> 13;
    }
    low = Math.imul(low ^ (low >>> 16), 0x21f0aaad);
    this.#low = (low ^ (low >>> 15)) >>> 0 || 1;
    this.#high = (high ^ (high >>> 16)) >>> 0;
  }
}

const firstPlaces = 512;
