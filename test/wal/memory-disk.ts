/** A disk that is a map of byte arrays: for logs that are made, mutated and read again thousands of times a second. */
import { dirname } from "node:path";
import { HoldfastError } from "../../src/base/index.ts";
import type { Disk, DiskFile, DiskLock, FileStat, FolderEntry, OpenMode } from "../../src/disk/index.ts";

/** The bytes of each file; a copy of the map is a copy of the disk, for no array is written to in place by a reader. */
export type Files = ReadonlyMap<string, Uint8Array>;

export class MemoryDisk implements Disk {
  readonly #files: Map<string, Uint8Array>;
  readonly #locked = new Set<string>();

  constructor(files: Files = new Map()) {
    this.#files = new Map(files);
  }

  /** What the files hold now. */
  files(): Map<string, Uint8Array> {
    return new Map([...this.#files].map(([path, bytes]) => [path, bytes.slice()]));
  }

  async open(path: string, mode: OpenMode): Promise<DiskFile> {
    if (mode === "create-new") {
      if (this.#files.has(path)) throw new HoldfastError("DISK_EXISTS", `${path} is already there`);
      this.#files.set(path, new Uint8Array(0));
    }
    this.#bytesOf(path);
    return new MemoryFile(
      path,
      () => this.#bytesOf(path),
      (bytes) => this.#files.set(path, bytes),
    );
  }

  async readFile(path: string): Promise<Uint8Array> {
    return this.#bytesOf(path).slice();
  }

  async writeFile(path: string, bytes: Uint8Array): Promise<void> {
    this.#files.set(path, bytes.slice());
  }

  async writeFileAtomic(path: string, bytes: Uint8Array): Promise<void> {
    this.#files.set(path, bytes.slice());
  }

  async rename(from: string, to: string): Promise<void> {
    this.#files.set(to, this.#bytesOf(from));
    this.#files.delete(from);
  }

  async remove(path: string): Promise<void> {
    this.#files.delete(path);
  }

  async list(path: string): Promise<FolderEntry[]> {
    const names = [...this.#files.keys()].filter((file) => dirname(file) === path);
    return names.sort().map((file) => ({ name: file.slice(path.length + 1), kind: "file" }));
  }

  async stat(path: string): Promise<FileStat | undefined> {
    const bytes = this.#files.get(path);
    if (bytes !== undefined) return { kind: "file", sizeBytes: bytes.length, modifiedMs: 0 };
    const isFolder = [...this.#files.keys()].some((file) => file.startsWith(`${path}/`));
    return isFolder ? { kind: "folder", sizeBytes: 0, modifiedMs: 0 } : undefined;
  }

  async makeFolder(): Promise<void> {}

  async syncFolder(): Promise<void> {}

  async lock(path: string): Promise<DiskLock> {
    if (this.#locked.has(path)) throw new HoldfastError("DISK_LOCKED", `${path} is locked`);
    this.#locked.add(path);
    const release = async (): Promise<void> => void this.#locked.delete(path);
    return { path, release, [Symbol.asyncDispose]: release };
  }

  async freeSpace(): Promise<{ freeBytes: number; totalBytes: number }> {
    return { freeBytes: 2 ** 40, totalBytes: 2 ** 40 };
  }

  async mountOf(): Promise<undefined> {
    return undefined;
  }

  #bytesOf(path: string): Uint8Array {
    const bytes = this.#files.get(path);
    if (bytes === undefined) throw new HoldfastError("DISK_NOT_FOUND", `${path} is not there`, { details: { path } });
    return bytes;
  }
}

class MemoryFile implements DiskFile {
  readonly path: string;
  readonly #get: () => Uint8Array;
  readonly #set: (bytes: Uint8Array) => void;

  constructor(path: string, get: () => Uint8Array, set: (bytes: Uint8Array) => void) {
    this.path = path;
    this.#get = get;
    this.#set = set;
  }

  async sizeBytes(): Promise<number> {
    return this.#get().length;
  }

  async readAt(target: Uint8Array, offset: number): Promise<number> {
    return this.readNow(target, offset);
  }

  readNow(target: Uint8Array, offset: number): number {
    const part = this.#get().subarray(offset, offset + target.length);
    target.set(part);
    return part.length;
  }

  /** Into a copy: the array may be that of a disk this one was made from. */
  async writeAt(parts: readonly Uint8Array[], offset: number): Promise<void> {
    const end = offset + parts.reduce((sum, { length }) => sum + length, 0);
    const bytes = new Uint8Array(Math.max(end, this.#get().length));
    bytes.set(this.#get());
    let at = offset;
    for (const part of parts) {
      bytes.set(part, at);
      at += part.length;
    }
    this.#set(bytes);
  }

  async truncate(sizeBytes: number): Promise<void> {
    const bytes = new Uint8Array(sizeBytes);
    bytes.set(this.#get().subarray(0, sizeBytes));
    this.#set(bytes);
  }

  async fillZero(from: number, to: number): Promise<void> {
    await this.writeAt([new Uint8Array(to - from)], from);
  }

  async syncData(): Promise<void> {}

  async sync(): Promise<void> {}

  async close(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}
}
