/**
 * The one door to files.
 *
 * Everything durable in Holdfast goes through `Disk`, so that every write, sync and rename can be counted, failed or
 * lost by another implementation. A method that says "durable" has synced both the file and the folder that names it.
 * Every failure is a HoldfastError with a `DISK_*` code, the path, and what to do about it. Nothing here interprets
 * what is in a file.
 */

import { HoldfastError } from "../base/index.ts";

/** How a file is opened: only `create-new` makes one, and it fails where the file is already there. */
export type OpenMode = "read" | "read-write" | "create-new";

export interface FileStat {
  readonly kind: "file" | "folder" | "other";
  readonly sizeBytes: number;
  readonly modifiedMs: number;
}

export interface FolderEntry {
  readonly name: string;
  readonly kind: "file" | "folder" | "other";
}

export interface FreeSpace {
  readonly freeBytes: number;
  readonly totalBytes: number;
}

/** One line of the mount table: what keeps the bytes, and with which options. */
export interface Mount {
  readonly folder: string;
  readonly device: string;
  /** For example `ext4`, `xfs`, `btrfs`, `tmpfs`, `overlay`. */
  readonly fileSystem: string;
  /** Of the mount and of the file system, as the system prints them: `rw`, `data=ordered`, `nobarrier`. */
  readonly options: readonly string[];
}

export interface OpenOptions {
  /** Every write is durable when it returns (O_DSYNC): one call to the system where a write and a sync are two. */
  readonly dataSync?: boolean;
}

export interface DiskFile extends AsyncDisposable {
  readonly path: string;
  sizeBytes(): Promise<number>;
  /** Fills `target` from `offset` on; fewer bytes come back only at the end of the file. */
  readAt(target: Uint8Array, offset: number): Promise<number>;
  /**
   * As `readAt`, on the caller's thread: quicker by far where the system has the bytes in memory, and everything waits
   * where it has not. For a few KiB.
   */
  readNow(target: Uint8Array, offset: number): number;
  /** Writes every byte of every part, in order and contiguous, from `offset` on. Not durable before a sync. */
  writeAt(parts: readonly Uint8Array[], offset: number): Promise<void>;
  truncate(sizeBytes: number): Promise<void>;
  /**
   * Writes zeros from `from` up to `to`, so that later writes there change no metadata: real blocks, not a hole. Not
   * durable before a sync.
   */
  fillZero(from: number, to: number): Promise<void>;
  /** The bytes (and the size) are durable when this returns. After a failure they must be taken for lost. */
  syncData(): Promise<void>;
  /** As `syncData`, and the file's other attributes too. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

export interface DiskLock extends AsyncDisposable {
  readonly path: string;
  release(): Promise<void>;
}

export interface ReadOptions {
  /** A larger file is refused with DISK_TOO_LARGE rather than read. Default 2 GiB less one byte. */
  readonly limitBytes?: number;
  readonly signal?: AbortSignal;
}

export interface Disk {
  open(path: string, mode: OpenMode, options?: OpenOptions): Promise<DiskFile>;
  readFile(path: string, options?: ReadOptions): Promise<Uint8Array>;
  /** Writes a whole file in place: quick, and neither atomic nor durable. For what can be made again. */
  writeFile(path: string, bytes: Uint8Array): Promise<void>;
  /** The file has either its old content or the new one at every instant, and the new one is durable afterwards. */
  writeFileAtomic(path: string, bytes: Uint8Array): Promise<void>;
  /** Moves a file or folder over `to`. Durable only after `syncFolder` of both parents. */
  rename(from: string, to: string): Promise<void>;
  /** Removes a file; one that is already gone is no error. */
  remove(path: string): Promise<void>;
  /** The entries of a folder in the order of their names. */
  list(path: string): Promise<FolderEntry[]>;
  /** undefined where nothing has that path. */
  stat(path: string): Promise<FileStat | undefined>;
  /**
   * Makes a folder and its parents, durably. One that is already there is no error, and is durable afterwards: who made
   * it may have been killed before the folder above was synced.
   */
  makeFolder(path: string): Promise<void>;
  syncFolder(path: string): Promise<void>;
  /** Takes `path` for this process until released, or fails with DISK_LOCKED and the holder's pid. */
  lock(path: string): Promise<DiskLock>;
  freeSpace(path: string): Promise<FreeSpace>;
  /** The mount that holds this path; undefined where the system does not say. */
  mountOf(path: string): Promise<Mount | undefined>;
}

export const defaultReadLimitBytes = 2 ** 31 - 1;

/** Throws DISK_TOO_LARGE where a file is larger than its reader allows. */
export function refuseLarger(path: string, sizeBytes: number, limitBytes: number): void {
  if (sizeBytes <= limitBytes) return;
  throw new HoldfastError("DISK_TOO_LARGE", `${path} has ${sizeBytes} bytes, more than the limit of ${limitBytes}`, {
    hint: "Check that this is the file you mean.",
    details: { path, sizeBytes, limitBytes },
  });
}

/** Throws DISK_IO where a read of a whole file brought less than its size: what is missing may be anything. */
export function refuseShort(path: string, count: number, sizeBytes: number): void {
  if (count === sizeBytes) return;
  throw new HoldfastError("DISK_IO", `reading ${path} ended after ${count} of its ${sizeBytes} bytes`, {
    hint: "Check the disk, and whether another program changes the file; then try again.",
    retryable: true,
    details: { path, count, sizeBytes },
  });
}
