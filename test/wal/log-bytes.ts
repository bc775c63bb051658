/**
 * Log files as bytes, for those who damage them: where the frames lie, and how to make a frame's own checksums right
 * again after a field was changed. Written from the format's description, not with the code under test.
 */
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import type { Files } from "./memory-disk.ts";

export type Format = "binary" | "json";

export interface FrameBytes {
  readonly path: string;
  readonly from: number;
  readonly to: number;
}

export const headerBytes = 256;

/** The frames of all files, in order. */
export function framesOf(files: Files, format: Format): FrameBytes[] {
  const paths = [...files.keys()].filter((path) => path.endsWith(format === "json" ? ".jsonl" : ".wal")).sort();
  return paths.flatMap((path) => (format === "json" ? lines : binaryFrames)(path, files.get(path)!));
}

/** Where the last byte that is not zero ends. */
export function contentEnd(bytes: Uint8Array): number {
  return bytes.findLastIndex((byte) => byte !== 0) + 1;
}

function lines(path: string, bytes: Uint8Array): FrameBytes[] {
  const found: FrameBytes[] = [];
  for (let from = 0; from < bytes.length; ) {
    const end = bytes.indexOf(0x0a, from);
    if (end < 0) break;
    found.push({ path, from, to: end + 1 });
    from = end + 1;
  }
  return found;
}

function binaryFrames(path: string, bytes: Uint8Array): FrameBytes[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found: FrameBytes[] = [];
  for (let from = 0; from + headerBytes <= bytes.length && bytes[from] !== 0; ) {
    const to = Number(view.getBigUint64(from + 100, true));
    if (to <= from) break;
    found.push({ path, from, to });
    from = to;
  }
  return found;
}

/** Makes the checksums of one binary frame right again, those of its payload only where it lies within the bytes. */
export function resealBinary(frame: Uint8Array): void {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const payloadBytes = Number(view.getBigUint64(60, true));
  if (payloadBytes <= frame.length - headerBytes) {
    const payload = frame.subarray(headerBytes, headerBytes + payloadBytes);
    frame.set(createHash("sha256").update(payload).digest(), 68);
  }
  view.setUint32(108, 0, true);
  view.setUint32(108, crc32(frame.subarray(0, headerBytes)), true);
}

/** The line with its checksum right again, whatever stands before that. */
export function resealLine(text: string): string {
  const checked = text.replace(/,"crc":"[0-9a-f]{8}"\}\n?$/, "");
  return `${checked},"crc":"${crc32(checked).toString(16).padStart(8, "0")}"}\n`;
}

export function replaced(files: Files, path: string, bytes: Uint8Array): Map<string, Uint8Array> {
  return new Map(files).set(path, bytes);
}

/** The bytes with those from `from` to `to` replaced. */
export function spliced(bytes: Uint8Array, from: number, to: number, put: Uint8Array): Uint8Array {
  const all = new Uint8Array(from + put.length + Math.max(0, bytes.length - to));
  all.set(bytes.subarray(0, from));
  all.set(put, from);
  all.set(bytes.subarray(to), from + put.length);
  return all;
}
