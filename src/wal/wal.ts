/**
 * The write-ahead log: append, and know that it is durable.
 *
 * `append` and `commit` return only after the bytes are synced. Callers that come while a sync is under way are
 * collected and share the next write and the next sync. A write or sync that fails ends the log for writing: the system
 * may have dropped the bytes and call the next sync a success, so nothing is written to that file again; opening anew
 * finds exactly what is on the disk.
 */

import { randomBytes, randomUUID } from "node:crypto";
import { join } from "node:path";
import { assert, type Clock, HoldfastError, systemClock } from "../base/index.ts";
import type { Disk, DiskFile, DiskLock } from "../disk/index.ts";
import { encodeFrameHeader, entryType, frameHeaderBytes, hashOf, paddedSize, payloadLimitBytes } from "./frame.ts";
import { merkleLeaf, merkleRoot } from "./merkle.ts";
import {
  cutTornTail,
  type LogEnd,
  logFrames,
  readWal,
  sequencesIn,
  settleLog,
  type TornTail,
  TransactionReplay,
  type WalEntry,
} from "./recovery.ts";
import { logFilePath } from "./segment-name.ts";

export interface WalOptions {
  readonly disk: Disk;
  readonly folder: string;
  /** Called for every committed entry, in order, before `openWal` returns. */
  readonly onEntry?: (entry: WalEntry) => void;
  readonly clock?: Clock;
  /** A new file is begun where one would grow beyond this. Default 64 MiB. */
  readonly fileLimitBytes?: number;
}

/** What opening found and did. */
export interface WalRecovery {
  readonly entries: number;
  /** Transactions that were never committed. */
  readonly rolledBack: number;
  readonly torn: (TornTail & { readonly copy: string }) | undefined;
}

export interface WalTransaction {
  append(payload: Uint8Array): void;
  /** Durable, all of it, when this resolves. Resolves with the sequence number of the COMMIT. */
  commit(): Promise<number>;
  abort(): Promise<void>;
}

interface Waiting {
  readonly type: number;
  readonly transactionId: Uint8Array;
  readonly payload: Uint8Array;
  readonly durable: PromiseWithResolvers<number>;
}

const defaultFileLimitBytes = 64 * 2 ** 20;
const groupLimitBytes = 8 * 2 ** 20;
const noTransaction = new Uint8Array(16);
const padding = new Uint8Array(frameHeaderBytes);

/** Opens the log in `folder`, made where missing, and recovers it. Another holder is refused with DISK_LOCKED. */
export async function openWal(options: WalOptions): Promise<Wal> {
  const { disk, folder } = options;
  await disk.makeFolder(folder);
  const lock = await disk.lock(join(folder, "wal"));
  try {
    await settleLog(disk, folder);
    const replay = new TransactionReplay(folder);
    const frames = logFrames(disk, folder);
    let entries = 0;
    let step = await frames.next();
    for (; step.done !== true; step = await frames.next()) {
      for (const entry of replay.accept(step.value)) {
        options.onEntry?.(entry);
        entries++;
      }
    }
    const end = step.value;
    const copy = end?.torn === undefined ? undefined : await cutTornTail(disk, end.torn);
    const torn = end?.torn === undefined || copy === undefined ? undefined : { ...end.torn, copy };
    const wal = new Wal(options, lock, { entries, rolledBack: replay.unfinished, torn });
    await wal.continueFrom(end);
    return wal;
  } catch (error) {
    await lock.release();
    throw error;
  }
}

export class Wal implements AsyncDisposable {
  readonly recovery: WalRecovery;
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #clock: Clock;
  readonly #fileLimitBytes: number;
  readonly #lock: DiskLock;
  #file: DiskFile | undefined;
  #fileNumber = 0;
  #epoch = 0n;
  #offset = 0;
  #link: Uint8Array = new Uint8Array(32);
  #sequence = 1;
  #queue: Waiting[] = [];
  #writing: Promise<void> | undefined;
  #failure: HoldfastError | undefined;
  #closed = false;

  constructor(options: WalOptions, lock: DiskLock, recovery: WalRecovery) {
    this.#disk = options.disk;
    this.#folder = options.folder;
    this.#clock = options.clock ?? systemClock;
    this.#fileLimitBytes = options.fileLimitBytes ?? defaultFileLimitBytes;
    this.#lock = lock;
    this.recovery = recovery;
  }

  /** Used once, by openWal. After a torn tail a new file is begun, so that nothing cut off can come back to life. */
  async continueFrom(end: LogEnd | undefined): Promise<void> {
    if (end !== undefined) {
      this.#fileNumber = end.fileNumber;
      this.#link = end.link;
      this.#sequence = end.nextSequence + (end.torn === undefined ? 0 : sequencesIn(end.torn));
    }
    if (end === undefined || end.torn !== undefined) return await this.#beginFile();
    this.#epoch = end.epoch;
    this.#offset = end.offset;
    this.#file = await this.#disk.open(logFilePath(this.#folder, end.fileNumber), "read-write");
  }

  /** Why nothing more can be written, or undefined while all is well. */
  get failure(): HoldfastError | undefined {
    return this.#failure;
  }

  /** Appends one entry that is a transaction of its own. Durable when this resolves, with its sequence number. */
  async append(payload: Uint8Array): Promise<number> {
    return await this.#enqueue(entryType.record, noTransaction, payload);
  }

