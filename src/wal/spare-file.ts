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
  /** The open file; undefined where it could not be made. Its taker closes it. */
  take(): Promise<ReadySpare | undefined>;
  discard(): Promise<void>;
}

export async function recycledSpare(disk: Disk, from: string, path: string): Promise<SpareFile> {
  await disk.rename(from, path);
  const file = await disk.open(path, "read-write");
  const ready = { file, path, allocatedBytes: await file.sizeBytes(), recycled: true };
  return { take: async () => ready, discard: () => removeSpare(disk, ready) };
}

export function zeroedSpare(disk: Disk, path: string, sizeBytes: number): SpareFile {
  let wanted = true;
  const make = async (): Promise<ReadySpare | undefined> => {
    let file: DiskFile | undefined;
    try {
      await disk.remove(path);
      file = await disk.open(path, "create-new");
      for (let from = 0; from < sizeBytes && wanted; from += stepBytes) {
        await file.fillZero(from, Math.min(sizeBytes, from + stepBytes));
        await file.syncData();
      }
      return { file, path, allocatedBytes: sizeBytes, recycled: false };
    } catch {
      await file?.close().catch(() => undefined);
      return undefined;
    }
  };
  const made = make();
  const discard = async (): Promise<void> => {
    wanted = false;
    const ready = await made;
    if (ready === undefined) await disk.remove(path).catch(() => undefined);
    else await removeSpare(disk, ready);
  };
  return { take: () => made, discard };
}

async function removeSpare(disk: Disk, { file, path }: ReadySpare): Promise<void> {
  await file.close();
  await disk.remove(path).catch(() => undefined);
}
