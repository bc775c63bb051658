/**
 * Reading the whole log: frames of all files in order, then the entries that are committed.
 *
 * A new file is made only when the one before is durable to its end, and it is linked to that end. So only the last
 * file can have a torn tail; in every other file, and in the first frame of any, a bad byte is damage. Transactions
 * without a COMMIT whose Merkle root verifies are not delivered: that is the rollback.
 */

import { join } from "node:path";
import { bytesEqual, hexOf } from "../base/index.ts";
import type { Disk, DiskFile } from "../disk/index.ts";
import { entryType, frameHeaderBytes } from "./frame.ts";
import { merkleLeaf, merkleRoot } from "./merkle.ts";
import { classifyDamage, corruptError, type Frame, FrameReader } from "./scan.ts";
import { logFileNumbers, logFilePath } from "./segment-name.ts";

/** One committed entry. */
export interface WalEntry {
  readonly sequence: number;
  readonly timestampMs: number;
  readonly payload: Uint8Array;
  /** The execution context of the transaction, undefined for an entry that is a transaction of its own. */
  readonly context: Uint8Array | undefined;
}

/** Where the log ends and what the next frame must continue. */
export interface LogEnd {
  readonly fileNumber: number;
  readonly offset: number;
  readonly epoch: bigint;
  readonly link: Uint8Array;
  readonly nextSequence: number;
  readonly torn: TornTail | undefined;
}

export interface TornTail {
  readonly path: string;
  readonly offset: number;
  readonly lostBytes: number;
  readonly reason: string;
}

type Mutable<T> = { -readonly [Name in keyof T]: T[Name] };

/** Yields every good frame; returns where the log ends, undefined where there is none. */
export async function* logFrames(disk: Disk, folder: string): AsyncGenerator<Frame, LogEnd | undefined> {
  const numbers = await logFileNumbers(disk, folder);
  let end: Mutable<LogEnd> | undefined;
  for (const [place, fileNumber] of numbers.entries()) {
    const path = logFilePath(folder, fileNumber);
    if (end !== undefined && fileNumber !== end.fileNumber + 1) {
      throw corruptError(logFilePath(folder, end.fileNumber + 1), 0, "the file is missing and later ones are there");
    }
    await using file = await disk.open(path, "read");
    const reader = new FrameReader(file, await file.sizeBytes());
    const first = await reader.frameAt(0, {
      epoch: undefined,
      fileNumber,
      link: end?.link,
      sequence: end?.nextSequence,
    });
    if (first === undefined || first.header.type !== entryType.file) {
      throw corruptError(path, 0, end === undefined ? "its first frame is unreadable" : "it does not continue the log");
    }
    yield first;
    end = after(first, fileNumber);
    for (;;) {
      const expected = { epoch: end.epoch, fileNumber, link: end.link, sequence: end.nextSequence };
      const frame = await reader.frameAt(end.offset, expected);
      if (frame === undefined) break;
      yield frame;
      end = after(frame, fileNumber);
    }
    if (end.offset === reader.sizeBytes) continue;
    const damage = await classifyDamage(reader, end.offset, end.epoch, fileNumber);
    if (damage.kind === "corrupt") throw corruptError(path, end.offset, damage.reason);
    if (place < numbers.length - 1) throw corruptError(path, end.offset, "a later file follows");
    end.torn = { path, offset: end.offset, lostBytes: reader.sizeBytes - end.offset, reason: damage.reason };
  }
  return end;
}

function after(frame: Frame, fileNumber: number): LogEnd {
  const { header } = frame;
  return {
    fileNumber,
    offset: header.nextOffset,
    epoch: header.epoch,
    link: frame.ownLink,
    nextSequence: header.sequence + 1,
    torn: undefined,
  };
}

interface OpenTransaction {
  readonly context: Uint8Array;
  readonly leaves: Uint8Array[];
  readonly entries: WalEntry[];
}

