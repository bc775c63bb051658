/**
 * Checksums: CRC-32 (IEEE 802.3, reflected 0xEDB88320), FNV-1a 64 and SHA-256 (FIPS 180-4).
 *
 * SHA-256 is written out here because the compiler is pure: it may not ask the platform. Layers that may do so use the
 * platform's, which is faster; both give the same bytes.
 */

const crcTable = /* @__PURE__ */ (() => {
  const tables = [new Uint32Array(256), new Uint32Array(256), new Uint32Array(256), new Uint32Array(256)] as const;
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
    tables[0][byte] = crc >>> 0;
  }
  for (let byte = 0; byte < 256; byte++) {
    for (let slice = 1; slice < 4; slice++) {
      const before = tables[slice - 1]![byte]!;
      tables[slice]![byte] = ((before >>> 8) ^ tables[0][before & 0xff]!) >>> 0;
    }
  }
  return tables;
})();

/** CRC-32 of the bytes, going on from `seed` (the CRC of what came before). */
export function crc32(bytes: Uint8Array, seed = 0): number {
  const [t0, t1, t2, t3] = crcTable;
  let crc = ~seed >>> 0;
  let place = 0;
  for (; place + 4 <= bytes.length; place += 4) {
    crc ^= bytes[place]! | (bytes[place + 1]! << 8) | (bytes[place + 2]! << 16) | (bytes[place + 3]! << 24);
    crc = t3[crc & 0xff]! ^ t2[(crc >>> 8) & 0xff]! ^ t1[(crc >>> 16) & 0xff]! ^ t0[crc >>> 24]!;
  }
  for (; place < bytes.length; place++) crc = (crc >>> 8) ^ t0[(crc ^ bytes[place]!) & 0xff]!;
  return ~crc >>> 0;
}

/** FNV-1a, 64 bits: in two halves of 32 bits with whole numbers alone, which engines keep in registers. */
export function fnv1a64(bytes: Uint8Array): bigint {
  let high = 0xcbf29ce4 | 0;
  let low = 0x84222325 | 0;
  for (let place = 0; place < bytes.length; place++) {
    low ^= bytes[place]!;
    // Times 2^40 + 0x1b3: the low half by its own two halves, so that no product leaves 32 bits.
    const first = (low & 0xffff) * 0x1b3;
    const second = (low >>> 16) * 0x1b3 + (first >>> 16);
    high = (Math.imul(high, 0x1b3) + (second >>> 16) + (low << 8)) | 0;
    low = (second << 16) | (first & 0xffff);
  }
  return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
}

const roundConstants = /* @__PURE__ */ (() => {
  const constants = new Int32Array(64);
  let found = 0;
  for (let candidate = 2; found < 64; candidate++) {
    let prime = true;
    for (let divisor = 2; divisor * divisor <= candidate; divisor++) if (candidate % divisor === 0) prime = false;
    if (!prime) continue;
    const root = Math.cbrt(candidate);
    constants[found++] = Math.floor((root - Math.floor(root)) * 2 ** 32) | 0;
  }
  return constants;
})();

const initialState = [
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
] as const;

/** SHA-256 taken in pieces. */
export class Sha256 {
  readonly #state = Int32Array.from(initialState);
  readonly #block = new Uint8Array(64);
  readonly #schedule = new Int32Array(64);
  #filled = 0;
  #length = 0;

  update(bytes: Uint8Array): this {
    this.#length += bytes.length;
    let place = 0;
    if (this.#filled > 0) {
      const taken = Math.min(64 - this.#filled, bytes.length);
      this.#block.set(bytes.subarray(0, taken), this.#filled);
      this.#filled += taken;
      place = taken;
      if (this.#filled < 64) return this;
      this.#compress(this.#block, 0);
      this.#filled = 0;
    }
    for (; place + 64 <= bytes.length; place += 64) this.#compress(bytes, place);
    if (place < bytes.length) {
      this.#block.set(bytes.subarray(place), 0);
      this.#filled = bytes.length - place;
    }
    return this;
  }

  /** The 32 bytes of the digest; the object is spent afterwards. */
  digest(): Uint8Array {
    const bits = this.#length * 8;
    const padding = new Uint8Array(this.#filled < 56 ? 64 - this.#filled : 128 - this.#filled);
    padding[0] = 0x80;
    const view = new DataView(padding.buffer);
    view.setUint32(padding.length - 8, Math.floor(bits / 2 ** 32));
    view.setUint32(padding.length - 4, bits >>> 0);
    this.update(padding);
    const digest = new DataView(new ArrayBuffer(32));
    for (const [place, word] of this.#state.entries()) digest.setInt32(place * 4, word);
    return new Uint8Array(digest.buffer);
  }

  #compress(bytes: Uint8Array, from: number): void {
    const w = this.#schedule;
    for (let t = 0; t < 16; t++) {
      const at = from + t * 4;
      w[t] = (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
    }
    for (let t = 16; t < 64; t++) {
      const x = w[t - 15]!;
      const y = w[t - 2]!;
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      w[t] = (w[t - 16]! + s0 + w[t - 7]! + s1) | 0;
    }
    const state = this.#state;
    let [a, b, c, d, e, f, g, h] = state as unknown as [number, number, number, number, number, number, number, number];
    for (let t = 0; t < 64; t++) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + roundConstants[t]! + w[t]!) | 0;
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g;
      g = f;
      f = e;
      e = (d + t1) | 0;
      d = c;
      c = b;
      b = a;
      a = (t1 + t2) | 0;
    }
    for (const [place, value] of [a, b, c, d, e, f, g, h].entries()) state[place] = (state[place]! + value) | 0;
  }
}

export function sha256(bytes: Uint8Array): Uint8Array {
  return new Sha256().update(bytes).digest();
}
