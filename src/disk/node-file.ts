/**
 * An open file of the real disk. Short writes, short reads and interrupted calls are carried on until all is done.
 *
 * The calls go to libuv by callback: one trip to its threads for each, without the promises and the bookkeeping of
 * `FileHandle`, which cost as much as a write of a page.
 */

import {
  close,
  fdatasync,
  fstat,
  fsync,
  ftruncate,
  read,
  readSync,
  type Stats,
  write,
  writeSync,
  writev,
} from "node:fs";
import { HoldfastError } from "../base/index.ts";
import type { DiskFile } from "./disk.ts";
import { diskError, systemCodeOf } from "./disk-error.ts";

/**
 * A write up to this size goes into the system's memory without leaving the thread: that takes less time than the way
 * to another thread and back. Not where it has to wait for the device.
 */
const directWriteBytes = 256 * 1024;

/** The most buffers one vectored write takes (IOV_MAX is 1024 on Linux and macOS). */
const vectorLimit = 1024;
const zeros = new Uint8Array(1 << 20);

type Done<T> = (error: NodeJS.ErrnoException | null, value: T) => void;

export class NodeFile implements DiskFile {
  readonly path: string;
  readonly #descriptor: number;
  readonly #waitsForDevice: boolean;
  #open = true;

  constructor(path: string, descriptor: number, options: { readonly dataSync: boolean }) {
    this.path = path;
    this.#descriptor = descriptor;
    this.#waitsForDevice = options.dataSync;
  }

  async sizeBytes(): Promise<number> {
    return (await this.#call<Stats>("stat", (descriptor, back) => fstat(descriptor, back))).size;
  }

  async readAt(target: Uint8Array, offset: number): Promise<number> {
    let done = 0;
    while (done < target.length) {
      const [from, length] = [done, target.length - done];
      const count = await this.#call<number>("read", (descriptor, back) =>
        read(descriptor, target, from, length, offset + from, back),
      );
      if (count === 0) break;
      done += count;
    }
    return done;
  }

  readNow(target: Uint8Array, offset: number): number {
    if (!this.#open) throw closedError("read", this.path);
    let done = 0;
    while (done < target.length) {
      try {
        const count = readSync(this.#descriptor, target, done, target.length - done, offset + done);
        if (count === 0) break;
        done += count;
      } catch (error) {
        if (systemCodeOf(error) !== "EINTR") throw diskError("read", this.path, error);
      }
    }
    return done;
  }

  async writeAt(parts: readonly Uint8Array[], offset: number): Promise<void> {
    let position = offset;
    let rest = parts.filter((part) => part.length > 0);
    while (rest.length > 0) {
      const count = await this.#writeSome(rest, position);
      if (count === 0) throw new HoldfastError("DISK_IO", `cannot write ${this.path}: nothing is taken`);
      position += count;
      rest = withoutFirst(rest, count);
    }
  }

  async fillZero(from: number, to: number): Promise<void> {
    for (let place = from; place < to; place += zeros.length)
      await this.writeAt([zeros.subarray(0, Math.min(zeros.length, to - place))], place);
  }

  async truncate(sizeBytes: number): Promise<void> {
    await this.#call<void>("truncate", (descriptor, back) => ftruncate(descriptor, sizeBytes, plain(back)));
  }

  async syncData(): Promise<void> {
    await this.#call<void>("sync", (descriptor, back) => fdatasync(descriptor, plain(back)));
  }

  async sync(): Promise<void> {
    await this.#call<void>("sync", (descriptor, back) => fsync(descriptor, plain(back)));
  }

  async close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    await new Promise<void>((resolve, reject) =>
      close(this.#descriptor, (error) =>
        error === null || error === undefined ? resolve() : reject(diskError("close", this.path, error)),
      ),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #writeSome(parts: readonly Uint8Array[], position: number): Promise<number> {
    const [first] = parts;
    if (first !== undefined && first.length <= directWriteBytes && parts.length === 1 && !this.#waitsForDevice)
      return this.#writeDirectly(first, position);
    if (parts.length === 1 && first !== undefined)
      return await this.#call<number>("write", (descriptor, back) =>
        write(descriptor, first, 0, first.length, position, back),
      );
    return await this.#call<number>("write", (descriptor, back) =>
      writev(descriptor, parts.slice(0, vectorLimit), position, back),
    );
  }

  #writeDirectly(bytes: Uint8Array, position: number): number {
    if (!this.#open) throw closedError("write", this.path);
    for (;;) {
      try {
        return writeSync(this.#descriptor, bytes, 0, bytes.length, position);
      } catch (error) {
        if (systemCodeOf(error) !== "EINTR") throw diskError("write", this.path, error);
      }
    }
  }

  #call<T>(operation: string, start: (descriptor: number, back: Done<T>) => void): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const attempt = (): void => {
        if (!this.#open) return reject(closedError(operation, this.path));
        start(this.#descriptor, (error, value) => {
          if (error === null) resolve(value);
          else if (systemCodeOf(error) === "EINTR" && operation !== "sync") attempt();
          else reject(diskError(operation, this.path, error));
        });
      };
      attempt();
    });
  }
}

function closedError(operation: string, path: string): HoldfastError {
  return new HoldfastError("DISK_CLOSED", `cannot ${operation} ${path}: it is closed`);
}

function plain(back: Done<void>): (error: NodeJS.ErrnoException | null) => void {
  return (error) => back(error, undefined);
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