/** Turns frames into committed entries, in the order of their commits. */
export class TransactionReplay {
  readonly #folder: string;
  readonly #open = new Map<string, OpenTransaction>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Transactions that were begun and neither committed nor aborted. */
  get unfinished(): number {
    return this.#open.size;
  }

  accept(frame: Frame): readonly WalEntry[] {
    const { header, payload } = frame;
    const timestampMs = Number(header.timestampNs / 1_000_000n);
    const entry = { sequence: header.sequence, timestampMs, payload };
    const id = hexOf(header.transactionId);
    switch (header.type) {
      case entryType.record:
        return [{ ...entry, context: undefined }];
      case entryType.begin:
        this.#open.set(id, { context: payload, leaves: [merkleLeaf(payload)], entries: [] });
        return [];
      case entryType.data: {
        const transaction = this.#transactionOf(frame, id);
        transaction.leaves.push(merkleLeaf(payload));
        transaction.entries.push({ ...entry, context: transaction.context });
        return [];
      }
      case entryType.commit: {
        const transaction = this.#transactionOf(frame, id);
        this.#open.delete(id);
        if (!bytesEqual(merkleRoot(transaction.leaves), payload)) throw this.#broken(frame, "the Merkle root is wrong");
        return transaction.entries;
      }
      case entryType.abort:
        this.#open.delete(id);
        return [];
      case entryType.file:
        return [];
      default:
        throw this.#broken(frame, `entry type ${header.type} is unknown`);
    }
  }

  #transactionOf(frame: Frame, id: string): OpenTransaction {
    const transaction = this.#open.get(id);
    if (transaction === undefined) throw this.#broken(frame, "it belongs to a transaction that was never begun");
    return transaction;
  }

  #broken(frame: Frame, reason: string): Error {
    return corruptError(logFilePath(this.#folder, frame.header.fileNumber), frame.header.offset, reason);
  }
}

/** Every committed entry of a log that nobody needs to hold open, in order; a torn tail simply ends it. */
export async function* readWal(disk: Disk, folder: string): AsyncGenerator<WalEntry> {
  const replay = new TransactionReplay(folder);
  const frames = logFrames(disk, folder);
  for (let step = await frames.next(); step.done !== true; step = await frames.next()) yield* replay.accept(step.value);
}

/**
 * Makes the files fit to be trusted and written again: syncs the last one before it is read (its writer may have died
 * between write and sync), and removes what atomic writes left behind.
 */
export async function settleLog(disk: Disk, folder: string): Promise<void> {
  for (const entry of await disk.list(folder)) {
    if (/^\.[0-9]{8,}\.wal\..*\.tmp$/.test(entry.name)) await disk.remove(join(folder, entry.name));
  }
  const last = (await logFileNumbers(disk, folder)).at(-1);
  if (last === undefined) return;
  await using file = await disk.open(logFilePath(folder, last), "read-write");
  await file.sync();
  await disk.syncFolder(folder);
}

/** Cuts a torn tail off, after a copy of what is cut. Returns the path of the copy. */
export async function cutTornTail(disk: Disk, torn: TornTail): Promise<string> {
  await using file = await disk.open(torn.path, "read-write");
  const cut = await readRest(file, torn);
  const copy = await freeName(disk, `${torn.path}.torn-${torn.offset}`);
  await disk.writeFileAtomic(copy, cut);
  await file.truncate(torn.offset);
  await file.sync();
  return copy;
}

async function readRest(file: DiskFile, torn: TornTail): Promise<Uint8Array> {
  const bytes = new Uint8Array(torn.lostBytes);
  return bytes.subarray(0, await file.readAt(bytes, torn.offset));
}

async function freeName(disk: Disk, wanted: string): Promise<string> {
  for (let count = 1; ; count++) {
    const name = count === 1 ? wanted : `${wanted}-${count}`;
    if ((await disk.stat(name)) === undefined) return name;
  }
}

/** How many sequence numbers a cut tail may have used; they are never used again. */
export function sequencesIn(torn: TornTail): number {
  return Math.ceil(torn.lostBytes / frameHeaderBytes);
}
