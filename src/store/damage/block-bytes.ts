/**
 * Reads a damaged file piece by piece. What the device cannot give (DISK_IO), or what lies beyond the end, is undefined
 * and takes no more with it than it has to: a window that cannot be read is tried again in the piece that is wanted.
 */

import { HoldfastError } from "../../base/index.ts";
import type { DiskFile } from "../../disk/index.ts";
import { viewOf } from "../little-endian.ts";
import { Block, blockFault, blockHeaderBytes, blockLimitBytes } from "../segment/block.ts";

const windowBytes = 256 * 1024;

/** A block by where it stands and what it must be. */
export interface PlacedBlock {
  readonly offset: number;
  readonly lengthBytes: number;
  readonly checksum: number;
}

export class BlockBytes {
  readonly #file: DiskFile;
  readonly #fileId: number;
  readonly #sizeBytes: number;
  #window: Uint8Array = new Uint8Array(0);
  #windowAt = 0;

  constructor(file: DiskFile, facts: { readonly fileId: number; readonly sizeBytes: number }) {
    this.#file = file;
    this.#fileId = facts.fileId;
    this.#sizeBytes = facts.sizeBytes;
  }

  /** The block; or why it cannot be read. */
  async block({ offset, lengthBytes, checksum }: PlacedBlock): Promise<Block | string> {
    const bytes = await this.#bytesAt(offset, lengthBytes);
    if (bytes === undefined) return "the block cannot be read";
    const fault = blockFault(bytes, this.#fileId, offset, checksum);
    return fault ?? new Block(bytes.slice());
  }

  /** The block that says of itself that it stands here, bound to this file and this place by its own checksum. */
  async blockWithoutIndex(
    offset: number,
  ): Promise<{ readonly placed: PlacedBlock; readonly block: Block } | undefined> {
    const head = await this.#bytesAt(offset, blockHeaderBytes);
    if (head === undefined) return undefined;
    const view = viewOf(head);
    const [checksum, lengthBytes] = [view.getUint32(0, true), view.getUint32(4, true)];
    if (lengthBytes < blockHeaderBytes || lengthBytes > blockLimitBytes) return undefined;
    const placed = { offset, lengthBytes, checksum };
    const block = await this.block(placed);
    return typeof block === "string" ? undefined : { placed, block };
  }

  async #bytesAt(offset: number, lengthBytes: number): Promise<Uint8Array | undefined> {
    if (offset + lengthBytes > this.#sizeBytes) return undefined;
    const isHere = offset >= this.#windowAt && offset + lengthBytes <= this.#windowAt + this.#window.length;
    if (!isHere) {
      const wanted = Math.min(Math.max(lengthBytes, windowBytes), this.#sizeBytes - offset);
      const bytes = (await this.#read(offset, wanted)) ?? (await this.#read(offset, lengthBytes));
      if (bytes === undefined) return undefined;
      this.#window = bytes;
      this.#windowAt = offset;
    }
    return this.#window.subarray(offset - this.#windowAt, offset - this.#windowAt + lengthBytes);
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
