/** Looking at a log without opening it: its frames one by one, or a report of the whole (W8). Changes nothing. */

import { HoldfastError, hexOf } from "../base/index.ts";
import type { Disk } from "../disk/index.ts";
import type { TornTail, WalLoss } from "./damage.ts";
import { type DurabilityWarning, durabilityWarnings } from "./durability-warning.ts";
import type { WalFormatName } from "./format.ts";
import { entryType, entryTypeNames, type Frame } from "./frame.ts";
import { listLog, logFilePath } from "./log-file-name.ts";
import { committed } from "./read.ts";
import { TransactionReplay } from "./replay.ts";
import { LogWalk } from "./walk.ts";

export interface FrameReport {
  readonly path: string;
  readonly offset: number;
  readonly bytes: number;
  readonly type: string;
  /** Of its first entry; for FILE and SEAL frames the number that comes next. */
  readonly sequence: number;
  readonly entries: number;
  readonly payloadBytes: number;
  readonly timestampMs: number;
  /** As 32 hexadecimal digits; undefined where the frame belongs to none. */
  readonly transactionId: string | undefined;
}

export interface FileReport {
  readonly path: string;
  readonly frames: number;
  /** What of it belongs to the log. */
  readonly bytes: number;
  readonly firstSequence: number;
}

export interface WalReport {
  readonly format: WalFormatName;
  readonly files: readonly FileReport[];
  readonly frames: number;
  /** Committed ones. */
  readonly entries: number;
  readonly firstSequence: number | undefined;
  readonly lastSequence: number | undefined;
  readonly rolledBack: number;
  readonly truncatedBefore: number;
  /** Closed in order. A log in use, or one whose process was killed, is not. */
  readonly sealed: boolean;
  readonly torn: TornTail | undefined;
  /** What cannot be read any more; empty where the log is sound. */
  readonly lost: readonly WalLoss[];
  readonly warnings: readonly DurabilityWarning[];
}

/** Every live frame of a log, in order; damage is handed to `onLoss`, or thrown as WAL_CORRUPT without it. */
export async function* inspectWal(
  disk: Disk,
  folder: string,
  options: { readonly onLoss?: (loss: WalLoss) => void; readonly signal?: AbortSignal } = {},
): AsyncGenerator<FrameReport> {
  const walk = await openWalk(disk, folder, options);
  for await (const frame of walk.frames()) yield reportOf(frame, logFilePath(folder, frame.fileNumber, walk.format));
}

/** Reads the whole log and says what it holds and what it lost. Throws WAL_MISSING where there is none. */
export async function verifyWal(
  disk: Disk,
  folder: string,
  options: { readonly signal?: AbortSignal } = {},
): Promise<WalReport> {
  const lost: WalLoss[] = [];
  const onLoss = (loss: WalLoss): void => void lost.push(loss);
  const reports = { onLoss, onAcceptedLoss: onLoss };
  const walk = await openWalk(disk, folder, { ...reports, ...options });
  const truncatedBefore = walk.newest?.truncatedBefore ?? 0;
  const replay = new TransactionReplay(truncatedBefore);
  const files: { path: string; frames: number; bytes: number; firstSequence: number }[] = [];
  const onFrame = (frame: Frame): void => {
    const path = logFilePath(folder, frame.fileNumber, walk.format);
    if (files.at(-1)?.path !== path) files.push({ path, frames: 0, bytes: 0, firstSequence: frame.sequence });
    const file = files.at(-1);
    if (file === undefined) return;
    file.frames++;
    file.bytes = frame.nextOffset;
  };
  let [entries, first, last]: [number, number | undefined, number | undefined] = [0, undefined, undefined];
  for await (const { sequence } of committed(walk, replay, folder, { ...reports, onFrame })) {
    entries++;
    first ??= sequence;
    last = sequence;
  }
  const { sealed, torn } = walk.end();
  return {
    format: walk.format.name,
    files,
    frames: files.reduce((sum, file) => sum + file.frames, 0),
    entries,
    firstSequence: first,
    lastSequence: last,
    rolledBack: replay.rolledBack,
    truncatedBefore,
    sealed,
    torn,
    lost,
    warnings: await durabilityWarnings(disk, folder),
  };
}

/** A walk over the log of this folder; WAL_MISSING where it holds none. */
export async function openWalk(
  disk: Disk,
  folder: string,
  options: Parameters<typeof LogWalk.open>[3],
): Promise<LogWalk> {
  const walk = await LogWalk.open(disk, folder, await listLog(disk, folder), options);
  if (walk !== undefined) return walk;
  throw new HoldfastError("WAL_MISSING", `there is no write-ahead log in ${folder}`, {
    hint: "Name the folder that holds files like 00000001.wal; that of the forge is STATE/store/log.",
    details: { path: folder },
  });
}

function reportOf(frame: Frame, path: string): FrameReport {
  const isAlone = frame.transactionId.every((byte) => byte === 0);
  return {
    path,
    offset: frame.offset,
    bytes: frame.nextOffset - frame.offset,
    type: entryTypeNames[frame.type] ?? `unknown (${frame.type})`,
    sequence: frame.sequence,
    entries: frame.type === entryType.records ? frame.payloads.length : frame.type === entryType.data ? 1 : 0,
    payloadBytes: frame.payloads.reduce((sum, { length }) => sum + length, 0),
    timestampMs: frame.timestampMs,
    transactionId: isAlone ? undefined : hexOf(frame.transactionId),
  };
}
