/**
 * The binary form (W1). A header of 256 bytes, then the payload, filled with zeros to a multiple of 256, so that no
 * header straddles a sector. Little-endian throughout.
 *
 *       0  8  magic "ESPERWAL"              68 32  SHA-256 of the payload
 *       8  4  version (2)                  100  8  offset of the next frame in this file
 *      12  4  endian marker 0x12345678     108  4  CRC-32 of the header, these four bytes taken as zero
 *      16 16  transaction id (UUID)        112 32  link: SHA-256 of the header of the frame before
 *      32  8  sequence number              144  8  offset of this frame in this file
 *      40  8  epoch of the file            152  8  synced offset: what was durable when this was written
 *      48  8  timestamp, ns                160  8  number of this file in the log, from 1
 *      56  4  entry type                   168  4  layout revision (1)
 *      60  8  payload size                 172  4  number of entries
 *                                          176 80  zero
 *
 * The payload of a RECORDS frame is its entries, each a length (4 bytes) and that many bytes; the frame is whole or it
 * is not there, which makes them atomic. Every other frame has one payload as it is. The rest of a file, behind its
 * last frame, is zeros, or missing, or stale frames of an older file that was used again. All of this is the format: a
 * new version may add to it, and not change it.
 */

import { hash } from "node:crypto";
import { crc32 } from "node:zlib";
import { assert, bytesEqual } from "../base/index.ts";
import type { FileReader } from "./file-reader.ts";
import { type FrameGroup, versionError, type WalFormat } from "./format.ts";
import {
  type EntryType,
  entryType,
  type Frame,
  type FrameContent,
  type FramePlace,
  payloadLimitBytes,
} from "./frame.ts";

export const frameHeaderBytes = 256;
export const walVersion = 2;
const layoutRevision = 1;
/** Appends that stand side by side share a frame up to this size: smaller than a group, larger than most. */
const sharedFrameLimitBytes = 1 << 20;

const magic = new TextEncoder().encode("ESPERWAL");
const endianMarker = 0x12345678;
const crcOffset = 108;
const zeroFrom = 176;
const zeros = new Uint8Array(frameHeaderBytes);

export const binaryFormat: WalFormat = {
  name: "binary",
  extension: ".wal",
  alignmentBytes: frameHeaderBytes,
  preallocates: true,
  firstLink: new Uint8Array(32),
  newGroup: () => new BinaryGroup(),
  frameAt,
  async resembles(reader, offset, { fileNumber, epoch }) {
    const bytes = await reader.bytesAt(offset, frameHeaderBytes);
    if (bytes === undefined) return false;
    const header = Buffer.from(bytes.buffer, bytes.byteOffset, frameHeaderBytes);
    const isFrame = header.subarray(0, magic.length).equals(magic);
    return header.readBigUInt64LE(40) === epoch || (isFrame && readNumber(header, 160) === fileNumber);
  },
  async nextPlace(reader, offset) {
    let place = await reader.find(magic, offset + 1, reader.sizeBytes);
    while (place !== undefined && place % frameHeaderBytes !== 0)
      place = await reader.find(magic, place + 1, reader.sizeBytes);
    return place;
  },
};

export function paddedSize(payloadBytes: number): number {
  return Math.ceil(payloadBytes / frameHeaderBytes) * frameHeaderBytes;
}

export function hashOf(bytes: Uint8Array): Uint8Array {
  return hash("sha256", bytes, "buffer");
}

interface FrameDraft {
  readonly content: FrameContent;
  readonly start: number;
  payloadBytes: number;
  entries: number;
}

/** Frames take shape in one buffer that is kept from group to group: an append costs a copy and four bytes. */
class BinaryGroup implements FrameGroup {
  #bytes = Buffer.allocUnsafe(65_536);
  #drafts: FrameDraft[] = [];
  #end = 0;

  get byteLength(): number {
    const last = this.#drafts.at(-1);
    return last === undefined ? 0 : last.start + frameHeaderBytes + paddedSize(last.payloadBytes);
  }

  get frames(): number {
    return this.#drafts.length;
  }

