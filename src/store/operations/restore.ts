/**
 * Makes a store from a backup (SPEC S11).
 *
 *     1  the mark RESTORE     says that what is here is not a store yet
 *     2  files                copied, read back and checked
 *     3  the log              new and empty
 *     4  manifest, CURRENT    from here on the folder is a store
 *     5  the mark goes
 *
 * What ends it before the fourth step leaves a folder that no store is opened in, and that the next run clears and
 * begins anew.
 *
 * The original went on after its backup was made, and so will this: both would give the same numbers to different
 * writes. Two things keep them apart. The restored store has another identity, so that neither is backed up over the
 * other. And its numbers go on with a leap that no store makes up by writing, so that a version of an item that
 * somebody remembers from the original's last days is never the version of something else here.
 */

import { join } from "node:path";
import { HoldfastError, utf8 } from "../../base/index.ts";
import type { Disk } from "../../disk/index.ts";
import { openWal } from "../../wal/index.ts";
import { ManifestFileWriter } from "../manifest/manifest-file.ts";
import { currentName, fileName } from "../manifest/names.ts";
import { readManifest } from "../manifest/open-manifest.ts";
import type { ManifestState } from "../manifest/state.ts";
import { backupValue, foreignNames, identityValue, markedStore, recordOf } from "./backup-folder.ts";
import { copyVerified } from "./whole-file.ts";

export interface RestoreOptions {
  readonly disk: Disk;
  /** The folder of the backup. */
  readonly from: string;
  /** New or empty. */
  readonly to: string;
  /** Of the store that is made: such as no other has. */
  readonly identity: string;
  /** Of its log, in the folder. Default "log". */
  readonly logName?: string;
  readonly onProgress?: (progress: { readonly doneBytes: number; readonly totalBytes: number }) => void;
  readonly signal?: AbortSignal;
}

export interface RestoreReport {
  readonly files: number;
  readonly bytes: number;
  /** Everything up to this write is in it. */
  readonly version: number;
}

const restoreMark = "RESTORE";
/** More writes than a store sees between a backup and the day on which it is needed. */
export const restoreLeap = 2 ** 32;

/**
 * Throws STORE_BACKUP_MISSING where there is no whole backup, STORE_RESTORE_TARGET where the folder is not empty,
 * STORE_COPY_DAMAGED where a file of the backup is damaged, STORE_MANIFEST_CORRUPT, DISK_* and the signal's reason.
 */
export async function restoreStore(options: RestoreOptions): Promise<RestoreReport> {
  const { disk, from, to } = options;
  const state = await stateOf(disk, from);
  await disk.makeFolder(to);
  await using _lock = await disk.lock(join(to, "restore"));
  await clear(options);
  await disk.writeFileAtomic(join(to, restoreMark), utf8(`${JSON.stringify({ holdfast: "restore", from })}\n`));
  const bytes = await copyFiles(options, state);
  await beginLog(options, state);
  await publish(options, state);
  // Where a power cut brings it back, it stands beside CURRENT and says nothing any more.
  await disk.remove(join(to, restoreMark));
  return { files: state.files.size, bytes, version: state.flushedPosition };
}

async function stateOf(disk: Disk, from: string): Promise<ManifestState> {
  const isMarked = (await disk.stat(from)) !== undefined && (await markedStore(disk, from)) !== undefined;
  const read = isMarked ? await readManifest({ disk, folder: from }) : undefined;
  if (read !== undefined) return read.state;
  const reason = isMarked ? "holds a backup that was never finished" : "holds no backup";
  throw new HoldfastError("STORE_BACKUP_MISSING", `${from} ${reason}`, {
    hint: "Name the folder that a backup was made into (holdfast store backup).",
    details: { path: from },
  });
}

/** Away with what a run that was ended left. */
async function clear({ disk, to, logName = "log" }: RestoreOptions): Promise<void> {
  const names = await foreignNames(disk, to);
  if (names.length === 0) return;
  if (!names.includes(restoreMark) || names.includes(currentName)) {
    throw new HoldfastError("STORE_RESTORE_TARGET", `${to} is not empty: it holds ${names[0]}`, {
      hint: "Name a folder that is new or empty.",
      details: { path: to },
    });
  }
  const log = join(to, logName);
  if ((await disk.stat(log)) !== undefined)
    for (const { name, kind } of await disk.list(log)) if (kind === "file") await disk.remove(join(log, name));
  for (const name of names) if (name !== restoreMark && name !== logName) await disk.remove(join(to, name));
}

async function copyFiles(
  { disk, from, to, onProgress, signal }: RestoreOptions,
  state: ManifestState,
): Promise<number> {
  const { checksums } = recordOf(state);
  const totalBytes = [...state.files.values()].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  let doneBytes = 0;
  for (const file of state.files.values()) {
    signal?.throwIfAborted();
    const name = fileName(file);
    const checksum = checksums.get(name);
    await copyVerified({ disk, file, from: join(from, name), to: join(to, name), checksum, signal });
    doneBytes += file.sizeBytes;
    onProgress?.({ doneBytes, totalBytes });
  }
  return doneBytes;
}

/** Closed in order, so that the store finds it as it would find its own. */
async function beginLog({ disk, to, logName = "log" }: RestoreOptions, state: ManifestState): Promise<void> {
  const firstSequence = state.flushedPosition + 1 + restoreLeap;
  const wal = await openWal({ disk, folder: join(to, logName), firstSequence });
  await wal.close();
}

/** The new manifest syncs the folder before CURRENT names it: so the names of the copies are durable by then. */
async function publish({ disk, to, identity }: RestoreOptions, state: ManifestState): Promise<void> {
  const values = new Map(state.values).set(identityValue, identity);
  values.delete(backupValue);
  const writer = await ManifestFileWriter.create(disk, to, 1, { ...state, values });
  await writer.close();
}
