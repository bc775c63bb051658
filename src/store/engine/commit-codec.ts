/**
 * What one commit is in the log: all its entries, in one payload of one log entry.
 *
 *      0  u8   1, the version of this layout
 *      1  u8   0, three of them
 *      4  u32  how many entries
 *      8       the entries, each:
 *                 0  u8   kind, as in entry.ts
 *                 1  u8   0
 *                 2  u16  K: bytes of the key
 *                 4  u32  V: bytes of the value
 *                 8  u32  flags
 *                12  f32  κ
 *                16  f64  when it expires, ms since 1970; 0 where it stays
 *                24       key, K bytes; value, V bytes
 *
 * Little-endian. The number of the log entry is the sequence number of them all; the log's checksums cover the bytes.
 */

import { HoldfastError } from "../../base/index.ts";
import { type Entry, type EntryKind, entryKind } from "../entry.ts";
import { viewOf } from "../little-endian.ts";

/** An entry whose sequence number the log has not given out yet. */
export type NewEntry = Omit<Entry, "sequence">;

const headBytes = 8;
const entryHeadBytes = 24;

export function encodeCommit(entries: readonly NewEntry[]): Uint8Array {
  let sizeBytes = headBytes;
  for (const { key, value } of entries) sizeBytes += entryHeadBytes + key.length + value.length;
  const bytes = new Uint8Array(sizeBytes);
  const view = new DataView(bytes.buffer);
  bytes[0] = 1;
  view.setUint32(4, entries.length, true);
  let at = headBytes;
  for (const { key, value, kind, flags, kappa, expiryMs } of entries) {
    bytes[at] = kind;
    view.setUint16(at + 2, key.length, true);
    view.setUint32(at + 4, value.length, true);
    view.setUint32(at + 8, flags, true);
    view.setFloat32(at + 12, kappa, true);
    view.setFloat64(at + 16, expiryMs, true);
    bytes.set(key, at + entryHeadBytes);
    bytes.set(value, at + entryHeadBytes + key.length);
    at += entryHeadBytes + key.length + value.length;
  }
  return bytes;
}

/** Throws STORE_LOG_CORRUPT for what the log holds and no store wrote. */
export function decodeCommit(payload: Uint8Array, sequence: number): Entry[] {
  if (payload.length < headBytes || payload[0] !== 1) throw corrupt(sequence, "it does not begin as a commit does");
  const view = viewOf(payload);
  const count = view.getUint32(4, true);
  const entries: Entry[] = [];
  let at = headBytes;
  for (let place = 0; place < count; place++) {
    if (at + entryHeadBytes > payload.length) throw corrupt(sequence, `entry ${place} is cut short`);
    const kind = payload[at] as EntryKind;
    const keyAt = at + entryHeadBytes;
    const valueAt = keyAt + view.getUint16(at + 2, true);
    const end = valueAt + view.getUint32(at + 4, true);
    if (end > payload.length) throw corrupt(sequence, `entry ${place} is cut short`);
    if (kind !== entryKind.value && kind !== entryKind.tombstone) throw corrupt(sequence, `entry ${place} is no entry`);
    entries.push({
      key: payload.subarray(keyAt, valueAt),
      value: payload.subarray(valueAt, end),
      sequence,
      kind,
      flags: view.getUint32(at + 8, true),
      kappa: view.getFloat32(at + 12, true),
      expiryMs: view.getFloat64(at + 16, true),
    });
    at = end;
  }
  if (at !== payload.length) throw corrupt(sequence, "something stands after its entries");
  return entries;
}

function corrupt(sequence: number, reason: string): HoldfastError {
  return new HoldfastError("STORE_LOG_CORRUPT", `entry ${sequence} of the log is no commit of a store: ${reason}`, {
    hint: "Another program wrote into this log; restore the store from a backup.",
    details: { sequence },
  });
}
