/**
 * Walks the frames of a log, file by file, and finds where it ends.
 *
 * A frame is live when its own checksums are right, it stands where it says, and it links to the frame before. A file
 * ends where the next one says it ends; only the last may have a torn tail, and only past what its first frame calls
 * durable. Memory is bounded by one chunk, one frame and the last group.
 */

import { bytesEqual } from "../base/index.ts";
import type { Disk } from "../disk/index.ts";
import { corruptError, isOfFile, proofOfDamage, type TornTail, type WalLoss } from "./damage.ts";
import { decodeFileFacts, type FileFacts } from "./file-frame.ts";
import { FileReader } from "./file-reader.ts";
import type { WalFormat } from "./format.ts";
import { entryType, type Frame, sequenceLimit, sequencesOf } from "./frame.ts";
import { type LogFolder, logFilePath } from "./log-file-name.ts";

export interface WalkOptions {
  /** Damage is reported here and passed over. Without it WAL_CORRUPT is thrown, but for damage accepted before. */
  readonly onLoss?: ((loss: WalLoss) => void) | undefined;
  /** Damage that was accepted before is reported here. */
  readonly onAcceptedLoss?: ((loss: WalLoss) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Begin with this file instead of the first. */
  readonly fromFile?: number;
  /** Go no further than what is known to be durable, in a log that is being written. */
  readonly durableEnd?: { readonly fileNumber: number; readonly offset: number };
}

/** Where a log ends, and what continues it. */
export interface LogEnd {
  readonly fileNumber: number;
  readonly facts: FileFacts;
  readonly epoch: bigint;
  readonly offset: number;
  readonly link: Uint8Array;
  readonly nextSequence: number;
  /** Closed in order: all before is durable, and nothing was under way. */
  readonly sealed: boolean;
  /** What the last sync was to make durable. Nothing proves that it did. */
  readonly lastGroup: readonly Frame[];
  readonly torn: TornTail | undefined;
}

const noFacts = { truncatedBefore: 0, rollsBack: 0, acceptedBefore: 0, recycled: 0, previousEnd: 0, bornBytes: 0 };

interface Head {
  readonly frame: Frame;
  readonly facts: FileFacts;
}

export class LogWalk {
  readonly format: WalFormat;
  /** Of the newest file; undefined where its first frame is damaged. */
  readonly newest: FileFacts | undefined;
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #numbers: readonly number[];
  readonly #options: WalkOptions;
  #epoch: bigint | undefined;
  #link: Uint8Array | undefined;
  #sequence: number | undefined;
  #highestSequence = 0;
  /** As many as may have stood in what was lost, of which nothing behind it tells. */
  #unknownEntries = 0;
  #started = false;
  #facts: FileFacts | undefined;
  #offset = 0;
  #sealed = false;
  #lastGroup: Frame[] = [];
  #torn: TornTail | undefined;

  private constructor(
    disk: Disk,
    folder: string,
    format: WalFormat,
    log: LogFolder,
    newest: FileFacts | undefined,
    options: WalkOptions,
  ) {
    this.#disk = disk;
    this.#folder = folder;
    this.format = format;
    this.#numbers = log.numbers;
    this.newest = newest;
    this.#options = options;
  }

  /** undefined where there is no log. */
  static async open(
    disk: Disk,
    folder: string,
    log: LogFolder,
    options: WalkOptions = {},
  ): Promise<LogWalk | undefined> {
    const last = log.numbers.at(-1);
    if (log.format === undefined || last === undefined) return undefined;
    const path = logFilePath(folder, last, log.format);
    const newest = await headOf(disk, path, last, log.format);
    // It says what was truncated. That it is damaged would come out at the end of the walk; here nothing was given out
    // yet that is forgotten.
    const isReadable = newest !== undefined || options.onLoss !== undefined;
    if (!isReadable) throw corruptError(path, 0, "its first entry is damaged");
    return new LogWalk(disk, folder, log.format, log, newest?.facts, options);
  }

