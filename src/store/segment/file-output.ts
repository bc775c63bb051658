/** Writes a new file from front to back through one buffer, so that many small parts become few large writes. */

import type { DiskFile } from "../../disk/index.ts";
import { aligned } from "./format.ts";

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

  /** Zeros up to where a part may begin. */
  align(): void {
    this.add(zeros.subarray(0, aligned(this.offset) - this.offset));
  }

  async flush(): Promise<void> {
    const [parts, count] = [this.#parts, this.#bufferedBytes];
    if (count === 0) return;
    this.#parts = [];
    await this.#file.writeAt(parts.length === 1 ? parts : [joined(parts, count)], this.#writtenBytes);
    this.#writtenBytes += count;
    this.#bufferedBytes -= count;
  }
}

/** One copy costs less than a vectored write of hundreds of parts. */
function joined(parts: readonly Uint8Array[], length: number): Uint8Array {
  const all = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