  add(content: FrameContent): void {
    const isRecords = content.type === entryType.records;
    if (isRecords && content.payloads.length === 1 && this.extend(content.sequence, content.payloads[0] as Uint8Array))
      return;
    const payloadBytes = content.payloads.reduce((sum, { length }) => sum + length + (isRecords ? 4 : 0), 0);
    if (isRecords && this.#sharesLast(content.sequence, payloadBytes))
      this.#share(content.payloads.length, payloadBytes);
    else this.#begin(content, payloadBytes);
    for (const payload of content.payloads) {
      if (isRecords) this.#end = this.#bytes.writeUInt32LE(payload.length, this.#end);
      this.#bytes.set(payload, this.#end);
      this.#end += payload.length;
    }
  }

  extend(sequence: number, payload: Uint8Array): boolean {
    const payloadBytes = payload.length + 4;
    if (!this.#sharesLast(sequence, payloadBytes)) return false;
    this.#share(1, payloadBytes);
    this.#end = this.#bytes.writeUInt32LE(payload.length, this.#end);
    this.#bytes.set(payload, this.#end);
    this.#end += payload.length;
    return true;
  }

  finish(place: FramePlace): { bytes: Uint8Array; nextOffset: number; link: Uint8Array } {
    this.#pad();
    let { link } = place;
    for (const draft of this.#drafts) {
      this.#writeHeader(draft, { ...place, offset: place.offset + draft.start, link });
      link = hashOf(this.#bytes.subarray(draft.start, draft.start + frameHeaderBytes));
    }
    return { bytes: this.#bytes.subarray(0, this.#end), nextOffset: place.offset + this.#end, link };
  }

  clear(): void {
    this.#drafts = [];
    this.#end = 0;
  }

  /** Whether entries of these numbers may go into the frame that stands last. */
  #sharesLast(sequence: number, payloadBytes: number): boolean {
    const last = this.#drafts.at(-1);
    if (last?.content.type !== entryType.records) return false;
    return (
      last.content.sequence + last.entries === sequence && last.payloadBytes + payloadBytes <= sharedFrameLimitBytes
    );
  }

  #share(entries: number, payloadBytes: number): void {
    const last = this.#drafts.at(-1) as FrameDraft;
    last.payloadBytes += payloadBytes;
    last.entries += entries;
    this.#reserve(payloadBytes);
  }

  #begin(content: FrameContent, payloadBytes: number): void {
    this.#pad();
    this.#reserve(frameHeaderBytes + paddedSize(payloadBytes));
    this.#drafts.push({ content, start: this.#end, payloadBytes, entries: content.payloads.length });
    this.#end += frameHeaderBytes;
  }

  #pad(): void {
    const count = paddedSize(this.#end) - this.#end;
    this.#reserve(count);
    this.#bytes.set(zeros.subarray(0, count), this.#end);
    this.#end += count;
  }

  #reserve(count: number): void {
    if (this.#end + count <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, paddedSize(this.#end + count)));
    larger.set(this.#bytes.subarray(0, this.#end));
    this.#bytes = larger;
  }

  #writeHeader({ content, start, payloadBytes, entries }: FrameDraft, place: FramePlace): void {
    assert(place.offset % frameHeaderBytes === 0, "a frame starts on a multiple of 256");
    assert(payloadBytes <= payloadLimitBytes + entries * 4, "a payload is within its limit");
    const payloadFrom = start + frameHeaderBytes;
    const header = this.#bytes.subarray(start, payloadFrom);
    header.set(magic, 0);
    header.writeUInt32LE(walVersion, 8);
    header.writeUInt32LE(endianMarker, 12);
    header.set(content.transactionId, 16);
    writeNumber(header, content.sequence, 32);
    header.writeBigUInt64LE(place.epoch, 40);
    header.writeBigUInt64LE(BigInt(Math.round(content.timestampMs)) * 1_000_000n, 48);
    header.writeUInt32LE(content.type, 56);
    writeNumber(header, payloadBytes, 60);
    header.set(hashOf(this.#bytes.subarray(payloadFrom, payloadFrom + payloadBytes)), 68);
    writeNumber(header, place.offset + frameHeaderBytes + paddedSize(payloadBytes), 100);
    header.writeUInt32LE(0, crcOffset);
    header.set(place.link, 112);
    writeNumber(header, place.offset, 144);
    writeNumber(header, place.syncedOffset, 152);
    writeNumber(header, place.fileNumber, 160);
    header.writeUInt32LE(layoutRevision, 168);
    header.writeUInt32LE(entries, 172);
    header.fill(0, zeroFrom);
    header.writeUInt32LE(crc32(header), crcOffset);
  }
}

async function frameAt(reader: FileReader, offset: number): Promise<Frame | undefined> {
  const soon = reader.bytesAt(offset, frameHeaderBytes);
  const bytes = soon instanceof Promise ? await soon : soon;
  if (bytes === undefined || !isHeader(bytes)) return undefined;
  const header = Buffer.from(bytes.buffer, bytes.byteOffset, frameHeaderBytes);
  refuseOtherVersion(header);
  const payloadBytes = readNumber(header, 60);
  const entries = header.readUInt32LE(172);
  const nextOffset = readNumber(header, 100);
  if (readNumber(header, 144) !== offset || payloadBytes > payloadLimitBytes + entries * 4) return undefined;
  if (nextOffset !== offset + frameHeaderBytes + paddedSize(payloadBytes)) return undefined;
  const type = header.readUInt32LE(56) as EntryType;
  const frame = {
    type,
    transactionId: bytes.slice(16, 32),
    sequence: readNumber(header, 32),
    timestampMs: Number(header.readBigUInt64LE(48) / 1_000_000n),
    fileNumber: readNumber(header, 160),
    epoch: header.readBigUInt64LE(40),
    offset,
    syncedOffset: readNumber(header, 152),
    link: bytes.slice(112, 144),
    nextOffset,
    ownLink: hashOf(bytes),
  };
  const payloadHash = bytes.slice(68, 100);
  const later = reader.bytesAt(offset + frameHeaderBytes, nextOffset - offset - frameHeaderBytes);
  const padded = later instanceof Promise ? await later : later;
  if (padded === undefined) return undefined;
  const payload = padded.slice(0, payloadBytes);
  if (!bytesEqual(hashOf(payload), payloadHash)) return undefined; // mutant: payload-hash
  if (!isZero(padded.subarray(payloadBytes))) return undefined;
  const payloads = type === entryType.records ? split(payload, entries) : [payload];
  return payloads === undefined ? undefined : { ...frame, payloads };
}

function isHeader(bytes: Uint8Array): boolean {
  if (bytes[0] !== magic[0] || !magic.every((byte, place) => bytes[place] === byte)) return false;
  if (!isZero(bytes.subarray(zeroFrom))) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, frameHeaderBytes);
  const crc = crc32(bytes.subarray(crcOffset + 4), crc32(zeros.subarray(0, 4), crc32(bytes.subarray(0, crcOffset))));
  if (view.getUint32(crcOffset, true) !== crc) return false; // mutant: header-crc
  return true;
}

/** Only for a header whose checksum is right: so this is what its writer meant, not damage. */
function refuseOtherVersion(header: Buffer): void {
  const version = header.readUInt32LE(8);
  if (version !== walVersion) throw versionError(version, walVersion);
  if (header.readUInt32LE(12) !== endianMarker) throw versionError(`${version}, byte order unknown`, walVersion);
  const revision = header.readUInt32LE(168);
  if (revision !== layoutRevision) throw versionError(`${version}, layout ${revision}`, walVersion);
}

function split(payload: Uint8Array, entries: number): Uint8Array[] | undefined {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const parts: Uint8Array[] = [];
  let at = 0;
  for (let entry = 0; entry < entries; entry++) {
    if (at + 4 > payload.length) return undefined;
    const length = view.getUint32(at, true);
    if (at + 4 + length > payload.length) return undefined;
    parts.push(payload.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return at === payload.length ? parts : undefined;
}

function isZero(bytes: Uint8Array): boolean {
  for (const byte of bytes) if (byte !== 0) return false;
  return true;
}

function writeNumber(buffer: Buffer, value: number, at: number): void {
  assert(Number.isSafeInteger(value) && value >= 0, "a number of the header is a count");
  buffer.writeUInt32LE(value % 2 ** 32, at);
  buffer.writeUInt32LE(Math.floor(value / 2 ** 32), at + 4);
}

/** Beyond 2^53 it is inexact, which no valid header needs: its own checks refuse it. */
function readNumber(buffer: Buffer, at: number): number {
  return buffer.readUInt32LE(at) + buffer.readUInt32LE(at + 4) * 2 ** 32;
}
