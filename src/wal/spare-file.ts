/**
 * The next file of a log, made ready while the present one is written: then a rotation waits for no allocation, and no
 * write to the new file changes metadata. It is a file that was truncated away, whose stale frames no epoch, number or
 * link takes for live ones; or a new one, filled with zeros. A spare is a convenience: where it cannot be made, for
 * want of space say, the log does without.
 */

import type { Disk, DiskFile } from "../disk/index.ts";

/** Filled and synced in steps, so that the log's own syncs never wait long behind it. */
const stepBytes = 2 * 2 ** 20;

export interface ReadySpare {
  readonly file: DiskFile;
  readonly path: string;
  readonly allocatedBytes: number;
  readonly recycled: boolean;
}

export interface SpareFile {
  readonly recycled: boolean;
  /** Takes it as far as it is made; its taker closes it. undefined where it could not be made. */
  take(): Promise<ReadySpare | undefined>;
  discard(): Promise<void>;
}

export async function recycledSpare(disk: Disk, from: string, path: string): Promise<SpareFile> {
  await disk.rename(from, path);
  const file = await disk.open(path, "read-write");
  const ready = { file, path, allocatedBytes: await file.sizeBytes(), recycled: true };
  return { recycled: true, take: async () => ready, discard: () => removeSpare(disk, ready) };
}

export function zeroedSpare(disk: Disk, path: string, sizeBytes: number): SpareFile {
  let filling = true;
  const make = async (): Promise<ReadySpare | undefined> => {
    let file: DiskFile | undefined;
    try {
      await disk.remove(path);
      file = await disk.open(path, "create-new");
      let allocatedBytes = 0;
      while (filling && allocatedBytes < sizeBytes) {
        const to = Math.min(sizeBytes, allocatedBytes + stepBytes);
        await file.fillZero(allocatedBytes, to);
        await file.syncData();
        allocatedBytes = to;
      }
      return { file, path, allocatedBytes, recycled: false };
    } catch {
      await file?.close().catch(() => undefined);
      return undefined;
    }
  };
  const made = make();
  return {
    recycled: false,
    async take() {
      filling = false;
      return await made;
    },
    async discard() {
      filling = false;
      const ready = await made;
      if (ready === undefined) await disk.remove(path).catch(() => undefined);
      else await removeSpare(disk, ready);
    },
  };
}

async function removeSpare(disk: Disk, { file, path }: ReadySpare): Promise<void> {
  await file.close();
  await disk.remove(path).catch(() => undefined);
}
