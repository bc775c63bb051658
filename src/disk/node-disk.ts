/** The real disk, on node:fs. The only place in Holdfast that touches files. */

import { randomUUID } from "node:crypto";
import { constants, type Dirent, open as openFile, type Stats } from "node:fs";
import { mkdir, open, readdir, rename, rm, stat, statfs, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { HoldfastError } from "../base/index.ts";
import {
  type Disk,
  type DiskFile,
  type DiskLock,
  defaultReadLimitBytes,
  type FileStat,
  type FolderEntry,
  type FreeSpace,
  type Mount,
  type OpenMode,
  type OpenOptions,
  type ReadOptions,
  refuseLarger,
  refuseShort,
} from "./disk.ts";
import { diskError, systemCodeOf, systemError } from "./disk-error.ts";
import { findMount } from "./mount.ts";
import { NodeFile } from "./node-file.ts";
import { takeLock } from "./node-lock.ts";

const openFlags: Readonly<Record<OpenMode, number>> = {
  read: constants.O_RDONLY,
  "read-write": constants.O_RDWR,
  "create-new": constants.O_RDWR | constants.O_CREAT | constants.O_EXCL,
};

export class NodeDisk implements Disk {
  async open(path: string, mode: OpenMode, options: OpenOptions = {}): Promise<DiskFile> {
    const dataSync = options.dataSync === true;
    const flags = openFlags[mode] | (dataSync ? constants.O_DSYNC : 0);
    return await doing("open", path, async () => new NodeFile(path, await descriptorOf(path, flags), { dataSync }));
  }

  async readFile(path: string, options: ReadOptions = {}): Promise<Uint8Array> {
    const limitBytes = options.limitBytes ?? defaultReadLimitBytes;
    await using file = await this.open(path, "read");
    const sizeBytes = await file.sizeBytes();
    refuseLarger(path, sizeBytes, limitBytes);
    options.signal?.throwIfAborted();
    if (sizeBytes === 0) return await this.#readUnsized(file, limitBytes);
    const bytes = new Uint8Array(sizeBytes);
    const count = await file.readAt(bytes, 0);
    options.signal?.throwIfAborted();
    refuseShort(path, count, sizeBytes);
    return bytes;
  }

  async writeFile(path: string, bytes: Uint8Array): Promise<void> {
    await doing("write", path, () => writeFile(path, bytes));
  }

  async writeFileAtomic(path: string, bytes: Uint8Array): Promise<void> {
    const folder = dirname(path);
    const temporary = join(folder, `.${basename(path)}.${randomUUID()}.tmp`);
    try {
      const file = await this.open(temporary, "create-new");
      try {
        await file.writeAt([bytes], 0);
        await file.sync();
      } finally {
        await file.close();
      }
      await this.rename(temporary, path);
    } catch (error) {
      await this.remove(temporary).catch(() => undefined);
      throw error;
    }
    await this.syncFolder(folder);
  }

  async rename(from: string, to: string): Promise<void> {
    await doing(`move to ${to} the file`, from, () => rename(from, to));
  }

  async remove(path: string): Promise<void> {
    await doing("remove", path, () => rm(path, { force: true }));
  }

  async list(path: string): Promise<FolderEntry[]> {
    const entries = await doing("list", path, () => readdir(path, { withFileTypes: true }));
    const listed = entries.map((entry) => ({ name: entry.name, kind: kindOf(entry) }));
    return listed.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async stat(path: string): Promise<FileStat | undefined> {
    return await doing("stat", path, async () => {
      try {
        const found = await stat(path);
        return { kind: kindOf(found), sizeBytes: found.size, modifiedMs: found.mtimeMs };
      } catch (cause) {
        if (systemCodeOf(cause) === "ENOENT") return undefined;
        throw cause;
      }
    });
  }

  /** One folder at a time: where none can be made, Node's own recursion may try for ever. */
  async makeFolder(path: string): Promise<void> {
    const missing: string[] = [];
    let above = resolve(path);
    let found = await this.stat(above);
    for (; found === undefined; found = await this.stat(above)) {
      missing.push(above);
      above = dirname(above);
    }
    await doing("make the folder", path, async () => {
      if (found.kind !== "folder") throw systemError(missing.length === 0 ? "EEXIST" : "ENOTDIR");
      // Each is synced before the next is made, so of those that are there only the last can be in doubt.
      await this.#syncUnlessForeign(dirname(above));
      for (const folder of missing.toReversed()) {
        await makeOne(folder);
        await this.syncFolder(dirname(folder));
      }
    });
  }

  /** A folder that may not even be opened is not one in which a process of ours made another. */
  async #syncUnlessForeign(path: string): Promise<void> {
    try {
      await this.syncFolder(path);
    } catch (error) {
      if (!HoldfastError.is(error) || error.code !== "DISK_DENIED") throw error;
    }
  }

  async syncFolder(path: string): Promise<void> {
    await doing("sync the folder", path, async () => {
      const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
      try {
        await folder.sync();
      } finally {
        await folder.close();
      }
    });
  }

  async lock(path: string): Promise<DiskLock> {
    return await takeLock(path);
  }

  async freeSpace(path: string): Promise<FreeSpace> {
    const found = await doing("measure", path, () => statfs(path));
    return { freeBytes: found.bavail * found.bsize, totalBytes: found.blocks * found.bsize };
  }

  async mountOf(path: string): Promise<Mount | undefined> {
    return await findMount(path);
  }

  /** Files of the kernel and pipes say that they have no bytes and have some. */
  async #readUnsized(file: DiskFile, limitBytes: number): Promise<Uint8Array> {
    const chunk = new Uint8Array(Math.min(65_536, limitBytes + 1));
    let all = new Uint8Array(0);
    for (;;) {
      const count = await file.readAt(chunk, all.length);
      if (count === 0) return all;
      refuseLarger(file.path, all.length + count, limitBytes);
      const longer = new Uint8Array(all.length + count);
      longer.set(all);
      longer.set(chunk.subarray(0, count), all.length);
      all = longer;
    }
  }
}

function kindOf(entry: Dirent | Stats): FileStat["kind"] {
  if (entry.isFile()) return "file";
  return entry.isDirectory() ? "folder" : "other";
}

async function doing<T>(operation: string, path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw diskError(operation, path, cause);
  }
}

function descriptorOf(path: string, flags: number): Promise<number> {
  return new Promise((resolve, reject) =>
    openFile(path, flags, 0o644, (error, descriptor) => (error === null ? resolve(descriptor) : reject(error))),
  );
}

/** Another process may have made it meanwhile. */
async function makeOne(folder: string): Promise<void> {
  try {
    await mkdir(folder);
  } catch (cause) {
    if (systemCodeOf(cause) !== "EEXIST") throw cause;
  }
}
