/**
 * float16 and bfloat16 as raw bits, to numbers and back. Rounding is to nearest, ties to even; NaN stays a (quiet) NaN,
 * what is too large becomes an infinity. Written with integer bits alone, so that it gives the same on every engine.
 */

const floats = new Float32Array(1);
const bits = new Uint32Array(floats.buffer);

export function float16ToNumber(half: number): number {
  const magnitude = half & 0x7fff;
  let value: number;
  if (magnitude >= 0x7c00) value = magnitude === 0x7c00 ? Infinity : NaN;
  else {
    // The same bits read as float32 are too small by 2^112, subnormals included.
    bits[0] = magnitude << 13;
    value = floats[0]! * 2 ** 112;
  }
  return half & 0x8000 ? -value : value;
}

export function numberToFloat16(value: number): number {
  floats[0] = value;
  const sign = (bits[0]! >>> 16) & 0x8000;
  const magnitude = bits[0]! & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude < 0x38800000) {
    // Subnormal: a multiple of 2^-24. Adding and taking away 2^52 leaves double's rounding to do ours.
    const scaled = Math.abs(floats[0]!) * 2 ** 24;
    return sign | (scaled + 2 ** 52 - 2 ** 52);
  }
  return sign | ((magnitude + 0xfff + ((magnitude >>> 13) & 1) - 0x38000000) >>> 13);
}

export function bfloat16ToNumber(half: number): number {
  bits[0] = half << 16;
  return floats[0]!;
}

export function numberToBfloat16(value: number): number {
  floats[0] = value;
  const all = bits[0]!;
  if ((all & 0x7fffffff) > 0x7f800000) return (all >>> 16) | 0x40;
  return ((all + 0x7fff + ((all >>> 16) & 1)) >>> 16) & 0xffff;
}
