/** A log with everything in it: single entries, groups, transactions, one of them aborted, and several files. */
import { type Clock, seededRandom, systemClock, utf8 } from "../../src/base/index.ts";
import type { Disk } from "../../src/disk/index.ts";
import { openWal, readWal, type WalEntry } from "../../src/wal/index.ts";
import type { Format } from "./log-bytes.ts";
import { type Files, MemoryDisk } from "./memory-disk.ts";

export const folder = "/log";

export interface ExampleLog {
  readonly format: Format;
  readonly files: Files;
  readonly entries: readonly WalEntry[];
}

export interface ExampleOptions {
  readonly format: Format;
  /** Of the payloads and of the epochs. Two logs of one size with different seeds differ in nothing else. */
  readonly seed: number;
  readonly rounds?: number;
}

/** About 64 KB after 16 rounds, closed in order. */
export async function makeExample({ format, seed, rounds = 16 }: ExampleOptions): Promise<ExampleLog> {
  const random = seededRandom(seed);
  const chance = repeatable(seed + 1_000);
  const { randomBytes } = repeatable(seed + 2_000);
  const disk = new MemoryDisk();
  const wal = await openWal({ disk, folder, format, ...chance, fileLimitBytes: 24_000 });
  const text = (count: number): Uint8Array => Uint8Array.from({ length: count }, () => 32 + random() * 94);
  for (let round = 0; round < rounds; round++) {
    // One after the other, so that each has a frame of its own; several of a size, to be mistaken for one another.
    for (const bytes of [300, 300, 300, 20]) await wal.append(round % 2 === 0 ? text(bytes) : randomBytes(bytes));
    await wal.appendAll([text(200), randomBytes(90), new Uint8Array(0)]);
    const transaction = wal.begin(utf8(`round ${String(round).padStart(3, "0")}`));
    transaction.append(text(150));
    transaction.append(text(150));
    if (round % 4 === 3) await transaction.abort();
    else await transaction.commit();
  }
  await wal.close();
  return { format, files: disk.files(), entries: await readAll(disk) };
}

/** Time and chance for a log that is the same bytes each time it is made. */
export function repeatable(seed: number): { clock: Clock; randomBytes: (count: number) => Uint8Array } {
  const random = seededRandom(seed);
  let nowMs = 1_700_000_000_000;
  return {
    clock: { ...systemClock, nowMs: () => nowMs++ },
    randomBytes: (count) => Uint8Array.from({ length: count }, () => random() * 256),
  };
}

export async function readAll(disk: Disk): Promise<WalEntry[]> {
  const entries: WalEntry[] = [];
  for await (const entry of readWal(disk, folder)) entries.push(entry);
  return entries;
}
