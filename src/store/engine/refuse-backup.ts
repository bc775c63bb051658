/** A backup is not opened as a store. */

import { HoldfastError } from "../../base/index.ts";
import type { Disk } from "../../disk/index.ts";
import { isBackup } from "../operations/backup-folder.ts";

/** A backup is nobody's store: what is written into it would be gone with the next backup. */
export async function refuseBackup(disk: Disk, folder: string): Promise<void> {
  if (!(await isBackup(disk, folder))) return;
  throw new HoldfastError("STORE_IS_BACKUP", `${folder} holds a backup, not a store`, {
    hint: `Make a store of it: holdfast store restore ${folder} NEW_FOLDER.`,
    details: { path: folder },
  });
}
