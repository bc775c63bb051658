/**
 * The frame: what the log is made of. A header of 256 bytes, then the payload, filled with zeros to a multiple of 256,
 * so that no header straddles a sector. Little-endian throughout.
 *
 *       0  8  magic "ESPERWAL"              68 32  SHA-256 of the payload
 *       8  4  version (2)                  100  8  offset of the next frame in this file
 *      12  4  endian marker 0x12345678     108  4  CRC-32 of the header, these four bytes taken as zero
 *      16 16  transaction id (UUID)        112 32  link: SHA-256 of the header of the frame before
 *      32  8  sequence number              144  8  offset of this frame in this file
 *      40  8  epoch of the file            152  8  synced offset: what was durable when this was written
 *      48  8  timestamp, ns                160  8  number of this file in the log, from 1
 *      56  4  entry type                   168  4  format flags (0)
 *      60  8  payload size                 172 84  zero
 *
 * The link binds each frame to all before it, across files; the offset and the epoch bind it to its place, so that a
 * frame that is stale, or moved, or of another file is never taken for a live one. The synced offset is what tells a
 * torn tail from damage: where a good frame says that the bytes before it were durable, they were not torn.
 * All of this is part of the format: it may be added to by a new version, and not changed.
 */

import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { assert, HoldfastError } from "../base/index.ts";

export const frameHeaderBytes = 256;
export const walVersion = 2;
/** The largest payload of one frame; larger things belong in files of their own. */
export const payloadLimitBytes = 16 * 2 ** 20;

export const entryType = { begin: 1, data: 2, commit: 3, abort: 4, file: 5, record: 6 } as const;

export interface FrameHeader {
  /** 16 bytes; zeros where the frame belongs to no transaction. */
  readonly transactionId: Uint8Array;
  readonly sequence: number;
  readonly epoch: bigint;
  readonly timestampNs: bigint;
  readonly type: number;
  readonly payloadBytes: number;
  readonly payloadHash: Uint8Array;
  readonly nextOffset: number;
  readonly link: Uint8Array;
  readonly offset: number;
  readonly syncedOffset: number;
  readonly fileNumber: number;
}

const magic = new TextEncoder().encode("ESPERWAL");
const endianMarker = 0x12345678;
const crcOffset = 108;
const zeroFrom = 168;

export function paddedSize(payloadBytes: number): number {
  return Math.ceil(payloadBytes / frameHeaderBytes) * frameHeaderBytes;
}

export function hashOf(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
}

export function encodeFrameHeader(header: FrameHeader): Uint8Array {
  assert(header.offset % frameHeaderBytes === 0, "a frame starts on a multiple of 256");
  assert(header.nextOffset === header.offset + frameHeaderBytes + paddedSize(header.payloadBytes), "next offset");
  const bytes = new Uint8Array(frameHeaderBytes);
  const view = new DataView(bytes.buffer);
  bytes.set(magic, 0);
  view.setUint32(8, walVersion, true);
  view.setUint32(12, endianMarker, true);
  bytes.set(header.transactionId, 16);
  view.setBigUint64(32, BigInt(header.sequence), true);
  view.setBigUint64(40, header.epoch, true);
  view.setBigUint64(48, header.timestampNs, true);
  view.setUint32(56, header.type, true);
  view.setBigUint64(60, BigInt(header.payloadBytes), true);
  bytes.set(header.payloadHash, 68);
  view.setBigUint64(100, BigInt(header.nextOffset), true);
  bytes.set(header.link, 112);
  view.setBigUint64(144, BigInt(header.offset), true);
  view.setBigUint64(152, BigInt(header.syncedOffset), true);
  view.setBigUint64(160, BigInt(header.fileNumber), true);
  view.setUint32(crcOffset, crc32(bytes), true);
  return bytes;
}

/** The header in these 256 bytes, or undefined where they are not one (no magic, bad checksum, impossible values). */
export function decodeFrameHeader(bytes: Uint8Array): FrameHeader | undefined {
  if (bytes.length !== frameHeaderBytes || !magic.every((byte, place) => bytes[place] === byte)) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (headerChecksum(bytes) !== view.getUint32(crcOffset, true)) return undefined;
  refuseOtherVersion(view);
  const header: FrameHeader = {
    transactionId: bytes.slice(16, 32),
    sequence: Number(view.getBigUint64(32, true)),
    epoch: view.getBigUint64(40, true),
    timestampNs: view.getBigUint64(48, true),
    type: view.getUint32(56, true),
    payloadBytes: Number(view.getBigUint64(60, true)),
    payloadHash: bytes.slice(68, 100),
    nextOffset: Number(view.getBigUint64(100, true)),
    link: bytes.slice(112, 144),
    offset: Number(view.getBigUint64(144, true)),
    syncedOffset: Number(view.getBigUint64(152, true)),
    fileNumber: Number(view.getBigUint64(160, true)),
  };
  return isPossible(header, bytes) ? header : undefined;
}

function headerChecksum(bytes: Uint8Array): number {
  const copy = bytes.slice();
  copy.fill(0, crcOffset, crcOffset + 4);
  return crc32(copy);
}

/** Only for a header whose checksum is right: so this is what its writer meant, not damage. */
function refuseOtherVersion(view: DataView): void {
  const version = view.getUint32(8, true);
  if (version !== walVersion) {
    throw new HoldfastError("WAL_VERSION", `the log has format version ${version}; this program reads ${walVersion}`, {
      hint: "Open it with the version of Holdfast that wrote it.",
      details: { version, supported: walVersion },
    });
  }
  if (view.getUint32(12, true) !== endianMarker || view.getUint32(168, true) !== 0) {
    throw new HoldfastError("WAL_VERSION", "the log has a byte order or format flags that this program does not know", {
      hint: "Open it with the version of Holdfast that wrote it.",
    });
  }
}

function isPossible(header: FrameHeader, bytes: Uint8Array): boolean {
  return (
    Number.isSafeInteger(header.sequence) &&
    header.payloadBytes <= payloadLimitBytes &&
    header.nextOffset === header.offset + frameHeaderBytes + paddedSize(header.payloadBytes) &&
    header.syncedOffset <= header.offset &&
    bytes.subarray(zeroFrom).every((byte) => byte === 0)
  );
}
