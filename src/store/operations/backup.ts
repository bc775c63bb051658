/**
 * Backs up a pinned state of a store into a folder, while the store goes on (SPEC S11).
 *
 *     1  the mark BACKUP              whose backup this is, or is to be
 *     2  files that are not there     copied under another name, read back and checked, then named
 *     3  the manifest, then CURRENT   of exactly this state: from here on the folder is the new backup
 *     4  what no state names          removed
 *
 * Until CURRENT is replaced, which is one rename, the folder is the older backup, all of whose files are still there;
 * afterwards it is the new one. So whatever ends it in between, one of the two is whole, and the next run goes on
 * where it ended: files never change, so those that are there need not be copied again. Each is read and checked all
 * the same, for a disk that nobody reads rots unseen.
 *
 * Damage of the store is not backed up: it ends the run, and the older backup stays.
 */

import { join } from "node:path";
import { HoldfastError } from "../../base/index.ts";
import type { Disk } from "../../disk/index.ts";
import { ManifestFileWriter } from "../manifest/manifest-file.ts";
import { fileName, manifestName, parseName } from "../manifest/names.ts";
import type { ManifestFile, ManifestState } from "../manifest/state.ts";
import {
  backedUpState,
  backupValue,
  encodeRecord,
  foreignNames,
  highestManifest,
  identityValue,
  isLeftover,
  markBackup,
  markedStore,
  recordOf,
} from "./backup-folder.ts";
import { checksumOf, copyVerified } from "./whole-file.ts";

export interface BackupOptions {
  readonly disk: Disk;
  /** The folder of the store. */
  readonly folder: string;
  /** Pinned until this returns; everything that was to be backed up is flushed in it. */
  readonly state: ManifestState;
  /** A new or empty folder, or an older backup of the same store. */
  readonly target: string;
  readonly onProgress?: (progress: BackupProgress) => void;
  readonly signal?: AbortSignal;
}

export interface BackupProgress {
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export interface BackupReport {
  readonly copiedFiles: number;
  readonly copiedBytes: number;
  /** Were there already, and are right. */
  readonly keptFiles: number;
  readonly removedFiles: number;
  /** Everything up to this write is in it. */
  readonly version: number;
}

/**
 * Throws STORE_BACKUP_TARGET where the folder holds something else, STORE_COPY_DAMAGED where a file of the store is
 * damaged, DISK_LOCKED where another run is under way, DISK_* and the signal's reason.
 */
export async function backupStore(options: BackupOptions): Promise<BackupReport> {
  const { disk, target } = options;
  await disk.makeFolder(target);
  await using _lock = await disk.lock(join(target, "backup"));
  return await new Backup(options).run();
}

class Backup {
  readonly #options: BackupOptions;
  readonly #identity: string;
  readonly #checksums = new Map<string, number>();
  /** The names of what the new state is made of. */
  readonly #live = new Set<string>();
  #copiedFiles = 0;
  #copiedBytes = 0;

  constructor(options: BackupOptions) {
    this.#options = options;
    this.#identity = identityOf(options);
  }

