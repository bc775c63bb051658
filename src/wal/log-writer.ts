/**
 * The writing end of a log: one file at a time, one group at a time.
 *
 * Three orders hold everything up, and each sync below is there for one of them:
 *
 *   - a group is durable before anything that follows it is written, so a frame can say what was durable before it;
 *   - a file is durable, from its first frame on, before it has its name, so no log file is ever without one;
 *   - its name is durable before anything is acknowledged in it.
 *
 * A file that was not closed in order is never written again: its writer may have given numbers out that are nowhere
 * on the disk, and its last sync may have lied. The next file takes over what that sync was about.
 */

import { join } from "node:path";
import { assert, type Clock, HoldfastError } from "../base/index.ts";
import type { Disk, DiskFile } from "../disk/index.ts";
import { encodeFileFacts, type FileFacts } from "./file-frame.ts";
import type { FrameGroup, WalFormat } from "./format.ts";
import { entryType, type Frame, noTransaction } from "./frame.ts";
import { fileNumberLimit, logFilePath } from "./log-file-name.ts";
import { type ReadySpare, recycledSpare, type SpareFile, zeroedSpare } from "./spare-file.ts";

export type Durability = "fdatasync" | "dsync";

export interface LogWriterOptions {
  readonly disk: Disk;
  readonly folder: string;
  readonly format: WalFormat;
  readonly durability: Durability;
  readonly fileLimitBytes: number;
  readonly randomBytes: (count: number) => Uint8Array;
  readonly clock: Clock;
}

/** Where a writer takes a log up. */
export interface LogPosition {
  readonly fileNumber: number;
  readonly epoch: bigint;
  readonly offset: number;
  readonly link: Uint8Array;
}

/** What a new file begins with: its facts, but for those that follow from the file before, and frames to take over. */
export interface NewFile {
  readonly facts: Omit<FileFacts, "recycled" | "previousEnd" | "bornBytes">;
  readonly sequence: number;
  readonly takenOver?: readonly Frame[];
}

/** A file smaller than this part of the limit is not worth being kept for its blocks. */
const worthRecycling = 1 / 8;
/** How full a file is when the next one is made: late, for one that was truncated away costs nothing. */
const spareFrom = 7 / 8;
const smallestExtensionBytes = 65_536;
const largestExtensionBytes = 4 * 2 ** 20;
const zeroChunk = new Uint8Array(1 << 20);

export class LogWriter {
  readonly #options: LogWriterOptions;
  #file: DiskFile | undefined;
  #position: LogPosition;
  #bornBytes = 0;
  /** Up to here the file has blocks: a write below changes no metadata. */
  #allocatedBytes = 0;
  #spare: SpareFile | undefined;
  syncs = 0;

  constructor(options: LogWriterOptions, position: LogPosition) {
    this.#options = options;
    this.#position = position;
  }

  get fileNumber(): number {
    return this.#position.fileNumber;
  }

  get offset(): number {
    return this.#position.offset;
  }

