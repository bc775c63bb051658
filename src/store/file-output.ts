/** Writes a new file from front to back through one buffer, so that many small parts become few large writes. */

import { concatBytes } from "../base/index.ts";
import type { DiskFile } from "../disk/index.ts";

/** Larger than what a real file writes on the caller's thread: the event loop goes on meanwhile. */
const bufferBytes = 512 * 1024;
const zeros = new Uint8Array(64);

export class FileOutput {
  readonly #file: DiskFile;
  #parts: Uint8Array[] = [];
  #bufferedBytes = 0;
  #writtenBytes = 0;

  constructor(file: DiskFile) {
    this.#file = file;
  }

  /** Where the next byte goes. */
  get offset(): number {
    return this.#writtenBytes + this.#bufferedBytes;
  }

  get isFull(): boolean {
    return this.#bufferedBytes >= bufferBytes;
  }

  /** Takes the bytes over, which are written with the next `flush`. */
  add(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#parts.push(bytes);
    this.#bufferedBytes += bytes.length;
  }

  /** Zeros up to a multiple of so many bytes, which are 64 at most. */
  align(multipleBytes: number): void {
    this.add(zeros.subarray(0, Math.ceil(this.offset / multipleBytes) * multipleBytes - this.offset));
  }

  /** These after all that was taken over, as they are: nothing may change them until this returns. */
  async write(parts: readonly Uint8Array[]): Promise<void> {
    await this.flush();
    await this.#file.writeAt(parts, this.#writtenBytes);
    for (const { length } of parts) this.#writtenBytes += length;
  }

  async flush(): Promise<void> {
    const [parts, count] = [this.#parts, this.#bufferedBytes];
    if (count === 0) return;
    this.#parts = [];
    // One copy costs less than a vectored write of hundreds of parts.
    await this.#file.writeAt(parts.length === 1 ? parts : [concatBytes(parts)], this.#writtenBytes);
    this.#writtenBytes += count;
    this.#bufferedBytes -= count;
  }
}
