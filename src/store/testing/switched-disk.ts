/**
 * A simulated disk whose device fails and works again as a test says: from one moment on writes and syncs, or reads,
 * end with an error, until they are allowed again. What is written before a failed sync stays in the cache.
 */

import {
  type Disk,
  type DiskFile,
  type DiskLock,
  diskError,
  type FileStat,
  type FolderEntry,
  type FreeSpace,
  type Mount,
  type OpenMode,
  type OpenOptions,
  type ReadOptions,
  SimDisk,
} from "../../disk/index.ts";

export interface Trouble {
  readonly what: "writing" | "syncing" | "reading";
  /** Of the system. */
  readonly code: "EIO" | "ENOSPC";
  /** Default: every file. */
  readonly path?: RegExp;
}

export class SwitchedDisk implements Disk {
  readonly inner: SimDisk;
  troubles: readonly Trouble[] = [];
  /** How often something was refused. */
  refused = 0;
  /** Awaited before each sync. */
  beforeSync: ((path: string) => Promise<void>) | undefined;

  constructor(inner = new SimDisk()) {
    this.inner = inner;
  }

  refuse(what: Trouble["what"], path: string): void {
    const trouble = this.troubles.find((one) => one.what === what && (one.path?.test(path) ?? true));
    if (trouble === undefined) return;
    this.refused++;
    throw diskError(what, path, Object.assign(new Error(trouble.code), { code: trouble.code }));
  }

  async open(path: string, mode: OpenMode, options?: OpenOptions): Promise<DiskFile> {
    if (mode === "create-new") this.refuse("writing", path);
    return switchedFile(this, await this.inner.open(path, mode, options));
  }

  async readFile(path: string, options?: ReadOptions): Promise<Uint8Array> {
    this.refuse("reading", path);
    return await this.inner.readFile(path, options);
  }

  async writeFile(path: string, bytes: Uint8Array): Promise<void> {
    this.refuse("writing", path);
    await this.inner.writeFile(path, bytes);
  }

  async writeFileAtomic(path: string, bytes: Uint8Array): Promise<void> {
    this.refuse("writing", path);
    this.refuse("syncing", path);
    await this.inner.writeFileAtomic(path, bytes);
  }

  async rename(from: string, to: string): Promise<void> {
    this.refuse("writing", from);
    await this.inner.rename(from, to);
  }

  remove(path: string): Promise<void> {
    return this.inner.remove(path);
  }

  list(path: string): Promise<FolderEntry[]> {
    return this.inner.list(path);
  }

  stat(path: string): Promise<FileStat | undefined> {
    return this.inner.stat(path);
  }

  makeFolder(path: string): Promise<void> {
    return this.inner.makeFolder(path);
  }

  async syncFolder(path: string): Promise<void> {
    this.refuse("syncing", path);
    await this.inner.syncFolder(path);
  }

  lock(path: string): Promise<DiskLock> {
    return this.inner.lock(path);
  }

  freeSpace(path: string): Promise<FreeSpace> {
    return this.inner.freeSpace(path);
  }

  mountOf(path: string): Promise<Mount | undefined> {
    return this.inner.mountOf(path);
  }
}

function switchedFile(disk: SwitchedDisk, file: DiskFile): DiskFile {
  const { path } = file;
  const synced = async (sync: () => Promise<void>): Promise<void> => {
    await disk.beforeSync?.(path);
    disk.refuse("syncing", path);
    await sync();
  };
  return {
    path,
    sizeBytes: () => file.sizeBytes(),
    async readAt(target, offset) {
      disk.refuse("reading", path);
      return await file.readAt(target, offset);
    },
    readNow(target, offset) {
      disk.refuse("reading", path);
      return file.readNow(target, offset);
    },
    async writeAt(parts, offset) {
      disk.refuse("writing", path);
      await file.writeAt(parts, offset);
    },
    truncate: (sizeBytes) => file.truncate(sizeBytes),
    async fillZero(from, to) {
      disk.refuse("writing", path);
      await file.fillZero(from, to);
    },
    syncData: () => synced(() => file.syncData()),
    sync: () => synced(() => file.sync()),
    close: () => file.close(),
    [Symbol.asyncDispose]: () => file.close(),
  };
}