  get path(): string {
    return logFilePath(this.#options.folder, this.fileNumber, this.#options.format);
  }

  /**
   * Goes on in a file that was closed in order. Its seal must be gone before a number is given out: a crash that left
   * it there would look like an orderly end, and the number would be given out again.
   */
  async continueFile(): Promise<void> {
    this.#file = await this.#open(this.path);
    await this.#file.truncate(this.offset); // mutant: unseal
    await this.#file.syncData(); // mutant: unseal-sync
    this.#allocatedBytes = await this.#file.sizeBytes();
  }

  /** True where the group should go into a new file. */
  isFullFor(group: FrameGroup): boolean {
    const { offset } = this.#position;
    return offset > this.#bornBytes && offset + group.byteLength > this.#options.fileLimitBytes;
  }

  /** One write and one sync; durable when it returns. After a failure nothing may be written any more. */
  async write(group: FrameGroup): Promise<void> {
    const file = this.#file;
    assert(file !== undefined, "the log has a file");
    const { offset } = this.#position;
    const { bytes, nextOffset, link } = group.finish({ ...this.#position, syncedOffset: offset });
    await file.writeAt([bytes, ...this.#extension(nextOffset)], offset);
    if (this.#options.durability === "fdatasync") {
      await file.syncData(); // mutant: group-sync
    }
    this.syncs++;
    this.#position = { ...this.#position, offset: nextOffset, link };
    if (nextOffset > this.#options.fileLimitBytes * spareFrom) this.#prepareSpare();
  }

  async beginFile(next: NewFile): Promise<void> {
    const { disk, folder, format } = this.#options;
    await this.#file?.close();
    this.#file = undefined;
    const fileNumber = this.fileNumber + 1;
    if (fileNumber > fileNumberLimit) throw numberedOut(this.path);
    const path = logFilePath(folder, fileNumber, format);
    const spare = await this.#takeSpare(fileNumber);
    const born = this.#born(fileNumber, next, spare.recycled);
    try {
      await spare.file.writeAt([born.bytes], 0);
      await spare.file.sync(); // mutant: new-file-sync
    } catch (error) {
      await spare.file.close().catch(() => undefined);
      throw error;
    }
    await spare.file.close();
    await disk.rename(spare.path, path);
    await disk.syncFolder(folder); // mutant: new-file-folder-sync
    this.#bornBytes = born.nextOffset;
    this.#position = { fileNumber, epoch: born.epoch, offset: born.nextOffset, link: born.link };
    this.#file = await this.#open(path);
    this.#allocatedBytes = Math.max(born.nextOffset, spare.allocatedBytes);
  }

  /** Takes a file that was truncated away as the next one. False where it is not wanted, and left to be removed. */
  async recycle(path: string): Promise<boolean> {
    const { disk, format, fileLimitBytes } = this.#options;
    const stat = format.preallocates && this.#spare?.recycled !== true ? await disk.stat(path) : undefined;
    if (stat === undefined || stat.sizeBytes < fileLimitBytes * worthRecycling) return false;
    await this.#spare?.discard();
    this.#spare = undefined;
    this.#spare = await recycledSpare(disk, path, this.#sparePath);
    return true;
  }

  /**
   * Marks the log as closed in order. Needs no sync: it holds no entry, and where it is lost, the log is only taken for
   * one that was not closed.
   */
  async seal(sequence: number): Promise<void> {
    const { format, clock } = this.#options;
    const group = format.newGroup();
    const content = { type: entryType.seal, transactionId: noTransaction, sequence, payloads: [new Uint8Array(0)] };
    group.add({ ...content, timestampMs: clock.nowMs() });
    const { offset } = this.#position;
    const { bytes, nextOffset } = group.finish({ ...this.#position, syncedOffset: offset });
    await this.#file?.writeAt([bytes], offset);
    if (this.#allocatedBytes > nextOffset) await this.#file?.truncate(nextOffset);
  }

  async close(): Promise<void> {
    try {
      await this.#file?.close();
    } finally {
      this.#file = undefined;
      await this.#spare?.discard();
    }
  }

  async #open(path: string): Promise<DiskFile> {
    return await this.#options.disk.open(path, "read-write", { dataSync: this.#options.durability === "dsync" });
  }

  /** Zeros to write behind the group, so that the next ones need no metadata. Doubles as the file grows. */
  #extension(nextOffset: number): Uint8Array[] {
    const { format, fileLimitBytes } = this.#options;
    if (nextOffset <= this.#allocatedBytes || !format.preallocates) return [];
    const wanted = Math.min(Math.max(nextOffset, smallestExtensionBytes), largestExtensionBytes);
    const target = Math.max(nextOffset, Math.min(fileLimitBytes, nextOffset + wanted));
    this.#allocatedBytes = target;
    return zeros(target - nextOffset);
  }

  /** The first bytes of a file, which say in turn how many they are. */
  #born(
    fileNumber: number,
    next: NewFile,
    recycled: boolean,
  ): ReturnType<FrameGroup["finish"]> & { readonly epoch: bigint } {
    const { format, randomBytes, clock } = this.#options;
    const previousEnd = next.takenOver?.[0]?.offset ?? this.#position.offset;
    const link = next.takenOver?.[0]?.link ?? this.#position.link;
    const epoch = new DataView(randomBytes(8).slice().buffer).getBigUint64(0, true);
    const timestampMs = clock.nowMs();
    const layOut = (bornBytes: number): ReturnType<FrameGroup["finish"]> => {
      const group = format.newGroup();
      const payloads = [encodeFileFacts({ ...next.facts, recycled: recycled ? 1 : 0, previousEnd, bornBytes })];
      const { sequence } = next;
      group.add({ type: entryType.file, transactionId: noTransaction, sequence, payloads, timestampMs });
      for (const frame of next.takenOver ?? []) group.add(frame);
      return group.finish({ fileNumber, epoch, offset: 0, syncedOffset: 0, link });
    };
    let born = layOut(0);
    for (let bornBytes = 0; bornBytes !== born.nextOffset; ) {
      bornBytes = born.nextOffset;
      born = layOut(bornBytes);
    }
    return { ...born, epoch };
  }

  #prepareSpare(): void {
    const { disk, format, fileLimitBytes } = this.#options;
    if (this.#spare !== undefined || !format.preallocates) return;
    this.#spare = zeroedSpare(disk, this.#sparePath, fileLimitBytes);
  }

  async #takeSpare(fileNumber: number): Promise<ReadySpare> {
    const { disk, folder, format } = this.#options;
    const ready = await this.#spare?.take();
    this.#spare = undefined;
    if (ready !== undefined) return ready;
    const path = join(folder, `.${String(fileNumber).padStart(8, "0")}${format.extension}.tmp`);
    await disk.remove(path);
    return { file: await disk.open(path, "create-new"), path, allocatedBytes: 0, recycled: false };
  }

  get #sparePath(): string {
    return join(this.#options.folder, `.spare${this.#options.format.extension}.tmp`);
  }
}

function zeros(count: number): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let rest = count; rest > 0; rest -= zeroChunk.length) parts.push(zeroChunk.subarray(0, rest));
  return parts;
}

function numberedOut(path: string): HoldfastError {
  return new HoldfastError("WAL_FAILED", `no file can follow ${path}: there is no higher number for one`, {
    hint: "No log comes here by itself: the file was renamed, or is damaged. See holdfast wal verify.",
    details: { path },
  });
}
