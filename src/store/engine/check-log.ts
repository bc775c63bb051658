/**
 * Manifest and log have to be of one store at one time. The log is made before the first collection is, and truncated
 * when an edit says that its entries are in a segment: never further than the manifest says.
 */

import { join } from "node:path";
import { HoldfastError } from "../../base/index.ts";
import type { Disk } from "../../disk/index.ts";
import { verifyWal, type WalFound } from "../../wal/index.ts";
import { currentName } from "../manifest/names.ts";
import type { ManifestReading, OpenedManifest } from "../manifest/open-manifest.ts";
import type { ManifestState } from "../manifest/state.ts";
import { manifestError } from "../manifest/walk.ts";
import type { Catalog } from "./catalog.ts";

/**
 * Throws STORE_MANIFEST_CORRUPT and STORE_LOG_MISSING. Asked before the log is taken up: a log that was made in place
 * of the missing one would pass for it at the next opening.
 */
export function checkLog(
  { isNew, torn, manifest }: OpenedManifest,
  catalog: Catalog,
  log: WalFound,
  folder: string,
): void {
  const { flushedPosition } = manifest.state;
  const isCut = log.truncatedBefore > flushedPosition + 1 || (isNew && !log.isNew);
  if (isCut) throw lastEditsError(folder, torn?.offset); // mutant: manifest-cut
  const isGone = log.isNew && catalog.all.length > 0;
  const isMissing = isGone || log.lastSequence < flushedPosition;
  if (isMissing) throw logMissing(folder, log.lastSequence, flushedPosition); // mutant: log-missing
}

/** The same for one who only reads, before he reads the log. */
export async function checkLogFiles(disk: Disk, folder: string, { state, torn }: ManifestReading): Promise<void> {
  const path = join(folder, "log");
  const files = (await disk.stat(path)) === undefined ? [] : await disk.list(path);
  const hasLog = files.some(({ name }) => /\.(wal|jsonl)$/.test(name));
  if (!hasLog && isUsed(state)) throw logMissing(folder, 0, state.flushedPosition);
  if (!hasLog) return;
  const { truncatedBefore, lastSequence = 0, files: reports } = await verifyWal(disk, path);
  if (truncatedBefore > state.flushedPosition + 1) throw lastEditsError(folder, torn?.offset);
  // A log without entries says by its files where it goes on.
  const last = Math.max(lastSequence, truncatedBefore - 1, ...reports.map(({ firstSequence }) => firstSequence - 1));
  if (last < state.flushedPosition) throw logMissing(folder, last, state.flushedPosition);
}

function isUsed({ files, flushedPosition, values }: ManifestState): boolean {
  return files.size > 0 || flushedPosition > 0 || [...values.keys()].some((name) => name.startsWith("collection."));
}

export function lastEditsError(folder: string, offset = 0): HoldfastError {
  return manifestError(join(folder, currentName), offset, "it lacks edits that the log goes on from");
}

function logMissing(folder: string, lastSequence: number, flushedPosition: number): HoldfastError {
  const path = join(folder, "log");
  const message = `the log in ${path} ends at ${lastSequence}, and the segments were written up to ${flushedPosition}`;
  return new HoldfastError("STORE_LOG_MISSING", message, {
    hint: "Its files were taken away or replaced: put them back, or restore the store from a backup.",
    details: { path, lastSequence, flushedPosition },
  });
}
