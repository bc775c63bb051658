/**
 * What stands under a key in place of content that lies in the content log.
 *
 *      0  u64 file in which it was first written; never another one, wherever compaction moves the bytes
 *      8  u32 row in that file
 *     12  u32 length of the content
 *     16  u32 CRC-32 of the content
 *     20  u32 0
 *
 * A handle stays what it is for as long as the content lives: compaction moves bytes, never keys (SPEC S5).
 */

import { HoldfastError } from "../../base/index.ts";
import { handleBytes } from "../entry.ts";
import { readU64, viewOf, writeU64 } from "../little-endian.ts";

export interface ContentHandle {
  readonly file: number;
  readonly row: number;
  readonly length: number;
  readonly checksum: number;
}

export function encodeHandle({ file, row, length, checksum }: ContentHandle): Uint8Array {
  const bytes = new Uint8Array(handleBytes);
  const view = viewOf(bytes);
  writeU64(view, 0, file);
  for (const [place, value] of [row, length, checksum].entries()) view.setUint32(8 + place * 4, value, true);
  return bytes;
}

/** Throws STORE_CONTENT_CORRUPT for bytes that are no handle. */
export function decodeHandle(bytes: Uint8Array): ContentHandle {
  const view = viewOf(bytes);
  const file = bytes.length === handleBytes ? readU64(view, 0) : Number.NaN;
  if (!Number.isSafeInteger(file) || view.getUint32(20, true) !== 0) {
    throw new HoldfastError("STORE_CONTENT_CORRUPT", `${bytes.length} bytes are no handle of content`, {
      hint: "what stands under this key was not written by the store: verify it",
    });
  }
  const [row, length, checksum] = [view.getUint32(8, true), view.getUint32(12, true), view.getUint32(16, true)];
  return { file, row, length, checksum };
}
