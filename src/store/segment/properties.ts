/**
 * What a segment says of itself: enough to plan by, without reading entries.
 *
 *      0  u64 entries                  40  u64 bytes of all keys
 *      8  u64 keys                     48  u64 bytes of all values
 *     16  u64 tombstones               56  u32 length of the smallest key
 *     24  u64 smallest sequence        60  u32 length of the largest key
 *     32  u64 largest sequence         64  both keys
 *
 * After the keys: u64 entries with an expiry, u64 the earliest expiry in ms (0 where none has one).
 */

import { readU64, viewOf, writeU64 } from "../little-endian.ts";

export interface SegmentProperties {
  /** Versions of all keys, tombstones among them. */
  readonly entries: number;
  readonly keys: number;
  readonly tombstones: number;
  readonly smallestSequence: number;
  readonly largestSequence: number;
  readonly keyBytes: number;
  readonly valueBytes: number;
  readonly smallestKey: Uint8Array;
  readonly largestKey: Uint8Array;
  readonly expiring: number;
  readonly earliestExpiryMs: number;
}

const headBytes = 64;
const endBytes = 16;

export function encodeProperties(properties: SegmentProperties): Uint8Array {
  const { smallestKey, largestKey } = properties;
  const keysLength = smallestKey.length + largestKey.length;
  const bytes = new Uint8Array(headBytes + keysLength + endBytes);
  const view = viewOf(bytes);
  const { entries, keys, tombstones, smallestSequence, largestSequence, keyBytes, valueBytes } = properties;
  for (const [place, value] of [
    entries,
    keys,
    tombstones,
    smallestSequence,
    largestSequence,
    keyBytes,
    valueBytes,
  ].entries())
    writeU64(view, 8 * place, value);
  view.setUint32(56, smallestKey.length, true);
  view.setUint32(60, largestKey.length, true);
  bytes.set(smallestKey, headBytes);
  bytes.set(largestKey, headBytes + smallestKey.length);
  writeU64(view, headBytes + keysLength, properties.expiring);
  writeU64(view, headBytes + keysLength + 8, properties.earliestExpiryMs);
  return bytes;
}

/** undefined where the bytes cannot be properties. */
export function decodeProperties(bytes: Uint8Array): SegmentProperties | undefined {
  if (bytes.length < headBytes + endBytes) return undefined;
  const view = viewOf(bytes);
  const smallestEnd = headBytes + view.getUint32(56, true);
  const largestEnd = smallestEnd + view.getUint32(60, true);
  if (largestEnd + endBytes !== bytes.length) return undefined;
  const properties: SegmentProperties = {
    entries: readU64(view, 0),
    keys: readU64(view, 8),
    tombstones: readU64(view, 16),
    smallestSequence: readU64(view, 24),
    largestSequence: readU64(view, 32),
    keyBytes: readU64(view, 40),
    valueBytes: readU64(view, 48),
    smallestKey: bytes.slice(headBytes, smallestEnd),
    largestKey: bytes.slice(smallestEnd, largestEnd),
    expiring: readU64(view, largestEnd),
    earliestExpiryMs: readU64(view, largestEnd + 8),
  };
  return Object.values(properties).some((value) => Number.isNaN(value)) ? undefined : properties;
}
