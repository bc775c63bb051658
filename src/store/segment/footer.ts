/** Both ends of a segment file: the header, and the table of sections with the tail (drawn in format.ts). */

import { crc32 } from "node:zlib";
import { bytesEqual } from "../../base/index.ts";
import { checksumAt, readU64, viewOf, writeU64 } from "../little-endian.ts";
import { formatVersion, headerBytes, magic, type Section, sectionLimit, tableRowBytes, tailBytes } from "./format.ts";

export interface Tail {
  readonly fileId: number;
  readonly sizeBytes: number;
  readonly sections: number;
  readonly tableChecksum: number;
}

export function encodeHeader(fileId: number): Uint8Array {
  const bytes = new Uint8Array(headerBytes);
  const view = viewOf(bytes);
  bytes.set(magic);
  view.setUint32(8, formatVersion, true);
  writeU64(view, 16, fileId);
  view.setUint32(12, headerChecksum(bytes), true);
  return bytes;
}

/** Why this is not the header of that file; undefined where it is. */
export function headerFault(bytes: Uint8Array, fileId: number): string | undefined {
  const view = viewOf(bytes);
  if (!bytesEqual(bytes.subarray(0, 8), magic)) return "the file does not begin as a segment";
  if (view.getUint32(12, true) !== headerChecksum(bytes)) return "the checksum of the header is wrong";
  if (readU64(view, 16) !== fileId) return "the header is of another file";
  if (bytes.subarray(24).some((byte) => byte !== 0)) return "the end of the header is not empty";
  return undefined;
}

function headerChecksum(bytes: Uint8Array): number {
  return crc32(bytes.subarray(16, 24), crc32(bytes.subarray(0, 12)));
}

export function encodeTable(sections: readonly Section[]): Uint8Array {
  const bytes = new Uint8Array(tableRowBytes * sections.length);
  const view = viewOf(bytes);
  for (const [place, { type, checksum, offset, lengthBytes }] of sections.entries()) {
    const at = place * tableRowBytes;
    view.setUint32(at, type, true);
    view.setUint32(at + 4, checksum, true);
    writeU64(view, at + 8, offset);
    writeU64(view, at + 16, lengthBytes);
  }
  return bytes;
}

/** The sections; or why they cannot be those of a file whose table begins at `tableOffset`. */
export function decodeTable(bytes: Uint8Array, tableOffset: number): Section[] | string {
  const view = viewOf(bytes);
  const sections: Section[] = [];
  let end = headerBytes;
  for (let at = 0; at < bytes.length; at += tableRowBytes) {
    const section = {
      type: view.getUint32(at, true),
      checksum: view.getUint32(at + 4, true),
      offset: readU64(view, at + 8),
      lengthBytes: readU64(view, at + 16),
    };
    const isAfter = section.offset >= end && section.offset % 64 === 0;
    if (!isAfter || !(section.offset + section.lengthBytes <= tableOffset)) return "sections overlap or leave the file";
    if (sections.some(({ type }) => type === section.type)) return "two sections have the same type";
    end = section.offset + section.lengthBytes;
    sections.push(section);
  }
  return sections;
}

export function encodeTail({ fileId, sizeBytes, sections, tableChecksum }: Tail): {
  readonly tail: Uint8Array;
  readonly checksum: number;
} {
  const tail = new Uint8Array(tailBytes);
  const view = viewOf(tail);
  view.setUint32(4, tableChecksum, true);
  writeU64(view, 8, fileId);
  writeU64(view, 16, sizeBytes);
  view.setUint32(24, sections, true);
  view.setUint32(28, formatVersion, true);
  tail.set(magic, 56);
  const checksum = crc32(tail.subarray(4));
  view.setUint32(0, checksum, true);
  return { tail, checksum };
}

/** The tail; or why these 64 bytes are none; or the version where it is not known. */
export function decodeTail(bytes: Uint8Array): Tail | string | { readonly version: number } {
  const view = viewOf(bytes);
  if (!bytesEqual(bytes.subarray(56), magic)) return "the file does not end as a segment";
  if (view.getUint32(0, true) !== crc32(bytes.subarray(4))) return "the checksum of the tail is wrong";
  const version = view.getUint32(28, true);
  if (version !== formatVersion) return { version };
  const tail = {
    fileId: readU64(view, 8),
    sizeBytes: readU64(view, 16),
    sections: view.getUint32(24, true),
    tableChecksum: view.getUint32(4, true),
  };
  if (tail.sections > sectionLimit) return "there are more sections than a segment has";
  return tail;
}

export function isTable(bytes: Uint8Array, fileId: number, offset: number, checksum: number): boolean {
  return checksumAt(fileId, offset, bytes) === checksum;
}