  async run(): Promise<BackupReport> {
    const { state } = this.#options;
    const before = await this.#claim();
    await this.#copyFiles(before);
    await this.#publish();
    const removedFiles = await this.#sweep();
    const [copiedFiles, copiedBytes] = [this.#copiedFiles, this.#copiedBytes];
    const keptFiles = state.files.size - copiedFiles;
    return { copiedFiles, copiedBytes, keptFiles, removedFiles, version: state.flushedPosition };
  }

  /** Makes sure that the target is ours, and returns what it holds. */
  async #claim(): Promise<ManifestState | undefined> {
    const { disk, target } = this.#options;
    const marked = await markedStore(disk, target);
    const names = await foreignNames(disk, target);
    if (marked === undefined) {
      if (names.length > 0) throw targetError(target, `it holds ${names[0]} and is no backup`);
      await markBackup(disk, target, this.#identity);
      return undefined;
    }
    const before = await backedUpState(disk, target);
    const store = marked === "damaged" ? before?.values.get(identityValue) : marked.store;
    if (store === undefined) throw targetError(target, "nothing in it says of which store it is a backup");
    if (store !== this.#identity) throw targetError(target, "it is the backup of another store");
    if (marked === "damaged") await markBackup(disk, target, this.#identity);
    return before;
  }

  async #copyFiles(before: ManifestState | undefined): Promise<void> {
    const { state, signal, onProgress } = this.#options;
    const noted = recordOf(before);
    const totalBytes = [...state.files.values()].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    let doneBytes = 0;
    for (const file of state.files.values()) {
      signal?.throwIfAborted();
      const name = fileName(file);
      this.#checksums.set(name, (await this.#keep(file, noted.checksums.get(name))) ?? (await this.#copy(file)));
      doneBytes += file.sizeBytes;
      onProgress?.({ doneBytes, totalBytes });
    }
  }

  /** The checksum of the file in the target, if that is what it should be. */
  async #keep(file: ManifestFile, noted: number | undefined): Promise<number | undefined> {
    const { disk, folder, target, signal } = this.#options;
    const name = fileName(file);
    const path = join(target, name);
    const stat = await disk.stat(path);
    if (stat?.kind !== "file" || stat.sizeBytes !== file.sizeBytes) return undefined;
    const found = await unlessUnreadable(checksumOf(disk, path, signal));
    if (found === undefined) return undefined;
    // A run that was interrupted has noted nothing: then the file of the store says what is right.
    const right = noted ?? (await checksumOf(disk, join(folder, name), signal));
    return found === right ? found : undefined;
  }

  async #copy(file: ManifestFile): Promise<number> {
    const { disk, folder, target, signal } = this.#options;
    const name = fileName(file);
    const checksum = await copyVerified({ disk, file, from: join(folder, name), to: join(target, name), signal });
    this.#copiedFiles++;
    this.#copiedBytes += file.sizeBytes;
    return checksum;
  }

  /** The new manifest syncs the folder before CURRENT names it: so the names of the copies are durable by then. */
  async #publish(): Promise<void> {
    const { disk, state, target } = this.#options;
    const values = new Map(state.values).set(backupValue, encodeRecord({ checksums: this.#checksums }));
    const number = highestManifest(await foreignNames(disk, target)) + 1;
    const writer = await ManifestFileWriter.create(disk, target, number, { ...state, values });
    await writer.close();
    this.#live.add(manifestName(number));
  }

  async #sweep(): Promise<number> {
    const { disk, state, target } = this.#options;
    for (const file of state.files.values()) this.#live.add(fileName(file));
    let removed = 0;
    for (const { name } of await disk.list(target)) {
      const named = parseName(name);
      if (!isLeftover(name) && (named === undefined || this.#live.has(name))) continue;
      await disk.remove(join(target, name));
      if (named?.what === "segment" || named?.what === "content") removed++;
    }
    return removed;
  }
}

function identityOf({ folder, state }: BackupOptions): string {
  const identity = state.values.get(identityValue);
  if (identity !== undefined) return identity;
  throw new HoldfastError("STORE_BACKUP_SOURCE", `the store in ${folder} has no identity`, {
    hint: "Open it once for writing: then it gets one.",
    details: { path: folder },
  });
}

/** What can no longer be read is copied anew. */
async function unlessUnreadable(reading: Promise<number | undefined>): Promise<number | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (HoldfastError.is(error) && error.code === "DISK_IO") return undefined;
    throw error;
  }
}

function targetError(target: string, reason: string): HoldfastError {
  return new HoldfastError("STORE_BACKUP_TARGET", `${target} cannot take this backup: ${reason}`, {
    hint: "Name a folder that is new or empty, or an older backup of the same store.",
    details: { path: target },
  });
}
