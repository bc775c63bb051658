/**
 * The frames on the pipe between parent and cell.
 *
 * A cell may have lost its mind, so the parent believes nothing: the header has a checksum of its own, which makes a
 * wrong length visible before it is waited for, lengths are capped by type, and the body is checked before it is used.
 *
 *   0       4      5        8       12       16       20       24
 *   +-------+------+--------+--------+--------+--------+--------+----------------+
 *   | "HFCL"| type | 0 0 0  | job    | length | CRC of | CRC of | body           |
 *   |       | u8   |        | u32    | u32    | body   | 0..20  | `length` bytes |
 *   +-------+------+--------+--------+--------+--------+--------+----------------+
 *
 * All numbers little-endian; CRC-32 (IEEE).
 */

import { crc32 } from "node:zlib";
import { HoldfastError } from "../base/index.ts";

export const FrameType = { ready: 1, job: 2, phase: 3, reply: 4, error: 5, bootstrapFailure: 6 } as const;
export type FrameType = (typeof FrameType)[keyof typeof FrameType];

export interface Frame {
  readonly type: FrameType;
  readonly job: number;
  readonly body: Uint8Array;
}

const headerBytes = 24;
const magic = 0x4c434648;
/** Everything but jobs and replies is small. */
const noteLimitBytes = 1024 * 1024;

/** The header of a frame whose body is the parts, in order; write it and then the parts. */
export function frameHeader(type: FrameType, job: number, parts: readonly Uint8Array[]): Uint8Array {
  const header = new Uint8Array(headerBytes);
  const view = new DataView(header.buffer);
  view.setUint32(0, magic, true);
  view.setUint8(4, type);
  view.setUint32(8, job, true);
  let length = 0;
  let crc = 0;
  for (const part of parts) {
    length += part.length;
    crc = crc32(part, crc);
  }
  view.setUint32(12, length, true);
  view.setUint32(16, crc, true);
  view.setUint32(20, crc32(header.subarray(0, 20)), true);
  return header;
}

/** Puts frames together from chunks of any size. Throws CELL_FRAME on the first byte that cannot be one. */
export class FrameDecoder {
  readonly #payloadLimitBytes: number;
  readonly #header = new Uint8Array(headerBytes);
  #filled = 0;
  #body: Uint8Array | undefined;

  constructor(payloadLimitBytes: number) {
    this.#payloadLimitBytes = payloadLimitBytes;
  }

  *push(chunk: Uint8Array): Generator<Frame> {
    let place = 0;
    while (true) {
      if (this.#body === undefined) {
        const taken = Math.min(headerBytes - this.#filled, chunk.length - place);
        this.#header.set(chunk.subarray(place, place + taken), this.#filled);
        this.#filled += taken;
        place += taken;
        if (this.#filled < headerBytes) return;
        this.#body = new Uint8Array(this.#checkedLength());
        this.#filled = 0;
      }
      const taken = Math.min(this.#body.length - this.#filled, chunk.length - place);
      this.#body.set(chunk.subarray(place, place + taken), this.#filled);
      this.#filled += taken;
      place += taken;
      if (this.#filled < this.#body.length) return;
      yield this.#finish(this.#body);
    }
  }

  #checkedLength(): number {
    const view = new DataView(this.#header.buffer);
    if (view.getUint32(0, true) !== magic) throw damaged("it does not start with the frame mark");
    if (view.getUint32(20, true) !== crc32(this.#header.subarray(0, 20)))
      throw damaged("its header fails the checksum");
    const type = view.getUint8(4);
    if (type < FrameType.ready || type > FrameType.bootstrapFailure) throw damaged(`its type ${type} is not known`);
    const length = view.getUint32(12, true);
    const large = type === FrameType.job || type === FrameType.reply;
    const limit = large ? this.#payloadLimitBytes + noteLimitBytes : noteLimitBytes;
    if (length > limit) throw damaged(`its body of ${length} bytes is over the limit of ${limit}`);
    return length;
  }

  #finish(body: Uint8Array): Frame {
    const view = new DataView(this.#header.buffer);
    if (view.getUint32(16, true) !== crc32(body)) throw damaged("its body fails the checksum");
    this.#body = undefined;
    this.#filled = 0;
    return { type: view.getUint8(4) as FrameType, job: view.getUint32(8, true), body };
  }
}

function damaged(what: string): HoldfastError {
  return new HoldfastError("CELL_FRAME", `a frame on the cell's pipe is damaged: ${what}`);
}
