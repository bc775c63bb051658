/** Columns that grow: bytes of all rows one after the other, and numbers by row. */

export class GrowingBytes {
  #bytes = new Uint8Array(4_096);
  length = 0;

  append(part: Uint8Array): void {
    if (this.length + part.length > this.#bytes.length) {
      const wider = new Uint8Array(Math.max(this.length + part.length, this.#bytes.length * 2));
      wider.set(this.#bytes.subarray(0, this.length));
      this.#bytes = wider;
    }
    this.#bytes.set(part, this.length);
    this.length += part.length;
  }

  /** A view, good until the next `append`. */
  slice(from: number, to: number): Uint8Array {
    return this.#bytes.subarray(from, to);
  }
}

export class GrowingNumbers {
  #numbers = new Float64Array(512);
  length = 0;

  push(value: number): void {
    this.set(this.length, value);
  }

  /** Zeros come before it where there was nothing. */
  set(place: number, value: number): void {
    if (place >= this.#numbers.length) {
      const wider = new Float64Array(Math.max(place + 1, this.#numbers.length * 2));
      wider.set(this.#numbers);
      this.#numbers = wider;
    }
    this.#numbers[place] = value;
    this.length = Math.max(this.length, place + 1);
  }

  at(place: number): number {
    return this.#numbers[place]!;
  }

  /** A view, good until the next `set`. */
  get view(): Float64Array {
    return this.#numbers.subarray(0, this.length);
  }
}
