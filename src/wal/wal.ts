/**
 * The write-ahead log: append, and know that it is durable.
 *
 * What is appended is *visible* in the log's order at once and *durable* when its promise resolves; nothing is
 * acknowledged before that. A write or sync that fails ends the log for writing: the system may have dropped the bytes
 * and call the next sync a success. Opening anew finds what is on the disk, and writes what is in doubt once more.
 */

import { assert, type Clock, HoldfastError } from "../base/index.ts";
import type { Disk, DiskLock } from "../disk/index.ts";
import type { WalFormat } from "./format.ts";
import { type EntryType, entryType, noTransaction, payloadLimitBytes } from "./frame.ts";
import { GroupQueue, type WaitingGroup } from "./group-queue.ts";
import { logFilePath } from "./log-file-name.ts";
import type { LogWriter } from "./log-writer.ts";
import type { Submission, WalRecovery, WalStatistics, WalTransaction } from "./options.ts";
import { type ReadOptions, readLog } from "./read.ts";
import type { WalEntry } from "./replay.ts";
import { openTransaction } from "./transaction.ts";

/** A file of the log, as truncation needs to know it. */
export interface LogFile {
  readonly fileNumber: number;
  readonly firstSequence: number;
  readonly oldestOpenFile: number;
  bytes: number;
}

/** What `openWal` hands to the log that it opened. */
export interface OpenedLog {
  readonly disk: Disk;
  readonly folder: string;
  readonly format: WalFormat;
  readonly clock: Clock;
  readonly randomBytes: (count: number) => Uint8Array;
  readonly totalLimitBytes: number;
  readonly lock: DiskLock;
  readonly writer: LogWriter;
  readonly files: LogFile[];
  readonly nextSequence: number;
  readonly truncatedBefore: number;
  readonly acceptedBefore: number;
  readonly recovery: WalRecovery;
}

/** A leap in sequence numbers after a crash is larger than this: so none that was given out is used again. */
export const waitingEntriesLimit = 2 ** 20;

export class Wal implements AsyncDisposable {
  readonly recovery: WalRecovery;
  readonly #log: OpenedLog;
  readonly #writer: LogWriter;
  readonly #queue: GroupQueue;
  readonly #openTransactions = new Map<Uint8Array, number>();
  #nextSequence: number;
  #durableSequence: number;
  #truncatedBefore: number;
  #closing: Promise<void> | undefined;
  #failure: HoldfastError | undefined;
  /** In all files but the one that is written. */
  #finishedBytes = 0;
  #groups = 0;
  #entries = 0;
  #writtenBytes = 0;

  /** Logs are opened by `openWal`. */
  constructor(log: OpenedLog) {
    this.#log = log;
    this.#writer = log.writer;
    this.#nextSequence = log.nextSequence;
    this.#durableSequence = log.nextSequence - 1;
    this.#truncatedBefore = log.truncatedBefore;
    this.recovery = log.recovery;
    this.#queue = new GroupQueue(log.format, (group) => this.#writeGroup(group));
    this.#noteFiles();
  }

  /** Why nothing more can be written (WAL_FAILED), or undefined while all is well. */
  get failure(): HoldfastError | undefined {
    return this.#failure;
  }

  /** The last sequence number given out. */
  get visibleSequence(): number {
    return this.#nextSequence - 1;
  }

  /** The last sequence number that is known to be on the disk. */
  get durableSequence(): number {
    return this.#durableSequence;
  }

  /** Entries below this number were truncated, or never there. */
  get truncatedBefore(): number {
    return this.#truncatedBefore;
  }

  get statistics(): WalStatistics {
    const { files } = this.#log;
    return {
      groups: this.#groups,
      syncs: this.#writer.syncs,
      entries: this.#entries,
      writtenBytes: this.#writtenBytes,
      files: files.length,
      totalBytes: this.#totalBytes,
    };
  }

  /**
   * Takes entries over as one atomic group: after a crash all of them are there or none. Throws WAL_FAILED, WAL_CLOSED,
   * WAL_TOO_LARGE (above 16 MiB together), and, retryable, WAL_FULL or WAL_BUSY.
   */
  submit(payloads: readonly Uint8Array[]): Submission {
    const bytes = payloads.reduce((sum, { length }) => sum + length, 0);
    this.#refuse(bytes, payloads.length, false);
    const first = this.#nextSequence;
    const durable = this.#add(entryType.records, noTransaction, payloads, payloads.length);
    return { first, last: first + payloads.length - 1, durable };
  }

