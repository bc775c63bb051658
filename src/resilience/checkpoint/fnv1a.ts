/**
 * FNV-1a, 64 bits, over states that may have hundreds of megabytes: in two halves of 32 bits with whole numbers alone,
 * which engines keep in registers.
 */

/** What `fnv1a64` of base gives, several times as fast. */
export function fnv1a64Of(bytes: Uint8Array): bigint {
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
