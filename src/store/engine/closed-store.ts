/** What is done with a store that nobody has open: checked, or made from a backup. */

import { randomUUID } from "node:crypto";
import { HoldfastError } from "../../base/index.ts";
import { type Disk, NodeDisk } from "../../disk/index.ts";
import { type RestoreReport, restoreStore as restoreInto } from "../operations/restore.ts";
import { type VerifyReport, verifyStore as verifyFolder } from "../operations/verify-store.ts";
import type { StoreBackupOptions, StoreVerifyOptions } from "../store.ts";
import { lockIfWritable } from "./store-lock.ts";

export interface ClosedStoreOptions extends StoreVerifyOptions {
  readonly folder: string;
  readonly disk?: Disk;
}

/**
 * Checks the store in a folder, its log and what lies beside it too, and changes nothing. Damage is a finding, never an
 * error. Throws STORE_MISSING, STORE_LOCKED where it is open elsewhere, and DISK_*.
 */
export async function verifyStore({ disk = new NodeDisk(), ...options }: ClosedStoreOptions): Promise<VerifyReport> {
  const { folder } = options;
  if ((await disk.stat(folder)) === undefined) {
    throw new HoldfastError("STORE_MISSING", `there is no store in ${folder}`, {
      hint: "Check the path: a store is a folder with a file CURRENT.",
      details: { path: folder },
    });
  }
  const lock = await lockIfWritable(disk, folder);
  try {
    return await verifyFolder({ ...options, disk });
  } finally {
    await lock?.release();
  }
}

export interface RestoreStoreOptions extends StoreBackupOptions {
  /** The folder of the backup. */
  readonly from: string;
  /** New or empty. */
  readonly to: string;
  readonly disk?: Disk;
}

/**
 * Makes a store from a backup. Throws STORE_BACKUP_MISSING, STORE_RESTORE_TARGET where the folder is not empty,
 * STORE_COPY_DAMAGED where a file of the backup is damaged, and DISK_*.
 */
export async function restoreStore({ disk = new NodeDisk(), ...options }: RestoreStoreOptions): Promise<RestoreReport> {
  return await restoreInto({ ...options, disk, identity: randomUUID() });
}
