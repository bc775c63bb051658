/** Reads through a log file in large chunks, forward for the most part. Memory is bounded by one chunk or one frame. */

import { HoldfastError } from "../base/index.ts";
import type { DiskFile } from "../disk/index.ts";

const chunkBytes = 1 << 20;
const searchBytes = 65_536;
const zeros = new Uint8Array(searchBytes);

export class FileReader {
  readonly path: string;
  readonly sizeBytes: number;
  readonly #file: DiskFile;
  #chunk = new Uint8Array(0);
  #chunkOffset = 0;

  constructor(file: DiskFile, sizeBytes: number) {
    this.#file = file;
    this.path = file.path;
    this.sizeBytes = sizeBytes;
  }

  /**
   * These bytes, or undefined where the file ends before them. Valid until the next call. Throws DISK_IO where the
   * device gives fewer than the file has: what it keeps back is no end of the log.
   */
  bytesAt(offset: number, length: number): Uint8Array | undefined | Promise<Uint8Array | undefined> {
    if (offset + length > this.sizeBytes) return undefined;
    const from = offset - this.#chunkOffset;
    if (from >= 0 && from + length <= this.#chunk.length) return this.#chunk.subarray(from, from + length);
    return this.#load(offset, length);
  }

  async #load(offset: number, length: number): Promise<Uint8Array | undefined> {
    const chunk = new Uint8Array(Math.min(Math.max(length, chunkBytes), this.sizeBytes - offset));
    const count = await this.#file.readAt(chunk, offset);
    this.#chunk = chunk.subarray(0, count);
    this.#chunkOffset = offset;
    if (count < length) throw this.#short(offset + count);
    return this.#chunk.subarray(0, length);
  }

  #short(endedAt: number): HoldfastError {
    const { path, sizeBytes } = this;
    return new HoldfastError("DISK_IO", `reading ${path} ended after ${endedAt} of its ${sizeBytes} bytes`, {
      hint: "Check the disk, and whether another program changes the file; then try again.",
      retryable: true,
      details: { path, endedAt, sizeBytes },
    });
  }

  /** Where these bytes are found first from `offset` on, within `limitBytes`; undefined where they are not. */
  async find(wanted: Uint8Array, offset: number, limitBytes: number): Promise<number | undefined> {
    const end = Math.min(this.sizeBytes, offset + limitBytes);
    for (let from = offset; from < end; from += searchBytes) {
      const bytes = await this.bytesAt(from, Math.min(searchBytes + wanted.length - 1, end - from));
      if (bytes === undefined) return undefined;
      const at = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).indexOf(wanted);
      if (at >= 0) return from + at;
    }
    return undefined;
  }

  /** Where the last byte that is not zero ends, from `offset` on; `offset` where there is none. */
  async endOfContent(offset: number): Promise<number> {
    let end = offset;
    for (let from = offset; from < this.sizeBytes; from += searchBytes) {
      const bytes = await this.bytesAt(from, Math.min(searchBytes, this.sizeBytes - from));
      if (bytes === undefined) break;
      if (Buffer.compare(bytes, zeros.subarray(0, bytes.length)) === 0) continue;
      const last = bytes.findLastIndex((byte) => byte !== 0);
      if (last >= 0) end = from + last + 1;
    }
    return end;
  }
}
