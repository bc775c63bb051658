/** An open file of the real disk. Short writes and short reads are carried on until all is done. */

import type { FileHandle } from "node:fs/promises";
import { HoldfastError } from "../base/index.ts";
import type { DiskFile } from "./disk.ts";
import { diskError } from "./disk-error.ts";

/** The most buffers one vectored write takes (IOV_MAX is 1024 on Linux and macOS). */
const vectorLimit = 1024;

export class NodeFile implements DiskFile {
  readonly path: string;
  readonly #handle: FileHandle;
  #open = true;

  constructor(path: string, handle: FileHandle) {
    this.path = path;
    this.#handle = handle;
  }

  async sizeBytes(): Promise<number> {
    return await this.#do("stat", async () => (await this.#handle.stat()).size);
  }

  async readAt(target: Uint8Array, offset: number): Promise<number> {
    return await this.#do("read", async () => {
      let done = 0;
      while (done < target.length) {
        const { bytesRead } = await this.#handle.read(target, done, target.length - done, offset + done);
        if (bytesRead === 0) break;
        done += bytesRead;
      }
      return done;
    });
  }

  async writeAt(parts: readonly Uint8Array[], offset: number): Promise<void> {
    await this.#do("write", async () => {
      let position = offset;
      let rest = parts.filter((part) => part.length > 0);
      while (rest.length > 0) {
        const { bytesWritten } = await this.#handle.writev(rest.slice(0, vectorLimit), position);
        if (bytesWritten === 0) throw new HoldfastError("DISK_IO", `cannot write ${this.path}: nothing is taken`);
        position += bytesWritten;
        rest = withoutFirst(rest, bytesWritten);
      }
    });
  }

  async truncate(sizeBytes: number): Promise<void> {
    await this.#do("truncate", () => this.#handle.truncate(sizeBytes));
  }

  async syncData(): Promise<void> {
    await this.#do("sync", () => this.#handle.datasync());
  }

  async sync(): Promise<void> {
    await this.#do("sync", () => this.#handle.sync());
  }

  async close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    await this.#do("close", () => this.#handle.close());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #do<T>(operation: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (cause) {
      throw diskError(operation, this.path, cause);
    }
  }
}

function withoutFirst(parts: readonly Uint8Array[], count: number): Uint8Array[] {
  const rest: Uint8Array[] = [];
  let skip = count;
  for (const part of parts) {
    if (skip >= part.length) skip -= part.length;
    else {
      rest.push(skip === 0 ? part : part.subarray(skip));
      skip = 0;
    }
  }
  return rest;
}
