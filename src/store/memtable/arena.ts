/**
 * Where a memtable keeps the bytes of its keys and values: appended to chunks that never move, so that a view of them
 * stays right for ever, growing copies nothing, and the collector sees one object for each 256 KiB.
 */

const chunkBytes = 256 * 1024;

export class Arena {
  readonly chunks: Uint8Array[] = [];
  /** Of the last `append`. */
  chunk = 0;
  offset = 0;
  usedBytes = 0;
  allocatedBytes = 0;
  #current = -1;
  #next = chunkBytes;

  /** Copies the bytes in, in one piece; `chunk` and `offset` then say where they are. */
  append(bytes: Uint8Array): void {
    const { length } = bytes;
    this.usedBytes += length;
    if (length > chunkBytes / 4) return this.#appendAlone(bytes);
    if (this.#next + length > chunkBytes || this.#current < 0) this.#open();
    const chunk = this.chunks[this.#current];
    const offset = this.#next;
    if (length > 24) chunk.set(bytes, offset);
    else for (let place = 0; place < length; place++) chunk[offset + place] = bytes[place];
    this.chunk = this.#current;
    this.offset = offset;
    this.#next = offset + length;
  }

  #appendAlone(bytes: Uint8Array): void {
    this.chunk = this.chunks.push(bytes.slice()) - 1;
    this.offset = 0;
    this.allocatedBytes += bytes.length;
  }

  #open(): void {
    this.#current = this.chunks.push(new Uint8Array(chunkBytes)) - 1;
    this.#next = 0;
    this.allocatedBytes += chunkBytes;
  }
}
