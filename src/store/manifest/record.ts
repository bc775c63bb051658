/**
 * A manifest file is a list of edits, the first of which makes the whole state. Each edit stands there twice, in two
 * records that share no sector of 512 bytes: one bad place takes nothing away, not even from the last edit, of which
 * otherwise nobody could tell whether it rotted or was never finished.
 *
 *      0  u32 CRC-32 of all that follows, going on from that of the manifest's number and of the offset
 *      4  u32 magic "HMAN"
 *      8  u32 format version
 *     12  u32 length of the edit
 *     16  u64 number of the edit, from 0
 *     24  u64 number of the manifest
 *     32  u32 link: CRC-32 of the edit before, going on from the link there; 0 in the first
 *     36  u32 copy, 0 or 1
 *     40  the edit (edit-codec.ts), then zeros up to a multiple of 512
 *
 * An edit is written, both copies, and synced before the next is begun. So behind a bad place
 *
 *     stands the other copy                       -> the edit is whole; the bad copy is reported
 *     stands any good record of this manifest     -> damage: this place was durable once
 *     stands nothing                              -> a torn tail: an edit that was never acknowledged
 *
 * but for the first edit: a manifest is named when that is durable.
 */

import { crc32 } from "node:zlib";
import { readU64, viewOf, writeU64 } from "../little-endian.ts";

export const manifestVersion = 1;
export const sectorBytes = 512;
export const editLimitBytes: number = 64 * 2 ** 20;
const headBytes = 40;
const magic = 0x4e414d48;

export interface EditRecord {
  readonly number: number;
  readonly body: Uint8Array;
  /** Of the edit before. */
  readonly link: number;
  readonly copy: number;
  /** With the zeros behind it. */
  readonly lengthBytes: number;
}

export function linkAfter(link: number, body: Uint8Array): number {
  return crc32(body, link);
}

/** Both copies of an edit, for this place of this manifest. */
export function encodeEditRecords(
  place: { readonly manifest: number; readonly offset: number; readonly number: number; readonly link: number },
  body: Uint8Array,
): Uint8Array {
  const lengthBytes = Math.ceil((headBytes + body.length) / sectorBytes) * sectorBytes;
  const both = new Uint8Array(2 * lengthBytes);
  for (const copy of [0, 1]) {
    const record = both.subarray(copy * lengthBytes, (copy + 1) * lengthBytes);
    const view = viewOf(record);
    view.setUint32(4, magic, true);
    view.setUint32(8, manifestVersion, true);
    view.setUint32(12, body.length, true);
    writeU64(view, 16, place.number);
    writeU64(view, 24, place.manifest);
    view.setUint32(32, place.link, true);
    view.setUint32(36, copy, true);
    record.set(body, headBytes);
    view.setUint32(0, checksumOf(record, place.manifest, place.offset + copy * lengthBytes), true);
  }
  return both;
}

/** The record that stands here; undefined where none is whole; or the version where it is not known. */
export function recordAt(
  bytes: Uint8Array,
  manifest: number,
  offset: number,
): EditRecord | { readonly version: number } | undefined {
  if (offset + sectorBytes > bytes.length) return undefined;
  const view = viewOf(bytes);
  if (view.getUint32(offset + 4, true) !== magic) return undefined;
  const length = view.getUint32(offset + 12, true);
  if (length > editLimitBytes) return undefined;
  const lengthBytes = Math.ceil((headBytes + length) / sectorBytes) * sectorBytes;
  if (offset + lengthBytes > bytes.length) return undefined;
  const record = bytes.subarray(offset, offset + lengthBytes);
  if (view.getUint32(offset, true) !== checksumOf(record, manifest, offset)) return undefined; // mutant: manifest-crc
  const version = view.getUint32(offset + 8, true);
  if (version !== manifestVersion) return { version };
  if (readU64(view, offset + 24) !== manifest) return undefined;
  return {
    number: readU64(view, offset + 16),
    body: record.subarray(headBytes, headBytes + length),
    link: view.getUint32(offset + 32, true),
    copy: view.getUint32(offset + 36, true),
    lengthBytes,
  };
}

function checksumOf(record: Uint8Array, manifest: number, offset: number): number {
  const place = new Uint8Array(16);
  writeU64(viewOf(place), 0, manifest);
  writeU64(viewOf(place), 8, offset);
  return crc32(record.subarray(4), crc32(place));
}
