/** Reads blocks of a damaged segment, with an index and without one. */

import type { DiskFile } from "../../disk/index.ts";
import { viewOf } from "../little-endian.ts";
import { Block, blockFault, blockHeaderBytes, blockLimitBytes } from "../segment/block.ts";
import { DamagedBytes, type Unreadable } from "./damaged-bytes.ts";

/** A block by where it stands and what it must be. */
export interface PlacedBlock {
  readonly offset: number;
  readonly lengthBytes: number;
  readonly checksum: number;
}

export class BlockBytes {
  readonly #bytes: DamagedBytes;
  readonly #fileId: number;

  constructor(
    file: DiskFile,
    facts: { readonly fileId: number; readonly sizeBytes: number; readonly unreadable?: Unreadable | undefined },
  ) {
    this.#bytes = new DamagedBytes(file, facts.sizeBytes, facts.unreadable);
    this.#fileId = facts.fileId;
  }

  /** The block; or why it cannot be read. */
  async block({ offset, lengthBytes, checksum }: PlacedBlock): Promise<Block | string> {
    const bytes = await this.#bytes.at(offset, lengthBytes);
    if (bytes === undefined) return "the block cannot be read";
    const fault = blockFault(bytes, this.#fileId, offset, checksum);
    return fault ?? new Block(bytes.slice());
  }

  /** The block that says of itself that it stands here, bound to this file and this place by its own checksum. */
  async blockWithoutIndex(
    offset: number,
  ): Promise<{ readonly placed: PlacedBlock; readonly block: Block } | undefined> {
    const head = await this.#bytes.at(offset, blockHeaderBytes);
    if (head === undefined) return undefined;
    const view = viewOf(head);
    const [checksum, lengthBytes] = [view.getUint32(0, true), view.getUint32(4, true)];
    if (lengthBytes < blockHeaderBytes || lengthBytes > blockLimitBytes) return undefined;
    const placed = { offset, lengthBytes, checksum };
    const block = await this.block(placed);
    return typeof block === "string" ? undefined : { placed, block };
  }
}
