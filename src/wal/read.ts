/** Reading committed entries, from a log that is open or from one that nobody needs to hold. */

import type { Disk } from "../disk/index.ts";
import type { WalLoss } from "./damage.ts";
import type { Frame } from "./frame.ts";
import { type LogFolder, listLog, logFilePath } from "./log-file-name.ts";
import { TransactionReplay, type WalEntry } from "./replay.ts";
import { LogWalk, type WalkOptions } from "./walk.ts";

export interface ReadOptions {
  /** The first sequence number wanted. Default: all. */
  readonly from?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ReadWalOptions extends ReadOptions {
  /** With this, damage is reported and passed over (W6, salvage); without, it is thrown as WAL_CORRUPT. */
  readonly onLoss?: (loss: WalLoss) => void;
  /** What was truncated is read too, as far as its files are still there. Default false. */
  readonly withTruncated?: boolean;
}

/**
 * Every committed entry of the log in `folder`, in order; changes nothing and takes no lock, and a torn tail simply
 * ends it. Throws WAL_CORRUPT with path and offset, WAL_VERSION, WAL_FORMAT, DISK_*. Memory is bounded whatever the
 * size.
 */
export async function* readWal(disk: Disk, folder: string, options: ReadWalOptions = {}): AsyncGenerator<WalEntry> {
  yield* readLog(disk, folder, await listLog(disk, folder), options);
}

export async function* readLog(
  disk: Disk,
  folder: string,
  log: LogFolder,
  options: WalkOptions & ReadOptions & Pick<ReadWalOptions, "withTruncated">,
): AsyncGenerator<WalEntry> {
  const walk = await LogWalk.open(disk, folder, log, options);
  if (walk === undefined) return;
  const truncatedBefore = options.withTruncated === true ? 0 : (walk.newest?.truncatedBefore ?? 0);
  const replay = new TransactionReplay(Math.max(options.from ?? 0, truncatedBefore));
  yield* committed(walk, replay, folder, options);
}

/** The entries that the frames of this walk commit. `onFrame` sees every frame first. */
export async function* committed(
  walk: LogWalk,
  replay: TransactionReplay,
  folder: string,
  options: Pick<WalkOptions, "onLoss" | "onAcceptedLoss"> & { readonly onFrame?: (frame: Frame) => void },
): AsyncGenerator<WalEntry> {
  for await (const frame of walk.frames()) {
    options.onFrame?.(frame);
    const path = logFilePath(folder, frame.fileNumber, walk.format);
    const isAccepted = frame.fileNumber < (walk.newest?.acceptedBefore ?? 0);
    const report = isAccepted ? (options.onAcceptedLoss ?? (() => undefined)) : options.onLoss;
    const onBroken = report && ((reason: string) => report(brokenAt(frame, path, reason)));
    yield* replay.accept(frame, path, onBroken);
  }
}

/** The loss of a frame whose transaction is not whole. */
export function brokenAt(frame: Frame, path: string, reason: string): WalLoss {
  const { offset, nextOffset, sequence } = frame;
  return { path, offset, lostBytes: nextOffset - offset, firstSequence: sequence, lastSequence: sequence, reason };
}
