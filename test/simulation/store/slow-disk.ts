/**
 * A disk some of whose files answer late: what goes on beside the log, or beside a merge, then gets further than where
 * everything takes as long as everything else.
 */

import type { Disk, DiskFile } from "../../../src/disk/index.ts";

export interface Slowness {
  /** A regular expression over paths. */
  readonly path: string;
  /** Turns of the event loop that each of their reads and syncs takes. */
  readonly turns: number;
}

export function slowDisk(inner: Disk, slowness: Slowness | undefined): Disk {
  if (slowness === undefined) return inner;
  const path = new RegExp(slowness.path);
  const wait = async (): Promise<void> => {
    for (let turn = 0; turn < slowness.turns; turn++) await new Promise((resolve) => setImmediate(resolve));
  };
  const open: Disk["open"] = async (name, mode, options) => {
    const file = await inner.open(name, mode, options);
    return path.test(name) ? slowFile(file, wait) : file;
  };
  return new Proxy(inner, {
    get(target, name) {
      if (name === "open") return open;
      const found: unknown = Reflect.get(target, name, target);
      return typeof found === "function" ? found.bind(target) : found;
    },
  });
}

function slowFile(file: DiskFile, wait: () => Promise<void>): DiskFile {
  const close = (): Promise<void> => file.close();
  return {
    path: file.path,
    sizeBytes: () => file.sizeBytes(),
    async readAt(target, offset) {
      await wait();
      return await file.readAt(target, offset);
    },
    readNow: (target, offset) => file.readNow(target, offset),
    writeAt: (parts, offset) => file.writeAt(parts, offset),
    truncate: (sizeBytes) => file.truncate(sizeBytes),
    fillZero: (from, to) => file.fillZero(from, to),
    async syncData() {
      await wait();
      await file.syncData();
    },
    async sync() {
      await wait();
      await file.sync();
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
