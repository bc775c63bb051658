/** Whether the log that is found is the one that the manifest goes on in. */

import { join } from "node:path";
import { HoldfastError } from "../../base/index.ts";
import type { Disk } from "../../disk/index.ts";
import { verifyWal, type Wal } from "../../wal/index.ts";
import { currentName } from "../manifest/names.ts";
import type { ManifestReading, OpenedManifest } from "../manifest/open-manifest.ts";
import { manifestError } from "../manifest/walk.ts";

/** The log has to go on where the segments end: else something is missing, or the manifest's last word is. */
export function checkLog({ isNew, torn, manifest }: OpenedManifest, log: Wal, folder: string): void {
  const { flushedPosition } = manifest.state;
  if (torn !== undefined && log.truncatedBefore > flushedPosition + 1) throw tornError(folder, torn.offset);
  if (isNew || log.visibleSequence >= flushedPosition) return;
  throw missingError(folder, `ends at ${log.visibleSequence}, before ${flushedPosition}, which is in the segments`);
}

/** The same for one who only reads, before he reads the log. */
export async function checkLogFiles(disk: Disk, folder: string, { state, torn }: ManifestReading): Promise<void> {
  const path = join(folder, "log");
  const files = (await disk.stat(path)) === undefined ? [] : await disk.list(path);
  const hasLog = files.some(({ name }) => /\.(wal|jsonl)$/.test(name));
  if (!hasLog && (state.files.size > 0 || state.flushedPosition > 0)) throw missingError(folder, "is not there");
  if (torn === undefined || !hasLog) return;
  const { truncatedBefore } = await verifyWal(disk, path);
  if (truncatedBefore > state.flushedPosition + 1) throw tornError(folder, torn.offset);
}

function tornError(folder: string, offset: number): HoldfastError {
  const reason = "its last edit is damaged, and the log no longer has what it was about";
  return manifestError(join(folder, currentName), offset, reason);
}

function missingError(folder: string, reason: string): HoldfastError {
  const path = join(folder, "log");
  return new HoldfastError("STORE_LOG_MISSING", `the log in ${path} ${reason}`, {
    hint: "Its files were taken away or replaced: put them back, or restore the store from a backup.",
    details: { path },
  });
}
