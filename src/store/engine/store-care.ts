/** Verification and backup of a store while it is open. */

import { type BackupReport, backupStore } from "../operations/backup.ts";
import { type VerifyReport, verifyStore } from "../operations/verify-store.ts";
import type { StoreBackupOptions, StoreVerifyOptions } from "../store.ts";
import type { EngineParts } from "./engine-parts.ts";

type CareParts = Pick<EngineParts, "disk" | "folder"> & {
  readonly manifest: Pick<EngineParts["manifest"], "pin">;
};

/** Of the files of this moment, which stay until it is done; the log and what is in memory are not looked at. */
export async function verifyOpen(
  { disk, folder, manifest }: CareParts,
  options: StoreVerifyOptions = {},
): Promise<VerifyReport> {
  using pin = manifest.pin();
  return await verifyStore({ ...options, disk, folder, state: pin.state });
}

/** What is in memory is flushed first. */
export async function backupOpen(
  { disk, folder, manifest }: CareParts,
  target: string,
  flush: () => Promise<void>,
  options: StoreBackupOptions = {},
): Promise<BackupReport> {
  await flush();
  using pin = manifest.pin();
  return await backupStore({ ...options, disk, folder, target, state: pin.state });
}
