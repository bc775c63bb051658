/**
 * The next file of a log, filled with zeros while the present one is written: then a rotation waits for no allocation,
 * and no write to the new file changes metadata. A spare is a convenience: where it cannot be made, for want of space
 * say, the log does without.
 */

import type { Disk, DiskFile } from "../disk/index.ts";

/** Filled and synced in steps, so that the log's own syncs never wait long behind it. */
const stepBytes = 2 * 2 ** 20;

export class SpareFile {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #sizeBytes: number;
  readonly #made: Promise<DiskFile | undefined>;
  #wanted = true;

  constructor(disk: Disk, path: string, sizeBytes: number) {
    this.#disk = disk;
    this.#path = path;
    this.#sizeBytes = sizeBytes;
    this.#made = this.#make();
  }

  /** The open file, filled with zeros; undefined where it could not be made. Its taker closes it. */
  async take(): Promise<DiskFile | undefined> {
    return await this.#made;
  }

  async discard(): Promise<void> {
    this.#wanted = false;
    await (await this.#made)?.close();
    await this.#disk.remove(this.#path).catch(() => undefined);
  }

  async #make(): Promise<DiskFile | undefined> {
    let file: DiskFile | undefined;
    try {
      await this.#disk.remove(this.#path);
      file = await this.#disk.open(this.#path, "create-new");
      for (let from = 0; from < this.#sizeBytes && this.#wanted; from += stepBytes) {
        await file.fillZero(from, Math.min(this.#sizeBytes, from + stepBytes));
        await file.syncData();
      }
      return file;
    } catch {
      await file?.close().catch(() => undefined);
      return undefined;
    }
  }
}
