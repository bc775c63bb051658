/**
 * Opening a log: find what is durable, deliver it, and take up writing where nothing can be confused.
 *
 *     closed in order            go on in the same file, in the place of the seal
 *     not closed, tail or none   begin a file that says where the one before ends; what the last sync was about is
 *                                written into it once more, for it may only have been in the system's memory
 *     damaged                    WAL_CORRUPT (strict); or deliver what verifies, list what is lost, begin a file that
 *                                says that this was accepted (salvage)
 */

import { randomBytes as systemRandomBytes } from "node:crypto";
import { join } from "node:path";
import { assert, HoldfastError, hexOf, systemClock } from "../base/index.ts";
import type { WalLoss } from "./damage.ts";
import { durabilityWarnings } from "./durability-warning.ts";
import { decodeFileFacts } from "./file-frame.ts";
import { entryType, type Frame, sequenceLimit } from "./frame.ts";
import { type LogFolder, listLog, logFilePath, walFormats } from "./log-file-name.ts";
import { type LogPosition, LogWriter } from "./log-writer.ts";
import type { WalOptions, WalRecovery } from "./options.ts";
import { committed } from "./read.ts";
import { TransactionReplay } from "./replay.ts";
import { firstNeededFile, type LogFile, type OpenedLog, Wal, waitingEntriesLimit } from "./wal.ts";
import { type LogEnd, LogWalk } from "./walk.ts";

const defaultFileLimitBytes = 64 * 2 ** 20;
const defaultTotalLimitBytes = 1_024 * 2 ** 20;

/**
 * Opens the log in `folder`, made where missing, and recovers it. Throws DISK_LOCKED where another holds it,
 * WAL_CORRUPT with path and offset, WAL_VERSION, WAL_FORMAT, and DISK_*.
 */
export async function openWal(options: WalOptions): Promise<Wal> {
  const { disk, folder, firstSequence = 1 } = options;
  assert(
    Number.isSafeInteger(firstSequence) && firstSequence >= 1 && firstSequence < sequenceLimit,
    "a log goes on with a sequence number from 1, below 2^52",
  );
  await disk.makeFolder(folder);
  const lock = await disk.lock(join(folder, "wal"));
  try {
    const log = await listLog(disk, folder);
    for (const path of log.unfinished) await disk.remove(path);
    const found = await recover(options, log);
    const { end, recovery, truncatedBefore } = found;
    const lastSequence = Math.max(end?.nextSequence ?? 1, truncatedBefore) - 1;
    options.onFound?.({ isNew: recovery.isNew, truncatedBefore, lastSequence });
    return await takeUp(options, found, lock);
  } catch (error) {
    await lock.release();
    throw error;
  }
}

interface Found {
  readonly log: LogFolder;
  readonly end: LogEnd | undefined;
  readonly files: LogFile[];
  readonly recovery: WalRecovery;
  readonly truncatedBefore: number;
  /** The oldest file with a frame of a transaction of which the last group has a frame too. */
  readonly lastGroupNeeds: number;
}

async function recover(options: WalOptions, log: LogFolder): Promise<Found> {
  const { disk, folder, signal } = options;
  refuseOtherFormat(options, log);
  const lost: WalLoss[] = [];
  const onLoss = options.recovery === "salvage" ? (loss: WalLoss) => lost.push(loss) : undefined;
  const reports = { onLoss, onAcceptedLoss: (loss: WalLoss) => lost.push(loss) };
  const walk = await LogWalk.open(disk, folder, log, { ...reports, signal });
  const truncatedBefore = walk?.newest?.truncatedBefore ?? 0;
  const replay = new TransactionReplay(truncatedBefore);
  const noted: LogFile[] = [];
  const begun = new TransactionFiles();
  let entries = 0;
  const onFrame = (frame: Frame): void => {
    noteFile(noted, frame);
    begun.note(frame);
  };
  if (walk !== undefined) {
    for await (const entry of committed(walk, replay, folder, { ...reports, onFrame })) {
      options.onEntry?.(entry);
      entries++;
    }
  }
  const end = walk?.end();
  const files = completed(noted, log, walk?.newest?.firstFile ?? 0);
  const warnings = await durabilityWarnings(disk, folder);
  const recovery = {
    isNew: walk === undefined,
    entries,
    rolledBack: replay.rolledBack,
    torn: end?.torn,
    lost,
    warnings,
  };
  const lastGroupNeeds = begun.neededBy(end?.lastGroup ?? []);
  return { log, end, files, recovery, truncatedBefore, lastGroupNeeds };
}