  /** Begins a transaction; the execution context is the first segment under its Merkle root. */
  begin(context: Uint8Array): WalTransaction {
    const id = Uint8Array.from(Buffer.from(randomUUID().replaceAll("-", ""), "hex"));
    const leaves = [merkleLeaf(context)];
    let open = true;
    const send = (type: number, payload: Uint8Array): Promise<number> => {
      assert(open, "a transaction is not used after its end");
      const durable = this.#enqueue(type, id, payload);
      // Whoever commits learns of a failure; the parts before need no one to listen.
      durable.catch(() => undefined);
      return durable;
    };
    send(entryType.begin, context);
    return {
      append(payload) {
        send(entryType.data, payload);
        leaves.push(merkleLeaf(payload));
      },
      commit() {
        const durable = send(entryType.commit, merkleRoot(leaves));
        open = false;
        return durable;
      },
      async abort() {
        const durable = send(entryType.abort, new Uint8Array(0));
        open = false;
        await durable;
      },
    };
  }

  /** The committed entries that are on the disk now, read anew and verified. */
  read(): AsyncGenerator<WalEntry> {
    return readWal(this.#disk, this.#folder);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    while (this.#writing !== undefined) await this.#writing;
    try {
      await this.#file?.close();
    } finally {
      await this.#lock.release();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #enqueue(type: number, transactionId: Uint8Array, payload: Uint8Array): Promise<number> {
    const refusal = this.#refusalOf(payload);
    if (refusal !== undefined) return Promise.reject(refusal);
    const durable = Promise.withResolvers<number>();
    this.#queue.push({ type, transactionId, payload: payload.slice(), durable });
    this.#writing ??= this.#writeGroups();
    return durable.promise;
  }

  #refusalOf(payload: Uint8Array): HoldfastError | undefined {
    if (this.#failure !== undefined) return this.#failure;
    if (this.#closed) return new HoldfastError("WAL_CLOSED", `the log in ${this.#folder} is closed`);
    if (payload.length <= payloadLimitBytes) return undefined;
    const message = `an entry of ${payload.length} bytes is larger than the limit of ${payloadLimitBytes}`;
    return new HoldfastError("WAL_TOO_LARGE", message, { hint: "Keep large things in files and log their hash." });
  }

  async #writeGroups(): Promise<void> {
    // One turn, so that all who append in this one share the first group too.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      const group = this.#takeGroup();
      try {
        if (this.#failure !== undefined) throw this.#failure;
        const sequences = await this.#writeGroup(group);
        for (const [place, waiting] of group.entries()) waiting.durable.resolve(sequences + place);
      } catch (cause) {
        this.#failure ??= failureOf(cause, logFilePath(this.#folder, this.#fileNumber));
        for (const waiting of group) waiting.durable.reject(this.#failure);
      }
    }
    this.#writing = undefined;
  }

  #takeGroup(): Waiting[] {
    let bytes = 0;
    let count = 0;
    for (const waiting of this.#queue) {
      bytes += frameHeaderBytes + paddedSize(waiting.payload.length);
      if (count > 0 && bytes > groupLimitBytes) break;
      count++;
    }
    return this.#queue.splice(0, count);
  }

  /** One write, one sync. Returns the sequence number of the first of the group. */
  async #writeGroup(group: readonly Waiting[]): Promise<number> {
    const size = group.reduce((sum, { payload }) => sum + frameHeaderBytes + paddedSize(payload.length), 0);
    if (this.#offset > frameHeaderBytes && this.#offset + size > this.#fileLimitBytes) await this.#beginFile();
    const file = this.#file;
    assert(file !== undefined, "the log has a file");
    const from = this.#offset;
    const first = this.#sequence;
    const parts = group.flatMap((waiting) => this.#encode(waiting, from));
    await file.writeAt(parts, from);
    await file.syncData();
    return first;
  }

  /** The parts of the next frame; moves the end of the log behind it. `syncedOffset` is where its group begins. */
  #encode({ type, transactionId, payload }: Waiting, syncedOffset: number): Uint8Array[] {
    const nextOffset = this.#offset + frameHeaderBytes + paddedSize(payload.length);
    const header = encodeFrameHeader({
      transactionId,
      sequence: this.#sequence,
      epoch: this.#epoch,
      timestampNs: BigInt(Math.round(this.#clock.nowMs())) * 1_000_000n,
      type,
      payloadBytes: payload.length,
      payloadHash: hashOf(payload),
      nextOffset,
      link: this.#link,
      offset: this.#offset,
      syncedOffset,
      fileNumber: this.#fileNumber,
    });
    this.#offset = nextOffset;
    this.#link = hashOf(header);
    this.#sequence++;
    return [header, payload, padding.subarray(0, paddedSize(payload.length) - payload.length)];
  }

  /** The new file has its first frame, durably, before it has its name: so no log file is ever without one. */
  async #beginFile(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
    this.#fileNumber++;
    this.#epoch = randomBytes(8).readBigUInt64LE();
    this.#offset = 0;
    const [header = padding] = this.#encode(
      {
        type: entryType.file,
        transactionId: noTransaction,
        payload: new Uint8Array(0),
        durable: Promise.withResolvers(),
      },
      0,
    );
    const path = logFilePath(this.#folder, this.#fileNumber);
    await this.#disk.writeFileAtomic(path, header);
    this.#file = await this.#disk.open(path, "read-write");
  }
}

function failureOf(cause: unknown, path: string): HoldfastError {
  const why = HoldfastError.is(cause) ? cause.rawMessage : String(cause);
  return new HoldfastError("WAL_FAILED", `the log can no longer be written (${path}): ${why}`, {
    cause,
    hint: "Entries that were not acknowledged may be lost; mend the disk, then open the log again.",
    details: { path },
  });
}
