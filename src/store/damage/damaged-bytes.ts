/**
 * Reads a damaged file piece by piece. What the device cannot give (DISK_IO), or what lies beyond the end, is undefined
 * and takes no more with it than it has to: a window that cannot be read is tried again in the piece that is wanted.
 *
 * A device that cannot read now may read tomorrow. So whoever rewrites a file without being asked to says that such a
 * place is an error (`unreadable: "fail"`), and no loss.
 */

import { HoldfastError } from "../../base/index.ts";
import type { DiskFile } from "../../disk/index.ts";

const windowBytes = 256 * 1024;

export type Unreadable = "lost" | "fail";

export class DamagedBytes {
  readonly #file: DiskFile;
  readonly #sizeBytes: number;
  readonly #unreadable: Unreadable;
  #window: Uint8Array = new Uint8Array(0);
  #windowAt = 0;

  constructor(file: DiskFile, sizeBytes: number, unreadable: Unreadable = "lost") {
    this.#unreadable = unreadable;
    this.#file = file;
    this.#sizeBytes = sizeBytes;
  }

  /** A view, which stays right. */
  async at(offset: number, lengthBytes: number): Promise<Uint8Array | undefined> {
    if (offset + lengthBytes > this.#sizeBytes) return undefined;
    const isHere = offset >= this.#windowAt && offset + lengthBytes <= this.#windowAt + this.#window.length;
    if (!isHere) {
      const wanted = Math.min(Math.max(lengthBytes, windowBytes), this.#sizeBytes - offset);
      const bytes = (await this.#read(offset, wanted)) ?? (await this.#read(offset, lengthBytes));
      if (bytes === undefined) return this.#refused(offset);
      this.#window = bytes;
      this.#windowAt = offset;
    }
    return this.#window.subarray(offset - this.#windowAt, offset - this.#windowAt + lengthBytes);
  }

  #refused(offset: number): undefined {
    if (this.#unreadable === "lost") return undefined;
    const { path } = this.#file;
    throw new HoldfastError("DISK_IO", `${path} cannot be read at offset ${offset}, and is not written anew for it`, {
      hint: "Look at the device. What is lost can be given up: restore the file from a backup, or take it away.",
      details: { path, offset },
    });
  }

  async #read(offset: number, lengthBytes: number): Promise<Uint8Array | undefined> {
    const bytes = new Uint8Array(lengthBytes);
    try {
      return (await this.#file.readAt(bytes, offset)) === lengthBytes ? bytes : undefined;
    } catch (error) {
      if (isUnreadable(error)) return undefined;
      throw error;
    }
  }
}

/** What a failing device says of a place that it cannot read, as against what keeps anybody from reading anything. */
export function isUnreadable(error: unknown): boolean {
  return HoldfastError.is(error) && error.code === "DISK_IO";
}
