/**
 * Repair: a sound copy of what verifies of a damaged log, in another folder. The damaged one is left as it is.
 *
 * Entries keep their sequence numbers and times, transactions their bounds and roots. Only whole transactions are
 * copied: one of which a part is lost, or that was never committed, is left out.
 */

import { randomBytes } from "node:crypto";
import { HoldfastError, hexOf, systemClock } from "../base/index.ts";
import type { Disk } from "../disk/index.ts";
import type { WalLoss } from "./damage.ts";
import type { FrameGroup } from "./format.ts";
import { entryType, type Frame } from "./frame.ts";
import { openWalk } from "./inspect.ts";
import { listLog, logFilePath } from "./log-file-name.ts";
import { LogWriter } from "./log-writer.ts";
import { brokenAt } from "./read.ts";
import { TransactionReplay } from "./replay.ts";
import type { LogWalk } from "./walk.ts";

export interface RepairOptions {
  readonly disk: Disk;
  readonly folder: string;
  /** Where the copy goes: made where missing, and free of log files. */
  readonly into: string;
  readonly signal?: AbortSignal;
}

export interface RepairReport {
  /** Committed entries that were copied. */
  readonly entries: number;
  readonly files: number;
  readonly lost: readonly WalLoss[];
}

const fileLimitBytes = 64 * 2 ** 20;
const groupBytes = 2 ** 20;

/** Throws WAL_MISSING, WAL_EXISTS where `into` holds a log already, WAL_VERSION, DISK_*. */
export async function repairWal(options: RepairOptions): Promise<RepairReport> {
  const { disk, folder, into, signal } = options;
  const whole = await wholeTransactions(await openWalk(disk, folder, { onLoss: () => undefined, signal }), folder);
  await disk.makeFolder(into);
  if ((await listLog(disk, into)).numbers.length > 0) {
    throw new HoldfastError("WAL_EXISTS", `${into} holds a write-ahead log already`, {
      hint: "Name an empty folder for the copy.",
      details: { path: into },
    });
  }
  const lost: WalLoss[] = [];
  const onLoss = (loss: WalLoss): void => void lost.push(loss);
  const walk = await openWalk(disk, folder, { onLoss, onAcceptedLoss: onLoss, signal });
  const copy = new LogCopy(disk, into, walk);
  for await (const frame of walk.frames()) {
    if (frame.type === entryType.records || whole.ids.has(hexOf(frame.transactionId))) await copy.take(frame);
  }
  return {
    entries: whole.entries,
    files: await copy.finish(walk.end().nextSequence),
    lost: [...lost, ...whole.broken],
  };
}

interface WholeTransactions {
  readonly ids: ReadonlySet<string>;
  readonly entries: number;
  readonly broken: readonly WalLoss[];
}

async function wholeTransactions(walk: LogWalk, folder: string): Promise<WholeTransactions> {
  const replay = new TransactionReplay(walk.newest?.truncatedBefore ?? 0);
  const ids = new Set<string>();
  const broken: WalLoss[] = [];
  let entries = 0;
  for await (const frame of walk.frames()) {
    const path = logFilePath(folder, frame.fileNumber, walk.format);
    let isWhole = frame.type === entryType.commit;
    const found = replay.accept(frame, path, (reason) => {
      isWhole = false;
      broken.push(brokenAt(frame, path, reason));
    });
    entries += found.length;
    if (isWhole && found.length > 0) ids.add(hexOf(frame.transactionId));
  }
  return { ids, entries, broken };
}

class LogCopy {
  readonly #writer: LogWriter;
  readonly #group: FrameGroup;
  readonly #truncatedBefore: number;
  readonly #begun = new Map<string, number>();
  #started = false;
  #nextSequence = 1;

  constructor(disk: Disk, folder: string, walk: LogWalk) {
    const { format } = walk;
    this.#truncatedBefore = walk.newest?.truncatedBefore ?? 0;
    this.#group = format.newGroup();
    const random = (count: number): Uint8Array => new Uint8Array(randomBytes(count));
    const options = { disk, folder, format, durability: "fdatasync", fileLimitBytes, clock: systemClock } as const;
    const start = { fileNumber: 0, epoch: 0n, offset: 0, link: format.firstLink };
    this.#writer = new LogWriter({ ...options, randomBytes: random }, start);
  }

  async take(frame: Frame): Promise<void> {
    if (!this.#started) await this.#beginFile(frame.sequence);
    const id = hexOf(frame.transactionId);
    // Counted from the file that is written now: a frame that comes to lie in a later one only needs more.
    if (frame.type === entryType.begin) this.#begun.set(id, this.#writer.fileNumber);
    if (frame.type === entryType.commit) this.#begun.delete(id);
    this.#group.add(frame);
    this.#nextSequence = frame.sequence + (frame.type === entryType.records ? frame.payloads.length : 1);
    if (this.#group.byteLength >= groupBytes) await this.#write();
  }

  /** Closes the copy in order, and returns how many files it has. */
  async finish(nextSequence: number): Promise<number> {
    if (!this.#started) await this.#beginFile(nextSequence);
    if (this.#group.frames > 0) await this.#write();
    await this.#writer.seal(Math.max(nextSequence, this.#nextSequence));
    await this.#writer.close();
    return this.#writer.fileNumber;
  }

  async #write(): Promise<void> {
    await this.#writer.write(this.#group);
    this.#group.clear();
    if (this.#writer.offset >= fileLimitBytes) await this.#beginFile(this.#nextSequence);
  }

  async #beginFile(sequence: number): Promise<void> {
    this.#started = true;
    const oldestOpenFile = Math.min(this.#writer.fileNumber + 1, ...this.#begun.values());
    const facts = { firstFile: 1, truncatedBefore: this.#truncatedBefore, oldestOpenFile, rollsBack: 0 };
    await this.#writer.beginFile({ facts: { ...facts, acceptedBefore: 0 }, sequence });
  }
}