  /** As `submit` for one entry, quicker: for whoever has to know its number before it is durable. */
  submitEntry(payload: Uint8Array): { readonly sequence: number; readonly durable: Promise<void> } {
    this.#refuse(payload.length, 1, false);
    const sequence = this.#nextSequence++;
    return { sequence, durable: this.#queue.addEntry(sequence, payload, this.#log.clock) };
  }

  /** Appends one entry. Durable when this resolves, with its sequence number. Rejects as `submit` throws. */
  async append(payload: Uint8Array): Promise<number> {
    const { sequence, durable } = this.submitEntry(payload);
    await durable;
    return sequence;
  }

  /** Appends entries that are there together or not at all. Resolves with the sequence number of the last. */
  async appendAll(payloads: readonly Uint8Array[]): Promise<number> {
    assert(payloads.length > 0, "a group holds something");
    const { last, durable } = this.submit(payloads);
    await durable;
    return last;
  }

  /** Begins a transaction; the execution context is the first segment under its Merkle root (W4). */
  begin(context: Uint8Array): WalTransaction {
    const id = this.#log.randomBytes(16);
    return openTransaction(context, (type, payload) => {
      this.#refuse(payload.length, 1, type === entryType.commit || type === entryType.abort);
      const sequence = this.#nextSequence;
      return { sequence, durable: this.#add(type, id, [payload], 1) };
    });
  }

  /** Begins a new file now. */
  async rotate(): Promise<void> {
    await this.#inTurn(() => this.#beginFile());
  }

  /**
   * Forgets the entries below this sequence number: they never come back, and files that hold nothing else are removed.
   * Resolves with how many were. Transactions that are still open keep what they need.
   */
  async truncateBefore(sequence: number): Promise<number> {
    let removed = 0;
    await this.#inTurn(async () => {
      const before = Math.min(sequence, this.#durableSequence + 1);
      if (before <= this.#truncatedBefore) return; // mutant: older-truncation
      this.#truncatedBefore = before;
      await this.#beginFile();
      removed = await this.#removeTruncated();
    });
    return removed;
  }

  /** The committed entries that were durable when this is called, in order, from a sequence number on. */
  read(options: ReadOptions = {}): AsyncGenerator<WalEntry> {
    const { disk, folder, files, format } = this.#log;
    const from = Math.max(options.from ?? 0, this.#truncatedBefore);
    const fromFile = firstNeededFile(files, from);
    const durableEnd = { fileNumber: this.#writer.fileNumber, offset: this.#writer.offset };
    const numbers = files.map(({ fileNumber }) => fileNumber);
    const log = { format, numbers, unfinished: [] };
    // What was accepted as lost when the log was opened stays so.
    const onLoss = this.recovery.lost.length > 0 ? () => undefined : undefined;
    return this.#reading(
      readLog(disk, folder, log, { from, signal: options.signal, fromFile, durableEnd, onLoss }),
      from,
    );
  }

  /** Files that are truncated under a reader are gone, or hold other things: that is no damage. */
  async *#reading(entries: AsyncGenerator<WalEntry>, from: number): AsyncGenerator<WalEntry> {
    let next = from;
    try {
      for await (const entry of entries) {
        next = entry.sequence + 1;
        yield entry;
      }
    } catch (cause) {
      if (this.#truncatedBefore <= next) throw cause;
      const message = `the entries from ${next} on were truncated while they were read`;
      throw new HoldfastError("WAL_TRUNCATED", message, {
        cause,
        hint: `Read from ${this.#truncatedBefore} on.`,
        details: { next, truncatedBefore: this.#truncatedBefore },
      });
    }
  }

  /** Waits for what was appended, marks the log as closed in order, and releases it. */
  async close(): Promise<void> {
    this.#closing ??= this.#close();
    await this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  get #totalBytes(): number {
    return this.#finishedBytes + this.#writer.offset;
  }

  #noteFiles(): void {
    this.#finishedBytes = this.#log.files.slice(0, -1).reduce((sum, { bytes }) => sum + bytes, 0);
  }

  #refuse(bytes: number, entries: number, endsTransaction: boolean): void {
    if (this.#failure !== undefined) throw this.#failure;
    const { folder, totalLimitBytes } = this.#log;
    if (this.#closing !== undefined) throw new HoldfastError("WAL_CLOSED", `the log in ${folder} is closed`);
    if (bytes > payloadLimitBytes) {
      const message = `an entry or group of ${bytes} bytes is larger than the limit of ${payloadLimitBytes}`;
      throw new HoldfastError("WAL_TOO_LARGE", message, { hint: "Keep large things in files and log their hash." });
    }
    if (!endsTransaction && this.#queue.waitingEntries + entries >= waitingEntriesLimit) {
      throw new HoldfastError("WAL_BUSY", `${this.#queue.waitingEntries} entries wait to be written already`, {
        hint: "Wait for some of them to become durable, then append more.",
        retryable: true,
      });
    }
    if (!endsTransaction && this.#totalBytes + this.#queue.waitingBytes + bytes > totalLimitBytes) {
      throw new HoldfastError("WAL_FULL", `the log in ${folder} has reached its limit of ${totalLimitBytes} bytes`, {
        hint: "Truncate what is no longer needed (truncateBefore), or raise totalLimitBytes.",
        retryable: true,
        details: { path: folder, totalBytes: this.#totalBytes, totalLimitBytes },
      });
    }
  }

  #add(type: EntryType, transactionId: Uint8Array, payloads: readonly Uint8Array[], sequences: number): Promise<void> {
    const sequence = this.#nextSequence;
    this.#nextSequence += sequences;
    const content = { type, transactionId, sequence, payloads, timestampMs: this.#log.clock.nowMs() };
    return this.#queue.add(content, sequences, type !== entryType.records);
  }

  async #writeGroup(group: WaitingGroup): Promise<void> {
    await this.#guarded(async () => {
      if (this.#writer.isFullFor(group.frames)) await this.#beginFile();
      const before = this.#writer.offset;
      await this.#writer.write(group.frames);
      this.#groups++;
      this.#entries += group.entries;
      this.#writtenBytes += this.#writer.offset - before;
      this.#durableSequence = group.nextSequence - 1;
    });
    const active = this.#log.files.at(-1);
    if (active !== undefined) active.bytes = this.#writer.offset;
    for (const { type, id } of group.transactions) {
      if (type === entryType.begin) this.#openTransactions.set(id, this.#writer.fileNumber);
      else if (type !== entryType.data) this.#openTransactions.delete(id);
    }
  }

  async #beginFile(): Promise<void> {
    const fileNumber = this.#writer.fileNumber + 1;
    const oldestOpenFile = Math.min(fileNumber, ...this.#openTransactions.values());
    const sequence = this.#durableSequence + 1;
    const [truncatedBefore, acceptedBefore] = [this.#truncatedBefore, this.#log.acceptedBefore];
    const next = { fileNumber, firstSequence: sequence, oldestOpenFile, bytes: 0 };
    const firstFile = firstNeededFile([...this.#log.files, next], truncatedBefore);
    const facts = { firstFile, truncatedBefore, oldestOpenFile, rollsBack: 0, acceptedBefore };
    await this.#writer.beginFile({ facts, sequence });
    this.#log.files.push({ ...next, bytes: this.#writer.offset });
    this.#noteFiles();
  }

  /** Oldest first: nobody ever sees a gap between the files that are left. The last one may be written again. */
  async #removeTruncated(): Promise<number> {
    const { disk, folder, format, files } = this.#log;
    const firstFile = firstNeededFile(files, this.#truncatedBefore);
    let removed = 0;
    for (let oldest = files[0]; oldest !== undefined && oldest.fileNumber < firstFile; oldest = files[0]) {
      const path = logFilePath(folder, oldest.fileNumber, format);
      if (oldest.fileNumber + 1 < firstFile || !(await this.#writer.recycle(path))) await disk.remove(path);
      files.shift();
      removed++;
    }
    this.#noteFiles();
    return removed;
  }

  async #inTurn(work: () => Promise<void>): Promise<void> {
    this.#refuse(0, 0, true);
    await this.#queue.inTurn(() => this.#guarded(work));
  }

  /** Whatever fails in here ends the log for writing. */
  async #guarded(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (cause) {
      this.#failure ??= failureOf(cause, this.#writer.path);
      throw this.#failure;
    }
  }

  async #close(): Promise<void> {
    await this.#queue.idle();
    try {
      if (this.#failure === undefined) await this.#writer.seal(this.#nextSequence);
    } finally {
      try {
        await this.#writer.close();
      } finally {
        await this.#log.lock.release();
      }
    }
  }
}

/** Of these files the oldest that is still needed: one may be begun by a transaction that a later one goes on with. */
export function firstNeededFile(files: readonly LogFile[], truncatedBefore: number): number {
  const holding = files.findLast(({ firstSequence }) => firstSequence <= truncatedBefore) ?? files[0];
  return Math.min(holding?.fileNumber ?? 1, holding?.oldestOpenFile ?? 1);
}

function failureOf(cause: unknown, path: string): HoldfastError {
  const why = HoldfastError.is(cause) ? cause.rawMessage : String(cause);
  return new HoldfastError("WAL_FAILED", `the log can no longer be written (${path}): ${why}`, {
    cause,
    hint: "Entries that were not acknowledged may be lost; mend the disk, then open the log again.",
    details: { path },
  });
}