async function takeUp(options: WalOptions, found: Found, lock: OpenedLog["lock"]): Promise<Wal> {
  const { disk, folder } = options;
  const { end, files, recovery, truncatedBefore } = found;
  const clock = options.clock ?? systemClock;
  const randomBytes = options.randomBytes ?? ((count: number) => new Uint8Array(systemRandomBytes(count)));
  const format = found.log.format ?? walFormats[options.format ?? "binary"];
  const position: LogPosition = end ?? { fileNumber: 0, epoch: 0n, offset: 0, link: format.firstLink };
  const writer = new LogWriter(
    {
      disk,
      folder,
      format,
      durability: options.durability ?? "fdatasync",
      fileLimitBytes: options.fileLimitBytes ?? defaultFileLimitBytes,
      randomBytes,
      clock,
    },
    position,
  );
  // Only what was lost now needs to be accepted now; the newest file speaks for what was accepted before.
  const isSalvage = options.recovery === "salvage" && recovery.lost.length > 0;
  let acceptedBefore = end?.facts.acceptedBefore ?? 0;
  let nextSequence = Math.max(end?.nextSequence ?? 1, truncatedBefore, options.firstSequence ?? 1);
  if (end?.sealed === true && !isSalvage) await writer.continueFile();
  else {
    const fileNumber = position.fileNumber + 1;
    if (isSalvage) acceptedBefore = fileNumber;
    // Of a damaged log nothing is taken over: a part of a transaction may be all that there is of it.
    const takenOver = isSalvage ? [] : (end?.lastGroup ?? []);
    const sequence = takenOver[0]?.sequence ?? nextSequence;
    const oldestOpenFile = Math.min(fileNumber, found.lastGroupNeeds);
    const file: LogFile = { fileNumber, firstSequence: sequence, oldestOpenFile, bytes: 0 };
    const firstFile = firstNeededFile([...files, file], truncatedBefore);
    const facts = { firstFile, truncatedBefore, oldestOpenFile, rollsBack: 1, acceptedBefore };
    await writer.beginFile({ facts, sequence, takenOver });
    files.push({ ...file, bytes: writer.offset });
    if (end !== undefined) nextSequence += waitingEntriesLimit;
  }
  const firstFile = files[0]?.fileNumber ?? 1;
  for (const number of found.log.numbers)
    if (number < firstFile) await disk.remove(logFilePath(folder, number, format));
  return new Wal({
    disk,
    folder,
    format,
    clock,
    randomBytes,
    totalLimitBytes: options.totalLimitBytes ?? defaultTotalLimitBytes,
    lock,
    writer,
    files,
    nextSequence,
    truncatedBefore,
    acceptedBefore,
    recovery,
  });
}

/** In which file each transaction began, for as long as the group that is being read may still speak of it. */
class TransactionFiles {
  readonly #files = new Map<string, number>();
  #ended: string[] = [];
  #group = "";

  note(frame: Frame): void {
    const group = `${frame.fileNumber}:${frame.syncedOffset}`;
    if (group !== this.#group) {
      for (const id of this.#ended) this.#files.delete(id);
      this.#ended = [];
      this.#group = group;
    }
    if (frame.type === entryType.begin) this.#files.set(hexOf(frame.transactionId), frame.fileNumber);
    if (frame.type === entryType.commit || frame.type === entryType.abort) this.#ended.push(hexOf(frame.transactionId));
  }

  neededBy(frames: readonly Frame[]): number {
    const ids = frames.filter((frame) => frame.type !== entryType.records).map((frame) => hexOf(frame.transactionId));
    return Math.min(Number.MAX_SAFE_INTEGER, ...ids.flatMap((id) => this.#files.get(id) ?? []));
  }
}

function noteFile(files: LogFile[], frame: Frame): void {
  if (frame.type === entryType.file) {
    const { oldestOpenFile = frame.fileNumber } = decodeFileFacts(frame.payloads[0]) ?? {};
    files.push({ fileNumber: frame.fileNumber, firstSequence: frame.sequence, oldestOpenFile, bytes: 0 });
  }
  const file = files.at(-1);
  if (file !== undefined && frame.type !== entryType.seal) file.bytes = frame.nextOffset;
}

/** With the files whose first frame is damaged: what they begin with is not known, so nothing before them may go. */
function completed(noted: readonly LogFile[], log: LogFolder, firstFile: number): LogFile[] {
  return log.numbers
    .filter((fileNumber) => fileNumber >= firstFile)
    .map((fileNumber) => {
      const unknown = { fileNumber, firstSequence: Number.MAX_SAFE_INTEGER, oldestOpenFile: firstFile, bytes: 0 };
      return noted.find((file) => file.fileNumber === fileNumber) ?? unknown;
    });
}

function refuseOtherFormat({ format, folder }: WalOptions, log: LogFolder): void {
  if (format === undefined || log.format === undefined || log.format.name === format) return;
  throw new HoldfastError("WAL_FORMAT", `the log in ${folder} is of the ${log.format.name} form, not ${format}`, {
    hint: "Open it without naming a form, or choose another folder.",
    details: { path: folder, found: log.format.name, wanted: format },
  });
}
