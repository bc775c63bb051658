/** One process at a time owns a store (S11). */

import { join } from "node:path";
import { HoldfastError } from "../../base/index.ts";
import type { Disk, DiskLock } from "../../disk/index.ts";

/** Throws STORE_LOCKED with the holder's pid, and DISK_*. */
export async function lockStore(disk: Disk, folder: string): Promise<DiskLock> {
  try {
    return await disk.lock(join(folder, "store"));
  } catch (cause) {
    if (!HoldfastError.is(cause) || cause.code !== "DISK_LOCKED") throw cause;
    throw new HoldfastError("STORE_LOCKED", `the store in ${folder} is open elsewhere: ${cause.rawMessage}`, {
      cause,
      hint: "One process at a time owns a store: end the other one, or ask it.",
      details: { ...cause.details, path: folder },
    });
  }
}

/** undefined where nobody can write: then nobody has to be kept from it. */
export async function lockIfWritable(disk: Disk, folder: string): Promise<DiskLock | undefined> {
  if ((await disk.stat(folder)) === undefined) return undefined;
  try {
    return await lockStore(disk, folder);
  } catch (error) {
    if (HoldfastError.is(error) && (error.code === "DISK_READ_ONLY" || error.code === "DISK_DENIED")) return undefined;
    throw error;
  }
}
