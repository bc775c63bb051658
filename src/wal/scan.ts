/**
 * Reading a log file frame by frame, and telling a torn tail from damage.
 *
 * A frame is good when its header and payload verify, it stands where it says, and it links to the frame before it.
 * Where the first bad byte is met, the rest of the file is searched:
 *
 *     a good frame of this file follows, and says that the damaged place was durable     -> damage: never dropped
 *     a good frame follows, and the damaged frame has no lost (all-zero) sector          -> damage
 *     a good frame follows, the place was not yet durable, and a sector of it is lost    -> torn tail
 *     nothing good follows                                                               -> torn tail
 *
 * The third case is one write of many frames of which a power cut kept the end and lost the beginning.
 */

import { bytesEqual, HoldfastError } from "../base/index.ts";
import type { DiskFile } from "../disk/index.ts";
import { decodeFrameHeader, type FrameHeader, frameHeaderBytes, hashOf } from "./frame.ts";

const sectorBytes = 512;
const chunkBytes = 1 << 20;

export interface Frame {
  readonly header: FrameHeader;
  readonly payload: Uint8Array;
  /** What the next frame must link to. */
  readonly ownLink: Uint8Array;
}

/** What must be true of the next frame. */
export interface Expected {
  readonly epoch: bigint | undefined;
  readonly fileNumber: number;
  readonly link: Uint8Array | undefined;
  readonly sequence: number | undefined;
}

/** Reads forward through a file in large chunks. */
export class FrameReader {
  readonly #file: DiskFile;
  readonly sizeBytes: number;
  #chunk = new Uint8Array(0);
  #chunkOffset = 0;

  constructor(file: DiskFile, sizeBytes: number) {
    this.#file = file;
    this.sizeBytes = sizeBytes;
  }

  async bytesAt(offset: number, length: number): Promise<Uint8Array | undefined> {
    if (offset + length > this.sizeBytes) return undefined;
    const from = offset - this.#chunkOffset;
    if (from < 0 || from + length > this.#chunk.length) {
      const size = Math.min(Math.max(length, chunkBytes), this.sizeBytes - offset);
      const chunk = new Uint8Array(size);
      const count = await this.#file.readAt(chunk, offset);
      this.#chunk = chunk.subarray(0, count);
      this.#chunkOffset = offset;
      if (count < length) return undefined;
    }
    return this.#chunk.subarray(offset - this.#chunkOffset, offset - this.#chunkOffset + length);
  }

  /** The good frame at `offset`, or undefined. */
  async frameAt(offset: number, expected: Expected): Promise<Frame | undefined> {
    const bytes = await this.bytesAt(offset, frameHeaderBytes);
    if (bytes === undefined) return undefined;
    const header = decodeFrameHeader(bytes);
    if (header === undefined || header.offset !== offset || header.fileNumber !== expected.fileNumber) return undefined;
    if (expected.epoch !== undefined && header.epoch !== expected.epoch) return undefined;
    if (expected.link !== undefined && !bytesEqual(header.link, expected.link)) return undefined;
    if (expected.sequence !== undefined && header.sequence < expected.sequence) return undefined;
    const ownLink = hashOf(bytes);
    const padded = await this.bytesAt(offset + frameHeaderBytes, header.nextOffset - offset - frameHeaderBytes);
    if (padded === undefined) return undefined;
    const payload = padded.slice(0, header.payloadBytes);
    if (!bytesEqual(hashOf(payload), header.payloadHash)) return undefined;
    if (!padded.subarray(header.payloadBytes).every((byte) => byte === 0)) return undefined;
    return { header, payload, ownLink };
  }
}

export interface DamageReport {
  readonly kind: "torn" | "corrupt";
  readonly reason: string;
}

/** Says what a bad frame at `offset` means. `epoch` is that of the file, undefined where its first frame is bad. */
export async function classifyDamage(
  reader: FrameReader,
  offset: number,
  epoch: bigint | undefined,
  fileNumber: number,
): Promise<DamageReport> {
  let first: FrameHeader | undefined;
  for (let place = offset + frameHeaderBytes; place + frameHeaderBytes <= reader.sizeBytes; place += frameHeaderBytes) {
    const expected = { epoch, fileNumber, link: undefined, sequence: undefined };
    const frame = await reader.frameAt(place, expected);
    if (frame === undefined) continue;
    first ??= frame.header;
    if (frame.header.syncedOffset > offset) {
      return { kind: "corrupt", reason: `a later entry, at offset ${place}, shows that this place was durable` };
    }
  }
  if (first === undefined) return { kind: "torn", reason: "nothing readable follows" };
  if (await hasLostSector(reader, offset, first.offset)) return { kind: "torn", reason: "a sector was never written" };
  return { kind: "corrupt", reason: `a good entry follows at offset ${first.offset}` };
}

async function hasLostSector(reader: FrameReader, from: number, to: number): Promise<boolean> {
  for (let place = Math.ceil(from / sectorBytes) * sectorBytes; place + sectorBytes <= to; place += sectorBytes) {
    const sector = await reader.bytesAt(place, sectorBytes);
    if (sector?.every((byte) => byte === 0)) return true;
  }
  return false;
}

export function corruptError(path: string, offset: number, reason: string): HoldfastError {
  return new HoldfastError("WAL_CORRUPT", `${path} is damaged at offset ${offset}: ${reason}`, {
    hint: "Nothing was dropped or changed. Restore the file from a copy; acknowledged entries follow the damage.",
    details: { path, offset },
  });
}
