/**
 * Opening a store of many items, and the memory that items take, each in a fresh process with the package loaded.
 *
 *     node --expose-gc bench/store/opening.ts open|memory CONTENDER FOLDER ITEMS     prints figures as JSON
 *
 * Resident memory counts what a process has mapped and touched: lmdb's and sqlite's own pages of the file are in it,
 * as they would be in the page cache for the others. The heap is V8's, with what it holds outside (buffers). The peers
 * keep their bytes outside of V8, so only resident memory is compared.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { systemClock } from "../../src/base/index.ts";
import { type Contender, type KeyValueStore, makeItems, valueBytes } from "./contender.ts";
import { contenders } from "./contenders.ts";
import { inTurns } from "./rounds.ts";
import { report, type Session } from "./session.ts";

interface Memory {
  readonly residentBytes: number;
  readonly heapBytes: number;
}

interface Opening {
  readonly openMs: number;
  readonly firstGetMs: number;
  /** Above what the process had before, after the first get. */
  readonly opened: Memory;
  /** And after all was read once. */
  readonly scanned: Memory;
}

const openRounds = 3;
/** Written after everything else was merged, just before the store is closed. */
const tailItems = 5_000;

export async function measureOpening(session: Session): Promise<void> {
  const count = 5 * session.count;
  const items = makeItems(count);
  const readers = session.contenders.filter(({ writesOnly }) => writesOnly !== true);
  const folders = readers.map((_, place) => join(session.folder, `open-${place}`));
  try {
    for (const [place, contender] of readers.entries()) {
      mkdirSync(folders[place]!);
      const store = await contender.open(folders[place]!);
      await firstWay(store.load)(items);
      await store.settle();
      // As a program leaves it: the last writes are where the store keeps them until later.
      await firstWay(store.load)({ ...items, ids: items.ids.slice(0, tailItems) });
      await store.close();
    }
    const openings = await inTurns(
      readers.map(
        ({ name }, place) =>
          async () =>
            inFreshProcess<Opening>("open", name, folders[place]!, count),
      ),
      Math.min(session.rounds, openRounds),
    );
    const row = (
      what: string,
      unit: string,
      figureOf: (opening: Opening) => number,
      better: "less" | "neither" = "less",
    ): void =>
      report(session, {
        title: `${what}, ${count.toLocaleString("en")} items`,
        unit,
        better,
        lines: readers.map(({ name, isOwn }, place) => ({ name, isOwn, values: openings[place]!.map(figureOf) })),
      });
    row("open", "ms", ({ openMs }) => openMs);
    row("open and first get", "ms", ({ openMs, firstGetMs }) => openMs + firstGetMs);
    row("resident memory above the process, opened", "MB", ({ opened }) => opened.residentBytes / 1e6);
    row("resident memory above the process, all read once", "MB", ({ scanned }) => scanned.residentBytes / 1e6);
    row("heap and buffers above the process, all read once", "MB", ({ scanned }) => scanned.heapBytes / 1e6, "neither");
  } finally {
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  }
}

/** Of items that were just written and are in the table in memory, for the stores that have one. */
export async function measureMemory(session: Session): Promise<void> {
  const readers = session.contenders.filter(({ writesOnly }) => writesOnly !== true);
  const folder = join(session.folder, "memory");
  const figures = await inTurns(
    readers.map(({ name }) => async () => {
      mkdirSync(folder);
      try {
        return inFreshProcess<Memory>("memory", name, folder, session.count);
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    }),
    Math.min(session.rounds, openRounds),
  );
  const row = (what: string, figureOf: (memory: Memory) => number, better: "less" | "neither"): void =>
    report(session, {
      title: `${what} an item (${valueBytes} bytes and its id), all just written`,
      unit: "bytes",
      better,
      lines: readers.map(({ name, isOwn }, place) => ({
        name,
        isOwn,
        values: figures[place]!.map((memory) => figureOf(memory) / session.count),
      })),
    });
  row("resident memory", ({ residentBytes }) => residentBytes, "less");
  row("heap and buffers", ({ heapBytes }) => heapBytes, "neither");
}

function inFreshProcess<T>(part: "open" | "memory", name: string, folder: string, count: number): T {
  const args = ["--expose-gc", "--no-warnings", import.meta.filename, part, name, folder, String(count)];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${part} of ${name} failed (exit code ${status}): ${stderr}`);
  return JSON.parse(stdout) as T;
}

async function memoryNow(): Promise<Memory> {
  for (let round = 0; round < 3; round++) {
    globalThis.gc?.();
    await nextTurn();
  }
  const { rss, heapUsed, external } = process.memoryUsage();
  return { residentBytes: rss, heapBytes: heapUsed + external };
}

async function memorySince(before: Memory): Promise<Memory> {
  const now = await memoryNow();
  return {
    residentBytes: now.residentBytes - before.residentBytes,
    heapBytes: now.heapBytes - before.heapBytes,
  };
}

/** A store that holds nothing has loaded what the package loads. */
async function loadPackage(contender: Contender, folder: string): Promise<void> {
  mkdirSync(folder);
  await (await contender.open(folder)).close();
  rmSync(folder, { recursive: true });
}

const firstWay = <T>(ways: Readonly<Record<string, T>>): T => Object.values(ways)[0]!;

async function opening(contender: Contender, folder: string, count: number): Promise<Opening> {
  const digits = Math.max(6, String(2 * count - 1).length);
  const id = `item-${String(2 * Math.floor(count / 2)).padStart(digits, "0")}`;
  const before = await memoryNow();
  const start = systemClock.monotonicMs();
  const store: KeyValueStore = await contender.open(folder);
  const opened = systemClock.monotonicMs();
  const bytes = await firstWay(store.get)([id]);
  const end = systemClock.monotonicMs();
  if (bytes !== valueBytes) throw new Error(`${bytes} bytes came back from the first get`);
  const afterGet = await memorySince(before);
  await firstWay(store.scan)();
  const afterScan = await memorySince(before);
  await store.close();
  return { openMs: opened - start, firstGetMs: end - opened, opened: afterGet, scanned: afterScan };
}

async function memory(contender: Contender, folder: string, count: number): Promise<Memory> {
  const items = makeItems(count);
  const before = await memoryNow();
  const store = await contender.open(folder, { keepsInMemory: true });
  await firstWay(store.load)(items);
  const used = await memorySince(before);
  await store.close();
  return used;
}

if (process.argv[1] === import.meta.filename) {
  const [part, name, folder, count] = process.argv.slice(2);
  const contender = contenders.find((one) => one.name === name)!;
  // Not inside the store's own folder: that is read as it is.
  await loadPackage(contender, `${folder!}-package`);
  const figures = await (part === "open" ? opening : memory)(contender, folder!, Number(count));
  process.stdout.write(JSON.stringify(figures), () => process.exit(0));
}
