/**
 * How the store's files have numbers, and checksums that know where they stand: all of it little-endian, 64-bit numbers
 * as safe integers.
 */

import { crc32 } from "node:zlib";
import { assert } from "../base/index.ts";

const place = new Uint8Array(16);
const placeView = new DataView(place.buffer);

/** The CRC-32 of the bytes, bound to the file and the offset at which they stand. */
export function checksumAt(fileId: number, offset: number, bytes: Uint8Array): number {
  writeU64(placeView, 0, fileId);
  writeU64(placeView, 8, offset);
  return crc32(bytes, crc32(place));
}

export function writeU64(view: DataView, at: number, value: number): void {
  assert(Number.isSafeInteger(value) && value >= 0, "what is stored in 64 bits is a safe integer");
  view.setUint32(at, value >>> 0, true);
  view.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
}

/** NaN where it is no safe integer: every comparison with it then fails. */
export function readU64(view: DataView, at: number): number {
  const value = view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
  return Number.isSafeInteger(value) ? value : Number.NaN;
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
