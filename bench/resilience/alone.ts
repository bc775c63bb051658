/**
 * What can only be seen of a contender in a process of its own: memory, timers, listeners, and its speed where the
 * engine has met no other. The process is this program again, with a collector that can be called and so much room for
 * new objects that none is collected while bytes are counted.
 */

import { createHook } from "node:async_hooks";
import { spawn } from "node:child_process";
import { getEventListeners } from "node:events";
import { join } from "node:path";
import { setImmediate as nextTurn, setTimeout as wait } from "node:timers/promises";
import { GCProfiler, getHeapStatistics } from "node:v8";
import { assert } from "../../src/base/index.ts";
import { median } from "../kernels/interleaved.ts";
import { type Turn, turnOf, turnThrough } from "./calls.ts";
import type { AsyncContender, Contender } from "./contender.ts";
import { timeRounds } from "./rounds.ts";

export type Part = "speed" | "bytes" | "keyed" | "signal";

/** By name, as it goes through a pipe as JSON. */
export type Figures = Readonly<Record<string, number>>;

const keys = 10_000;
/** Few enough that what they allocate fits in without a collection, even where it is 40 kB a call. */
const bytesCalls = 2_000;
const idleMs = 2_000;

const nodeFlags: Readonly<Record<Part, readonly string[]>> = {
  speed: [],
  bytes: ["--expose-gc", "--min-semi-space-size=128", "--max-semi-space-size=128"],
  keyed: ["--expose-gc"],
  signal: ["--expose-gc"],
};

/** Runs the part in a fresh process; an error in there is one here. */
export function inFreshProcess(part: Part, { name, row, kind }: Contender, calls: number): Promise<Figures> {
  const arguments_ = ["--part", part, "--contender", name, "--row", row, "--kind", kind, "--calls", String(calls)];
  const main = join(import.meta.dirname, "main.ts");
  const child = spawn(process.execPath, [...nodeFlags[part], main, ...arguments_], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (more: string) => {
    text += more;
  });
  return new Promise((resolve, reject) =>
    child.once("close", (code) => {
      if (code === 0) resolve(JSON.parse(text) as Figures);
      else reject(new Error(`${part} of ${name} ended with ${code}`));
    }),
  );
}

/** In the fresh process. */
export async function measureAlone(part: Part, contender: Contender, bare: Contender, calls: number): Promise<Figures> {
  if (part === "speed") return speed(contender, bare);
  if (part === "bytes") return bytes(contender, bare);
  assert(contender.kind === "async", "keys and signals are measured asynchronously");
  if (part === "keyed") return keyed(contender);
  return signal(contender, calls);
}

async function speed(contender: Contender, bare: Contender): Promise<Figures> {
  const [own, base] = await timeRounds([turnOf(contender), turnOf(bare)], { rounds: 30, turnMs: 5, warmUpMs: 200 });
  return { ns: median(own!), overheadNs: median(own!.map((time, round) => time - base![round]!)) };
}

/** In turns with the bare call, each long since optimised, so that its own objects can be taken off. */
async function bytes(contender: Contender, bare: Contender): Promise<Figures> {
  const turns = [turnOf(contender), turnOf(bare)] as const;
  for (let warm = 0; warm < 100; warm++) for (const turn of turns) await turn(bytesCalls);
  const own: number[] = [];
  const above: number[] = [];
  for (let round = 0; round < 20; round++) {
    const [mine, base] = [await bytesPerCall(turns[0]), await bytesPerCall(turns[1])];
    if (mine === undefined || base === undefined) continue;
    own.push(mine);
    above.push(mine - base);
  }
  assert(own.length > 0, "in every round the collector ran");
  return { bytesPerCall: median(own), aboveBare: median(above) };
}

/** Undefined where something was collected meanwhile. */
async function bytesPerCall(turn: Turn): Promise<number | undefined> {
  collect();
  const profiler = new GCProfiler();
  profiler.start();
  const before = process.memoryUsage().heapUsed;
  await turn(bytesCalls);
  const used = process.memoryUsage().heapUsed - before;
  return profiler.stop().statistics.length === 0 ? used / bytesCalls : undefined;
}

async function keyed(contender: AsyncContender): Promise<Figures> {
  const timers = new Set<number>();
  const hook = createHook({
    init: (id, type) => void (type === "Timeout" && timers.add(id)),
    destroy: (id) => void timers.delete(id),
  });
  await turnOf(contender)(1_000);
  const guardOf = contender.makeKeyed?.() ?? (() => contender.make());
  collect();
  hook.enable();
  const before = getHeapStatistics().used_heap_size;
  const guards: unknown[] = [];
  for (let key = 0; key < keys; key++) {
    const guard = guardOf(`key-${key}`);
    await turnThrough(guard)(1);
    guards.push(guard);
  }
  // Timers that were called off are told to be gone some turns later.
  for (let turn = 0; turn < 10; turn++) await nextTurn();
  collect();
  const bytesPerKey = (getHeapStatistics().used_heap_size - before) / keys;
  hook.disable();
  const keepAlive = process.getActiveResourcesInfo().filter((type) => type === "Timeout").length;
  const cpuBefore = process.cpuUsage();
  await wait(idleMs);
  const { user, system } = process.cpuUsage(cpuBefore);
  const idlePercent = (100 * (user + system)) / (1_000 * idleMs);
  assert(guards.length === keys, "all guards are still held");
  return { bytesPerKey, timers: timers.size, keepAlive, idlePercent };
}

async function signal(contender: AsyncContender, calls: number): Promise<Figures> {
  const { signal: shared } = new AbortController();
  const turn = turnThrough(contender.make(), shared);
  await turn(10_000);
  collect();
  const before = getHeapStatistics().used_heap_size;
  await turn(calls);
  // Whatever a call only forgets a turn later is no leak.
  await wait(10);
  collect();
  const heapGrowthBytes = getHeapStatistics().used_heap_size - before;
  return { calls, listenersLeft: getEventListeners(shared, "abort").length, heapGrowthBytes };
}

function collect(): void {
  assert(globalThis.gc !== undefined, "the process was started with --expose-gc");
  globalThis.gc();
}