  /** Every live frame. Throws WAL_CORRUPT with path and offset at damage, unless losses are to be reported. */
  async *frames(): AsyncGenerator<Frame> {
    const last = this.#numbers.at(-1) ?? 0;
    const first = Math.max(this.#options.fromFile ?? 0, this.newest?.firstFile ?? this.#numbers[0] ?? last);
    let expected = first;
    for (const fileNumber of this.#numbers.filter((number) => number >= first)) {
      if (fileNumber > expected)
        this.#lose(expected, 0, 0, `the file is missing, and ${this.#path(fileNumber)} is there`, undefined);
      yield* this.#file(fileNumber, fileNumber === last);
      expected = fileNumber + 1;
    }
  }

  /** Once all frames were taken: where the log ends. What salvage could not know is put on the safe side. */
  end(): LogEnd {
    const fileNumber = this.#numbers.at(-1) ?? 0;
    const firstFile = this.#numbers[0] ?? fileNumber;
    const unknown = { ...noFacts, firstFile, oldestOpenFile: firstFile };
    return {
      fileNumber,
      facts: this.#facts ?? unknown,
      epoch: this.#epoch ?? 0n,
      offset: this.#offset,
      link: this.#link ?? this.format.firstLink,
      nextSequence: (this.#sequence ?? this.#highestSequence) + this.#unknownEntries,
      sealed: this.#sealed && this.#torn === undefined,
      lastGroup: this.#lastGroup,
      torn: this.#torn,
    };
  }

  async *#file(fileNumber: number, isLast: boolean): AsyncGenerator<Frame> {
    const path = this.#path(fileNumber);
    await using file = await this.#disk.open(path, "read");
    const reader = new FileReader(file, await file.sizeBytes());
    const following = await this.#headAfter(fileNumber, isLast);
    await this.#beginFile(reader, fileNumber);
    const limit = this.#limitOf(fileNumber, following, reader);
    const endsHere = following === undefined;
    while (this.#offset < limit || this.#offset === 0) {
      this.#options.signal?.throwIfAborted();
      const frame = await this.format.frameAt(reader, this.#offset);
      if (frame === undefined || !this.#isLive(frame, fileNumber)) {
        if (await this.#passDamage(reader, fileNumber, endsHere, limit)) continue;
        break;
      }
      this.#accept(frame);
      yield frame;
      if (this.#sealed && !(await this.#passDamage(reader, fileNumber, endsHere, limit))) break;
    }
    if (following !== undefined) this.#checkEnd(fileNumber, following);
  }

  #path(fileNumber: number): string {
    return logFilePath(this.#folder, fileNumber, this.format);
  }

  async #headAfter(fileNumber: number, isLast: boolean): Promise<Head | undefined> {
    const next = fileNumber + 1;
    if (isLast || !this.#numbers.includes(next)) return undefined;
    return await headOf(this.#disk, this.#path(next), next, this.format);
  }

  async #beginFile(reader: FileReader, fileNumber: number): Promise<void> {
    const head = await headIn(reader, fileNumber, this.format);
    if (!this.#started && fileNumber === 1) this.#link = this.format.firstLink;
    this.#started = true;
    this.#epoch = head?.frame.epoch;
    this.#facts = head?.facts;
    this.#offset = 0;
    this.#sealed = false;
    this.#lastGroup = [];
  }

  #limitOf(fileNumber: number, following: Head | undefined, reader: FileReader): number {
    const { durableEnd } = this.#options;
    if (durableEnd?.fileNumber === fileNumber) return durableEnd.offset;
    return Math.min(following?.facts.previousEnd ?? Number.POSITIVE_INFINITY, reader.sizeBytes);
  }

  #isLive(frame: Frame, fileNumber: number): boolean {
    if (frame.fileNumber !== fileNumber || (frame.offset === 0) !== (frame.type === entryType.file)) return false;
    if (frame.type === entryType.file && this.#facts === undefined) return false;
    // Linked to the same frame, two frames are of one epoch: the link needs no second check beside it.
    if (frame.sequence >= sequenceLimit) return false;
    if (this.#link !== undefined && !bytesEqual(frame.link, this.#link)) return false; // mutant: link
    // There may be gaps: numbers that may have been given out before a crash are not used again.
    return frame.sequence >= (this.#sequence ?? this.#highestSequence);
  }

  #accept(frame: Frame): void {
    this.#epoch = frame.epoch;
    this.#sequence = frame.sequence + sequencesOf(frame);
    this.#highestSequence = this.#sequence;
    if (frame.type === entryType.seal) {
      // The seal is no part of the log: what continues it stands in its place.
      this.#sealed = true;
      this.#lastGroup = [];
      return;
    }
    this.#link = frame.ownLink;
    this.#offset = frame.nextOffset;
    if (frame.offset < (this.#facts?.bornBytes ?? 0)) return;
    if (this.#lastGroup[0]?.syncedOffset !== frame.syncedOffset) this.#lastGroup = [];
    this.#lastGroup.push(frame);
  }

  /** True where the walk goes on behind the bad place; false where the file ends here. */
  async #passDamage(reader: FileReader, fileNumber: number, endsHere: boolean, limit: number): Promise<boolean> {
    const { durableEnd } = this.#options;
    const isDurable = durableEnd?.fileNumber === fileNumber;
    const bornBytes = isDurable ? durableEnd.offset : (this.#facts?.bornBytes ?? 1);
    const about = { fileNumber, epoch: this.#epoch, bornBytes };
    const reason = endsHere
      ? await proofOfDamage(reader, this.format, about, this.#offset)
      : "a later file says that this one goes on here";
    if (reason === undefined) {
      await this.#noteTail(reader);
      return false;
    }
    const behind = await this.#nextGood(reader, fileNumber, limit);
    const lostBytes = (behind?.offset ?? Math.min(limit, reader.sizeBytes)) - this.#offset;
    // Where the next file says how far this one goes, its end is missed in any case.
    if (endsHere || behind !== undefined) this.#lose(fileNumber, this.#offset, lostBytes, reason, behind);
    this.#sealed = false;
    if (behind === undefined) return false;
    this.#link = behind.link;
    this.#sequence = behind.sequence;
    this.#offset = behind.offset;
    return true;
  }

  /** A file that is not the last must end where, and as, the next one says. */
  #checkEnd(fileNumber: number, following: Head): void {
    const { facts, frame } = following;
    const complete = this.#offset === facts.previousEnd;
    const continues = this.#link === undefined || bytesEqual(frame.link, this.#link);
    if (complete && continues && frame.sequence >= (this.#sequence ?? 0)) return;
    const [at, reason] = complete ? [0, "it does not continue the file before"] : [this.#offset, "its end is missing"];
    const lostBytes = Math.max(0, facts.previousEnd - this.#offset);
    this.#lose(complete ? fileNumber + 1 : fileNumber, at, lostBytes, reason, frame);
    this.#link = undefined;
    this.#sequence = undefined;
  }

  async #noteTail(reader: FileReader): Promise<void> {
    const seal = this.#sealed ? await this.format.frameAt(reader, this.#offset) : undefined;
    const from = seal?.nextOffset ?? this.#offset;
    const end = this.#facts?.recycled === 1 ? await this.#endOfOwn(reader, from) : await reader.endOfContent(from);
    if (end === from) return;
    const reason = "what stands here is no whole entry, and nothing shows that it was ever durable";
    this.#torn = { path: reader.path, offset: from, tornBytes: end - from, reason };
  }

  /** Where the last thing ends that this file's own writer began, among the stale frames of an older one. */
  async #endOfOwn(reader: FileReader, from: number): Promise<number> {
    const { alignmentBytes } = this.format;
    const about = { fileNumber: this.#numbers.at(-1) ?? 0, epoch: this.#epoch ?? 0n };
    let end = from;
    for (let place = from; place + alignmentBytes <= reader.sizeBytes; place += alignmentBytes)
      if (await this.format.resembles(reader, place, about)) end = place + alignmentBytes;
    return end;
  }

  /** The next frame behind damage that can be trusted to be of this file, and of its present epoch. */
  async #nextGood(reader: FileReader, fileNumber: number, limit: number): Promise<Frame | undefined> {
    const about = { fileNumber, epoch: this.#epoch };
    let place = await this.format.nextPlace(reader, this.#offset);
    while (place !== undefined && place < limit) {
      const frame = await this.format.frameAt(reader, place);
      const least = this.#sequence ?? this.#highestSequence;
      const isLater = frame !== undefined && frame.sequence >= least && frame.sequence < sequenceLimit;
      if (isLater && frame.type !== entryType.file && isOfFile(frame, about)) return frame;
      place = await this.format.nextPlace(reader, place);
    }
    return undefined;
  }

  #lose(fileNumber: number, offset: number, lostBytes: number, reason: string, behind: Frame | undefined): void {
    const path = this.#path(fileNumber);
    const isAccepted = fileNumber < (this.newest?.acceptedBefore ?? 0);
    if (this.#options.onLoss === undefined && !isAccepted) throw corruptError(path, offset, reason);
    const report = isAccepted ? this.#options.onAcceptedLoss : this.#options.onLoss;
    if (!isAccepted && behind === undefined) this.#unknownEntries += lostBytes;
    const lastSequence = behind === undefined ? undefined : behind.sequence - 1;
    report?.({ path, offset, lostBytes, reason, firstSequence: this.#sequence, lastSequence });
  }
}

async function headOf(disk: Disk, path: string, fileNumber: number, format: WalFormat): Promise<Head | undefined> {
  await using file = await disk.open(path, "read");
  return await headIn(new FileReader(file, await file.sizeBytes()), fileNumber, format);
}

async function headIn(reader: FileReader, fileNumber: number, format: WalFormat): Promise<Head | undefined> {
  const frame = await format.frameAt(reader, 0);
  if (frame?.type !== entryType.file || frame.fileNumber !== fileNumber) return undefined;
  const facts = decodeFileFacts(frame.payloads[0]);
  if (facts === undefined || Math.max(facts.firstFile, facts.oldestOpenFile, facts.acceptedBefore) > fileNumber)
    return undefined;
  return { frame, facts };
}
