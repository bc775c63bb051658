/** A disk in front of another one: counts the files that are open, and can fail when one is closed. */

import { type Disk, type DiskFile, diskError } from "../../src/disk/index.ts";

export interface WatchedDisk {
  readonly disk: Disk;
  openFiles(): number;
  closeFailures(): number;
}

/** `failClose`: of which closing, from 1, the system says EIO; the file is closed all the same, as Linux does. */
export function watchedDisk(
  inner: Disk,
  failClose?: { readonly occurrence: number; readonly path: RegExp },
): WatchedDisk {
  let [open, closings, failures] = [0, 0, 0];
  const watched = (file: DiskFile): DiskFile => {
    let isOpen = true;
    const close = async (): Promise<void> => {
      if (isOpen) open--;
      isOpen = false;
      await file.close();
      if (failClose?.path.test(file.path) !== true || ++closings !== failClose.occurrence) return;
      failures++;
      throw diskError("close", file.path, Object.assign(new Error("EIO"), { code: "EIO" }));
    };
    return {
      path: file.path,
      sizeBytes: () => file.sizeBytes(),
      readAt: (target, offset) => file.readAt(target, offset),
      readNow: (target, offset) => file.readNow(target, offset),
      writeAt: (parts, offset) => file.writeAt(parts, offset),
      truncate: (sizeBytes) => file.truncate(sizeBytes),
      fillZero: (from, to) => file.fillZero(from, to),
      syncData: () => file.syncData(),
      sync: () => file.sync(),
      close,
      [Symbol.asyncDispose]: close,
    };
  };
  const disk: Disk = {
    async open(path, mode, options) {
      const file = await inner.open(path, mode, options);
      open++;
      return watched(file);
    },
    readFile: (path, options) => inner.readFile(path, options),
    writeFile: (path, bytes) => inner.writeFile(path, bytes),
    writeFileAtomic: (path, bytes) => inner.writeFileAtomic(path, bytes),
    rename: (from, to) => inner.rename(from, to),
    remove: (path) => inner.remove(path),
    list: (path) => inner.list(path),
    stat: (path) => inner.stat(path),
    makeFolder: (path) => inner.makeFolder(path),
    syncFolder: (path) => inner.syncFolder(path),
    lock: (path) => inner.lock(path),
    freeSpace: (path) => inner.freeSpace(path),
    mountOf: (path) => inner.mountOf(path),
  };
  return { disk, openFiles: () => open, closeFailures: () => failures };
}
