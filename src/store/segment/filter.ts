/**
 * Which keys a segment surely has not: a Bloom filter split into blocks of 256 bits, so that a question touches one
 * cache line. The upper half of a key's hash chooses the block; the lower half, times eight odd numbers, one bit in
 * each of its eight words (Putze, Sanders, Singler 2007; the form is that of Impala and Parquet).
 *
 * With 12 bits a key, about 1 in 200 keys that are not there is taken for present. Nothing that is there ever is
 * missed.
 *
 *     u32 × 8 a block, nothing else
 */

export const bitsPerKey = 12;
const wordsInBlock = 8;
const salts = [0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d, 0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31] as const;

export class Filter {
  readonly #words: Uint32Array;
  readonly #blocks: number;

  constructor(words: Uint32Array) {
    this.#words = words;
    this.#blocks = words.length / wordsInBlock;
  }

  get lengthBytes(): number {
    return this.#words.byteLength;
  }

  /** False only where no key with this hash was put in. */
  mayHold(low: number, high: number): boolean {
    const words = this.#words;
    const at = Math.floor((high / 2 ** 32) * this.#blocks) * wordsInBlock;
    return (
      ((words[at] >>> (Math.imul(low, 0x47b6137b) >>> 27)) &
        (words[at + 1] >>> (Math.imul(low, 0x44974d91) >>> 27)) &
        (words[at + 2] >>> (Math.imul(low, 0x8824ad5b) >>> 27)) &
        (words[at + 3] >>> (Math.imul(low, 0xa2b7289d) >>> 27)) &
        (words[at + 4] >>> (Math.imul(low, 0x705495c7) >>> 27)) &
        (words[at + 5] >>> (Math.imul(low, 0x2df1424b) >>> 27)) &
        (words[at + 6] >>> (Math.imul(low, 0x9efc4947) >>> 27)) &
        (words[at + 7] >>> (Math.imul(low, 0x5c6bfb31) >>> 27)) &
        1) ===
      1
    );
  }
}

/** Takes the hashes of keys as they come, and makes the filter when their number is known: eight bytes a key. */
export class FilterBuilder {
  #hashes = new Uint32Array(512);
  #count = 0;

  add(low: number, high: number): void {
    if (this.#count + 2 > this.#hashes.length) {
      const longer = new Uint32Array(this.#hashes.length * 2);
      longer.set(this.#hashes);
      this.#hashes = longer;
    }
    this.#hashes[this.#count++] = low;
    this.#hashes[this.#count++] = high;
  }

  finish(): Uint8Array {
    const blocks = Math.max(1, Math.ceil(((this.#count / 2) * bitsPerKey) / (32 * wordsInBlock)));
    const words = new Uint32Array(blocks * wordsInBlock);
    for (let place = 0; place < this.#count; place += 2) {
      const low = this.#hashes[place];
      const at = Math.floor((this.#hashes[place + 1] / 2 ** 32) * blocks) * wordsInBlock;
      for (let word = 0; word < wordsInBlock; word++) words[at + word] |= 1 << (Math.imul(low, salts[word]) >>> 27);
    }
    return new Uint8Array(words.buffer);
  }
}

/** undefined where the bytes have not the length of a filter; they begin on a multiple of four. */
export function decodeFilter(bytes: Uint8Array): Filter | undefined {
  if (bytes.length === 0 || bytes.length % (4 * wordsInBlock) !== 0) return undefined;
  return new Filter(new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4));
}
