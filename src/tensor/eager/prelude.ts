/**
 * The functions that printed programs call, as JavaScript text: included once in front of them.
 *
 * Plain text without imports, because it is also embedded in what Holdfast delivers. It uses nothing newer than
 * ES2020, draws no randomness and keeps no state but scratch words.
 */
export const eagerPrelude = `"use strict";
const $f32 = new Float32Array(1), $u32 = new Uint32Array($f32.buffer), $i32 = new Int32Array($f32.buffer);
const $f64 = new Float64Array(1), $i64 = new BigInt64Array($f64.buffer);
const $fround = Math.fround;
function $nearest(x) {
  if (!(Math.abs(x) < 2251799813685248)) return x;
  const r = x < 0 ? x - 4503599627370496 + 4503599627370496 : x + 4503599627370496 - 4503599627370496;
  return r === 0 ? (x < 0 ? -0 : x === 0 ? x : 0) : r;
}
function $fromHalf(h) {
  const m = h & 0x7fff;
  let v;
  if (m >= 0x7c00) v = m === 0x7c00 ? Infinity : NaN;
  else { $u32[0] = m << 13; v = $f32[0] * 5192296858534827628530496329220096; }
  return h & 0x8000 ? -v : v;
}
function $toHalf(x) {
  $f32[0] = x;
  const s = ($u32[0] >>> 16) & 0x8000, m = $u32[0] & 0x7fffffff;
  if (m > 0x7f800000) return s | 0x7e00;
  if (m >= 0x477ff000) return s | 0x7c00;
  if (m < 0x38800000) return s | (Math.abs($f32[0]) * 16777216 + 4503599627370496 - 4503599627370496);
  return s | ((m + 0xfff + ((m >>> 13) & 1) - 0x38000000) >>> 13);
}
function $fromBrain(h) { $u32[0] = h << 16; return $f32[0]; }
function $toBrain(x) {
  $f32[0] = x;
  const a = $u32[0];
  if ((a & 0x7fffffff) > 0x7f800000) return (a >>> 16) | 0x40;
  return ((a + 0x7fff + ((a >>> 16) & 1)) >>> 16) & 0xffff;
}
function $bitsOfF32(x) { $f32[0] = x; return $i32[0]; }
function $f32OfBits(x) { $i32[0] = x; return $f32[0]; }
function $bitsOfF64(x) { $f64[0] = x; return $i64[0]; }
function $f64OfBits(x) { $i64[0] = x; return $f64[0]; }
function $toI32(x) { return x >= 2147483647 ? 2147483647 : x <= -2147483648 ? -2147483648 : x | 0; }
function $toU32(x) { return x >= 4294967295 ? 4294967295 : x > 0 ? x >>> 0 : 0; }
function $toI64(x) {
  if (x !== x) return 0n;
  if (x >= 9223372036854775808) return 9223372036854775807n;
  if (x <= -9223372036854775808) return -9223372036854775808n;
  return BigInt(Math.trunc(x));
}
function $toU64(x) {
  if (!(x > 0)) return 0n;
  return x >= 18446744073709551616 ? 18446744073709551615n : BigInt(Math.trunc(x));
}
function $bigToF32(x) {
  const n = Number(x);
  if (n <= 9007199254740991 && n >= -9007199254740991) return $fround(n);
  const a = x < 0n ? -x : x;
  const r = $fround(Number((a >> 16n) | (a & 0xffffn ? 1n : 0n))) * 65536;
  return x < 0n ? -r : r;
}
function $wordsToF32(high, low) {
  const n = high * 4294967296 + low;
  return n <= 9007199254740991 && n >= -9007199254740991 ? $fround(n) : $bigToF32((BigInt(high) << 32n) | BigInt(low));
}
function $div64(a, b) { return b === 0n ? 0n : BigInt.asIntN(64, a / b); }
function $rem64(a, b) { return b === 0n ? 0n : BigInt.asIntN(64, a % b); }
function $divU64(a, b) { return b === 0n ? 0n : BigInt.asUintN(64, a / b); }
function $remU64(a, b) { return b === 0n ? 0n : BigInt.asUintN(64, a % b); }
function $shl64(a, b) { return b < 0n || b > 63n ? 0n : BigInt.asIntN(64, a << b); }
function $shr64(a, b) { return b < 0n || b > 63n ? (a < 0n ? -1n : 0n) : a >> b; }
function $shlU64(a, b) { return b > 63n ? 0n : BigInt.asUintN(64, a << b); }
function $shrU64(a, b) { return b > 63n ? 0n : a >> b; }
function $pow(a, b) {
  if (a === 1) return 1;
  if (a === -1 && (b === Infinity || b === -Infinity)) return 1;
  return Math.pow(a, b);
}
function $powI32(a, b) {
  if (b < 0) return a === 1 ? 1 : a === -1 ? (b & 1 ? -1 : 1) : 0;
  let r = 1;
  for (; b > 0; b = (b / 2) | 0) { if (b & 1) r = Math.imul(r, a); a = Math.imul(a, a); }
  return r;
}
function $powU32(a, b) {
  let r = 1;
  for (; b > 0; b = Math.floor(b / 2)) { if (b % 2) r = Math.imul(r, a); a = Math.imul(a, a); }
  return r >>> 0;
}
function $powBig(a, b, wrap) {
  if (b < 0n) return a === 1n ? 1n : a === -1n ? (b & 1n ? -1n : 1n) : 0n;
  let r = 1n;
  for (; b > 0n; b >>= 1n) { if (b & 1n) r = wrap(64, r * a); a = wrap(64, a * a); }
  return r;
}
function $erf(x) {
  const a = Math.abs(x);
  if (!(a < 6)) return x !== x ? x : x < 0 ? -1 : 1;
  let r;
  if (a < 2.75) {
    let term = a, sum = a;
    for (let n = 1; term > sum * 1e-17; n++) { term *= (2 * a * a) / (2 * n + 1); sum += term; }
    r = 1.1283791670955126 * Math.exp(-a * a) * sum;
  } else {
    let f = a;
    for (let n = 60; n > 0; n--) f = a + n / 2 / f;
    r = 1 - (0.5641895835477563 * Math.exp(-a * a)) / f;
  }
  return x < 0 ? -r : r;
}
`;
