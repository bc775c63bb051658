/**
 * A replay journal in one file that only grows, until it is written anew.
 *
 * Each append is one line: the CRC-32 of the rest as eight hexadecimal digits, a space, the records as a JSON array, a
 * newline. A line counts whole or not at all, and is synced before `append` resolves, so what a crash may leave of a
 * line that was never acknowledged is at the end of the file: it is cut off when the journal is loaded. A bad line with
 * a good one after it is damage of what was acknowledged: that is refused with its place, or with `salvage` stepped
 * over, with the damaged file kept beside the new one. A rewrite is a new file, synced, moved over the old one.
 */

import { assert, crc32, HoldfastError, utf8, utf8Text } from "../../base/index.ts";
import type { Disk, DiskFile, DiskLock } from "../../disk/index.ts";
import type { JournalRecord, ReplayJournal } from "./replay-journal.ts";

export interface DiskReplayJournalOptions {
  readonly disk: Disk;
  /** Of the file; its folder must be there. The file `PATH.lock` keeps other processes out. */
  readonly path: string;
  /** Step over damage instead of refusing it; the damaged file stays as `PATH.damaged`. Default false. */
  readonly salvage?: boolean | undefined;
  readonly onSalvaged?: ((lost: { readonly lines: number; readonly keptAs: string }) => void) | undefined;
}

/** `load` throws DISK_LOCKED where another process has it, and DEGRADED_JOURNAL_DAMAGED. */
export function diskReplayJournal(options: DiskReplayJournalOptions): ReplayJournal {
  return new DiskJournal(options);
}

class DiskJournal implements ReplayJournal {
  readonly #options: DiskReplayJournalOptions;
  readonly #disk: Disk;
  readonly #path: string;
  #lock: DiskLock | undefined;
  #file: DiskFile | undefined;
  #end = 0;
  #isUsable = false;

  constructor(options: DiskReplayJournalOptions) {
    this.#options = options;
    this.#disk = options.disk;
    this.#path = options.path;
  }

  async load(): Promise<readonly JournalRecord[]> {
    assert(this.#lock === undefined, "a replay journal is loaded once");
    this.#lock = await this.#disk.lock(`${this.#path}.lock`);
    try {
      return await this.#load();
    } catch (error) {
      await this[Symbol.asyncDispose]();
      throw error;
    }
  }

  async append(records: readonly JournalRecord[]): Promise<void> {
    if (!this.#isUsable || this.#file === undefined) {
      throw new HoldfastError("DEGRADED_JOURNAL_FAILED", `${this.#path} failed before and must be written anew`);
    }
    const line = lineOf(records);
    this.#isUsable = false;
    await this.#file.writeAt([line], this.#end);
    await this.#file.syncData();
    this.#end += line.length;
    this.#isUsable = true;
  }

  async rewrite(records: readonly JournalRecord[]): Promise<void> {
    this.#isUsable = false;
    await this.#close();
    const line = lineOf(records);
    await this.#disk.writeFileAtomic(this.#path, line);
    this.#file = await this.#disk.open(this.#path, "read-write");
    this.#end = line.length;
    this.#isUsable = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isUsable = false;
    await this.#close();
    await this.#lock?.release();
    this.#lock = undefined;
  }

  async #load(): Promise<readonly JournalRecord[]> {
    if ((await this.#disk.stat(this.#path)) === undefined) return [];
    const bytes = await this.#disk.readFile(this.#path);
    const { records, endOfGood, damagedLines, damagedAt } = readLines(bytes);
    if (damagedAt !== undefined) return this.#salvage(records, damagedLines, damagedAt);
    this.#file = await this.#disk.open(this.#path, "read-write");
    if (endOfGood < bytes.length) {
      await this.#file.truncate(endOfGood);
      await this.#file.syncData();
    }
    this.#end = endOfGood;
    this.#isUsable = true;
    return records;
  }

  async #salvage(records: readonly JournalRecord[], lines: number, damagedAt: number): Promise<typeof records> {
    const keptAs = `${this.#path}.damaged`;
    if (this.#options.salvage !== true) {
      throw new HoldfastError(
        "DEGRADED_JOURNAL_DAMAGED",
        `${this.#path} is damaged at byte ${damagedAt}, before entries that are whole`,
        {
          hint: `Open it with salvage to go on with what is whole; the file is then kept as ${keptAs}.`,
          details: { path: this.#path, offset: damagedAt, lines },
        },
      );
    }
    await this.#disk.writeFileAtomic(keptAs, await this.#disk.readFile(this.#path));
    await this.rewrite(records);
    this.#options.onSalvaged?.({ lines, keptAs });
    return records;
  }

  async #close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    // What a close could still fail of was synced before, or is not called durable.
    await file?.close().catch(() => undefined);
  }
}

const newline = 0x0a;
const crcLength = 8;

function lineOf(records: readonly JournalRecord[]): Uint8Array {
  const body = JSON.stringify(records);
  return utf8(`${crc32(utf8(body)).toString(16).padStart(crcLength, "0")} ${body}\n`);
}

interface ReadLines {
  readonly records: readonly JournalRecord[];
  /** Where the last whole line ends. */
  readonly endOfGood: number;
  /** Bad lines that have a good one after them. */
  readonly damagedLines: number;
  readonly damagedAt: number | undefined;
}

function readLines(bytes: Uint8Array): ReadLines {
  const records: JournalRecord[] = [];
  let endOfGood = 0;
  let damagedLines = 0;
  let damagedAt: number | undefined;
  let bad = 0;
  let badAt = 0;
  for (let from = 0; from < bytes.length; ) {
    const at = bytes.indexOf(newline, from);
    const end = at === -1 ? bytes.length : at;
    const found = at === -1 ? undefined : recordsOf(bytes.subarray(from, end));
    if (found === undefined) {
      if (bad === 0) badAt = from;
      bad++;
    } else {
      if (bad > 0) damagedAt ??= badAt;
      damagedLines += bad;
      bad = 0;
      for (const record of found) records.push(record);
      endOfGood = end + 1;
    }
    from = end + 1;
  }
  return { records, endOfGood, damagedLines, damagedAt };
}

function recordsOf(line: Uint8Array): readonly JournalRecord[] | undefined {
  const body = line.subarray(crcLength + 1);
  const crc = utf8Text(line.subarray(0, crcLength + 1));
  if (!/^[0-9a-f]{8} $/.test(crc) || Number.parseInt(crc, 16) !== crc32(body)) return undefined;
  try {
    const found: unknown = JSON.parse(utf8Text(body));
    return Array.isArray(found) ? (found as readonly JournalRecord[]) : undefined;
  } catch {
    return undefined;
  }
}
