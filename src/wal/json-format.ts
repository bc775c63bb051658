/**
 * The form for people (W2): one line of JSON a frame, in `.jsonl` files, readable with any text tool.
 *
 *     {"lsn":7,"type":"records","time":"2026-01-31T12:00:00.000Z","data":["an entry",{"base64":"/wA="}],"version":2,
 *      "file":1,"at":913,"synced":640,"epoch":"8f…","link":"51…","crc":"0a1b2c3d"}
 *
 * (on one line). `data` holds the payload, or each entry of an atomic group: as text where it is UTF-8 without control
 * characters, else in base64. `at` is the line's own offset, `synced` what was durable when it was written, `link` the
 * first half of the SHA-256 of the line before, `crc` the CRC-32 of all bytes before `,"crc"`. Frames of a transaction
 * carry its id in `tx`.
 */

import { crc32 } from "node:zlib";
import { hexOf, utf8, utf8Text } from "../base/index.ts";
import { hashOf } from "./binary-format.ts";
import type { FileReader } from "./file-reader.ts";
import { type FrameGroup, versionError, type WalFormat } from "./format.ts";
import {
  type EntryType,
  entryType,
  entryTypeNames,
  type Frame,
  type FrameContent,
  type FramePlace,
  noTransaction,
} from "./frame.ts";

const version = 2;
const newline = Uint8Array.of(0x0a);
/** In a payload the quotes would be escaped: so this begins a line, even where the newline before it is lost. */
const lineStart = utf8('{"lsn":');
/** Twice the largest payload, for escapes, and room for the rest of the line. */
const lineLimitBytes = 48 * 2 ** 20;
const linkBytes = 16;
const typesByName: ReadonlyMap<unknown, EntryType> = new Map(
  Object.entries(entryTypeNames).map(([type, name]) => [name, Number(type) as EntryType]),
);
const suffix = /^,"crc":"([0-9a-f]{8})"\}$/;
const suffixBytes = 18;

export const jsonFormat: WalFormat = {
  name: "json",
  extension: ".jsonl",
  alignmentBytes: 1,
  preallocates: false,
  firstLink: new Uint8Array(linkBytes),
  newGroup: () => new JsonGroup(),
  frameAt,
  resembles: async () => true,
  async nextPlace(reader, offset) {
    return await reader.find(lineStart, offset + 1, reader.sizeBytes);
  },
};

class JsonGroup implements FrameGroup {
  #frames: { readonly content: FrameContent; readonly data: string }[] = [];
  #byteLength = 0;

  get byteLength(): number {
    return this.#byteLength;
  }

  get frames(): number {
    return this.#frames.length;
  }

  add(content: FrameContent): void {
    const data = JSON.stringify(content.payloads.map(printed));
    this.#frames.push({ content, data });
    this.#byteLength += data.length + 320;
  }

  extend(): boolean {
    return false;
  }

  finish(place: FramePlace): { bytes: Uint8Array; nextOffset: number; link: Uint8Array } {
    let { link } = place;
    const lines: Uint8Array[] = [];
    let offset = place.offset;
    for (const { content, data } of this.#frames) {
      const line = encodeLine(content, data, { ...place, offset, link });
      link = linkOf(line.subarray(0, line.length - 1));
      offset += line.length;
      lines.push(line);
    }
    return { bytes: Buffer.concat(lines), nextOffset: offset, link };
  }

  clear(): void {
    this.#frames = [];
    this.#byteLength = 0;
  }
}

function encodeLine(content: FrameContent, data: string, place: FramePlace): Uint8Array {
  const transaction = isNone(content.transactionId) ? {} : { tx: hexOf(content.transactionId) };
  const before = JSON.stringify({
    lsn: content.sequence,
    type: entryTypeNames[content.type],
    time: new Date(Math.round(content.timestampMs)).toISOString(),
    ...transaction,
  });
  const behind = JSON.stringify({
    version,
    file: place.fileNumber,
    at: place.offset,
    synced: place.syncedOffset,
    epoch: place.epoch.toString(16).padStart(16, "0"),
    link: hexOf(place.link),
  });
  const checked = Buffer.from(`${before.slice(0, -1)},"data":${data},${behind.slice(1, -1)}`);
  return Buffer.concat([checked, utf8(`,"crc":"${crcText(checked)}"}\n`)]);
}

async function frameAt(reader: FileReader, offset: number): Promise<Frame | undefined> {
  const end = await reader.find(newline, offset, lineLimitBytes);
  if (end === undefined) return undefined;
  const line = await reader.bytesAt(offset, end - offset);
  if (line === undefined || line.length <= suffixBytes) return undefined;
  const [, crc] = suffix.exec(utf8Text(line.subarray(line.length - suffixBytes))) ?? [];
  if (crc === undefined) return undefined;
  if (crc !== crcText(line.subarray(0, line.length - suffixBytes))) return undefined; // mutant: line-crc
  return frameOf(line, offset);
}

function frameOf(line: Uint8Array, offset: number): Frame | undefined {
  const value = parsed(line);
  if (value === undefined) return undefined;
  if (value.version !== version) throw versionError(String(value.version), version);
  const type = typesByName.get(value.type);
  const timeMs = Date.parse(String(value.time));
  const payloads = Array.isArray(value.data) ? value.data.map(unprinted) : [];
  const transactionId = value.tx === undefined ? noTransaction : bytesOf(value.tx, 16);
  const epoch = bytesOf(value.epoch, 8);
  const link = bytesOf(value.link, linkBytes);
  if (type === undefined || Number.isNaN(timeMs) || transactionId === undefined) return undefined;
  if (epoch === undefined || link === undefined || value.at !== offset) return undefined;
  if (![value.lsn, value.file, value.synced].every(isCount) || payloads.length === 0) return undefined;
  if (!payloads.every((payload) => payload !== undefined)) return undefined;
  if (type !== entryType.records && payloads.length !== 1) return undefined;
  return {
    type,
    transactionId,
    sequence: value.lsn as number,
    payloads,
    timestampMs: timeMs,
    fileNumber: value.file as number,
    epoch: BigInt(`0x${hexOf(epoch)}`),
    offset,
    syncedOffset: value.synced as number,
    link,
    nextOffset: offset + line.length + 1,
    ownLink: linkOf(line),
  };
}

function parsed(line: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(utf8Text(line));
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function printed(payload: Uint8Array): string | { readonly base64: string } {
  try {
    const text = strictDecoder.decode(payload);
    if (!/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/.test(text)) return text;
  } catch {
    // Not UTF-8.
  }
  return { base64: Buffer.from(payload).toString("base64") };
}

function unprinted(value: unknown): Uint8Array | undefined {
  if (typeof value === "string") return utf8(value);
  const base64 = typeof value === "object" && value !== null ? (value as { base64?: unknown }).base64 : undefined;
  return typeof base64 === "string" ? new Uint8Array(Buffer.from(base64, "base64")) : undefined;
}

function bytesOf(hex: unknown, length: number): Uint8Array | undefined {
  if (typeof hex !== "string" || hex.length !== 2 * length || !/^[0-9a-f]*$/.test(hex)) return undefined;
  return new Uint8Array(Buffer.from(hex, "hex"));
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isNone(id: Uint8Array): boolean {
  return id.every((byte) => byte === 0);
}

function linkOf(line: Uint8Array): Uint8Array {
  return hashOf(line).slice(0, linkBytes);
}

function crcText(bytes: Uint8Array): string {
  return crc32(bytes).toString(16).padStart(8, "0");
}
