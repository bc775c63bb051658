/**
 * What checkpoints cost a program that works: PRISM's scenario (SPEC R12) of 100 cycles of work with a checkpoint
 * after every tenth, where it measured 0.34 % and asks for less than 5 %. The work is a heat equation on the very
 * numbers that are kept, calibrated once to the length of PRISM's cycles: about 100 ms.
 *
 *     npm run bench:checkpoint [-- --cycles 100] [--every 10] [--cycle-ms 100] [--numbers 1000,100000]
 *
 * Each contender does the same work and keeps the same bytes, in turns. Those that are compared with do less:
 * write-file-atomic replaces one file, syncs it and not its folder, keeps one version and no checksum; a plain
 * writeFile syncs nothing; "the calls alone" are the system's calls for one durable version, blocking, without
 * checksum, lock, prune or another thread: what the device asks for at least. Prints the share of checkpoint time in
 * work time, and the floors; a missed floor says MISSED.
 */
import { spawnSync } from "node:child_process";
import { closeSync, existsSync, fsyncSync, mkdtempSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { systemClock } from "../../src/base/index.ts";
import { NodeDisk } from "../../src/disk/index.ts";
import { checkpoints, localCheckpoints } from "../../src/resilience/checkpoint/index.ts";
import { table } from "../table.ts";

const { values: flags } = parseArgs({
  options: {
    cycles: { type: "string", default: "100" },
    every: { type: "string", default: "10" },
    "cycle-ms": { type: "string", default: "100" },
    numbers: { type: "string", default: "1000,100000" },
  },
});
const floorPercent = 0.34;
const limitPercent = 5;
const say = (text: string): void => void process.stdout.write(`${text}\n`);

interface Contender {
  readonly name: string;
  open(folder: string, state: Float64Array): Promise<Keeper>;
}

interface Keeper {
  keep(): Promise<void>;
  close(): Promise<void>;
  /** What it says of itself, in percent. */
  ownPercent?(): number;
  /** Told how work is timed, where it measures itself. */
  timeWork?(work: () => void): void;
}

const bytesOf = (state: Float64Array): Uint8Array =>
  new Uint8Array(state.buffer, state.byteOffset, state.byteLength).slice();

const holdfast: Contender = {
  name: "holdfast, local",
  async open(folder, state) {
    const kept = checkpoints({ backend: localCheckpoints({ disk: new NodeDisk(), folder: join(folder, "kept") }) });
    kept.register({ id: "heat", save: () => bytesOf(state), restore: () => undefined });
    // Opening the folder is no part of a cycle.
    await kept.checkpoint("heat");
    const before = kept.statistics().checkpointMs;
    return {
      keep: async () => void (await kept.checkpoint("heat")),
      close: () => kept.close(),
      ownPercent: () => {
        const { checkpointMs, workMs } = kept.statistics();
        return (100 * (checkpointMs - before)) / workMs;
      },
      timeWork: (work) => kept.timeWork(work),
    };
  },
};

type WriteFileAtomic = (path: string, data: Uint8Array) => Promise<void>;

function writeFileAtomic(): Contender {
  const write = createRequire(import.meta.url)("write-file-atomic") as WriteFileAtomic;
  return {
    name: "write-file-atomic 8",
    async open(folder, state) {
      const keep = (): Promise<void> => write(join(folder, "state"), Buffer.from(bytesOf(state).buffer));
      await keep();
      return { keep, close: async () => undefined };
    },
  };
}

const plain: Contender = {
  name: "writeFile, no sync",
  async open(folder, state) {
    const keep = (): Promise<void> => writeFile(join(folder, "state"), bytesOf(state));
    await keep();
    return { keep, close: async () => undefined };
  },
};

const callsAlone: Contender = {
  name: "the calls alone",
  async open(folder, state) {
    let version = 0;
    const keep = async (): Promise<void> => {
      const path = join(folder, `${++version}`);
      const file = openSync(`${path}.tmp`, "wx");
      writeSync(file, bytesOf(state));
      fsyncSync(file);
      closeSync(file);
      renameSync(`${path}.tmp`, path);
      const parent = openSync(folder, "r");
      fsyncSync(parent);
      closeSync(parent);
    };
    await keep();
    return { keep, close: async () => undefined };
  },
};

/** One step of the heat equation in one dimension, both ends held. */
function heat(state: Float64Array, next: Float64Array): void {
  for (let place = 1; place < state.length - 1; place++)
    next[place] = state[place]! + 0.25 * (state[place - 1]! - 2 * state[place]! + state[place + 1]!);
  state.set(next.subarray(1, -1), 1);
}

function work(state: Float64Array, steps: number): void {
  const next = new Float64Array(state.length);
  for (let step = 0; step < steps; step++) heat(state, next);
}

/** How many steps take a cycle's time: by the fastest of several tries, when the code is warm. */
function calibrated(numbers: number, cycleMs: number): number {
  const state = Float64Array.from({ length: numbers }, (_, place) => Math.sin(place));
  const timeOf = (steps: number): number => {
    const start = systemClock.monotonicMs();
    work(state, steps);
    return systemClock.monotonicMs() - start;
  };
  let steps = 64;
  while (timeOf(steps) < cycleMs / 2) steps *= 2;
  const fastest = Math.min(...Array.from({ length: 7 }, () => timeOf(steps)));
  return Math.max(1, Math.round((steps * cycleMs) / fastest));
}

interface Tally {
  workMs: number;
  keepMs: number[];
}

async function measure(
  numbers: number,
  contenders: readonly Contender[],
): Promise<{ row: string[][]; percent: number }> {
  const [cycles, every] = [Number(flags.cycles), Number(flags.every)];
  const steps = calibrated(numbers, Number(flags["cycle-ms"]));
  const folder = mkdtempSync(join(tmpdir(), "holdfast-bench-checkpoint-"));
  try {
    const runs = [];
    for (const [place, { name, open }] of contenders.entries()) {
      const own = mkdtempSync(join(folder, `${place}-`));
      const state = Float64Array.from({ length: numbers }, (_, at) => Math.sin(at));
      const tally: Tally = { workMs: 0, keepMs: [] };
      runs.push({ name, state, tally, keeper: await open(own, state) });
    }
    for (let block = 0; block < cycles / every; block++)
      for (const run of block % 2 === 0 ? runs : runs.toReversed()) await cycle(run, every, steps);
    const shares = runs.map(({ tally }) => (100 * sum(tally.keepMs)) / tally.workMs);
    const row = runs.map(({ name, tally, keeper }, place) => [
      `${name}, ${numbers} numbers`,
      tally.workMs.toFixed(0),
      (sum(tally.keepMs) / tally.keepMs.length).toFixed(2),
      Math.max(...tally.keepMs).toFixed(2),
      `${shares[place]!.toFixed(3)} %`,
      keeper.ownPercent === undefined ? "" : `${keeper.ownPercent().toFixed(3)} %`,
    ]);
    for (const { keeper } of runs) await keeper.close();
    return { row, percent: shares[0]! };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function cycle(
  { state, tally, keeper }: { readonly state: Float64Array; readonly tally: Tally; readonly keeper: Keeper },
  every: number,
  steps: number,
): Promise<void> {
  for (let count = 0; count < every; count++) {
    const start = systemClock.monotonicMs();
    if (keeper.timeWork === undefined) work(state, steps);
    else keeper.timeWork(() => work(state, steps));
    tally.workMs += systemClock.monotonicMs() - start;
  }
  const start = systemClock.monotonicMs();
  await keeper.keep();
  tally.keepMs.push(systemClock.monotonicMs() - start);
}

function sum(list: readonly number[]): number {
  return list.reduce((all, one) => all + one, 0);
}

function installPeers(): void {
  const folder = join(import.meta.dirname, "..");
  if (existsSync(join(folder, "node_modules/write-file-atomic"))) return;
  say("Installing what Holdfast is compared with (once) ...");
  const { status } = spawnSync("npm", ["ci", "--ignore-scripts", "--prefix", folder], { stdio: "inherit" });
  if (status !== 0) throw new Error(`npm ci in ${folder} failed`);
}

installPeers();
const mount = await new NodeDisk().mountOf(tmpdir());
const where = mount === undefined ? tmpdir() : `${tmpdir()} on ${mount.fileSystem}`;
say(`Node ${process.version}, ${where}; ${flags.cycles} cycles.`);
const rows: string[][] = [];
const floors: string[] = [];
for (const numbers of flags.numbers.split(",").map(Number)) {
  const { row, percent } = await measure(numbers, [holdfast, callsAlone, writeFileAtomic(), plain]);
  rows.push(...row);
  const verdict = (floor: number): string => `${floor} %: ${percent < floor ? "met" : "MISSED"}`;
  const share = `R12: ${numbers} numbers: ${percent.toFixed(3)} % of work`;
  floors.push(`${share}; asked for, ${verdict(limitPercent)}; PRISM's own, ${verdict(floorPercent)}`);
}
const head = ["", "work, ms", "checkpoint, mean ms", "longest ms", "share of work", "by its own account"];
say(table(head, rows).join("\n"));
say(floors.join("\n"));
