/**
 * What a cell costs beside the barest `child_process.fork` with structured-clone messages.
 *
 *   node bench/sandbox/main.ts [rounds]
 *
 * Each round does the same to both, in alternating order, in one process; medians and 95th percentiles are printed. The
 * peer does less: it neither checks what it receives nor bounds what the child may do.
 */

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { systemClock } from "../../src/base/index.ts";
import { type CellPool, createCellPool } from "../../src/sandbox/index.ts";

const extension = import.meta.url.endsWith(".ts") ? ".ts" : ".js";
const handler = new URL(`../../test/sandbox/faulty-handler${extension}`, import.meta.url);
const peerScript = fileURLToPath(new URL(`./forked-echo${extension}`, import.meta.url));
const rounds = Number(process.argv[2] ?? 200);
const bareHandler = new URL(`./echo-handler${extension}`, import.meta.url);

/** Resolves with what there is to clear away, which is not measured but over before the next measurement. */
type Measurement = () => Promise<() => Promise<unknown>>;

const nothingToClear = (): Promise<void> => Promise.resolve();

async function elapsedMs(action: Measurement): Promise<number> {
  const start = systemClock.monotonicMs();
  const clear = await action();
  const durationMs = systemClock.monotonicMs() - start;
  await clear();
  return durationMs;
}

/** Both in every round, each first in every other one. */
async function interleaved(count: number, ours: Measurement, theirs: Measurement): Promise<[number[], number[]]> {
  const times: [number[], number[]] = [[], []];
  for (let round = 0; round < count; round++) {
    const order = round % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const);
    for (const which of order) times[which].push(await elapsedMs(which === 0 ? ours : theirs));
  }
  return times;
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

function report(name: string, [ours, theirs]: readonly [readonly number[], readonly number[]]): void {
  const figure = (values: readonly number[]): string =>
    `${quantile(values, 0.5).toFixed(3).padStart(9)} ${quantile(values, 0.95).toFixed(3).padStart(9)}`;
  const ratio = quantile(ours, 0.5) / quantile(theirs, 0.5);
  process.stdout.write(`${name.padEnd(26)} ${figure(ours)}   ${figure(theirs)}   ${ratio.toFixed(2).padStart(6)}\n`);
}

function poolOf(module: URL): CellPool {
  return createCellPool({ module, cells: 1, memoryLimitBytes: 256 * 2 ** 20, recycleAfter: 1_000_000 });
}

async function forkPeer(): Promise<ChildProcess> {
  const child = fork(peerScript, { serialization: "advanced", env: {} });
  await once(child, "message");
  return child;
}

async function echoThroughCell(pool: CellPool, payload: Uint8Array): Promise<typeof nothingToClear> {
  const outcome = await pool.run({ kind: "echo", payload, timeoutMs: 10_000 });
  if (!outcome.ok || outcome.payload.length !== payload.length) throw new Error("the cell did not echo");
  return nothingToClear;
}

async function echoThroughFork(child: ChildProcess, payload: Uint8Array): Promise<typeof nothingToClear> {
  const [reply] = await new Promise<unknown[]>((resolve, reject) => {
    child.once("message", (...reply) => resolve(reply));
    child.send(payload, (failure) => (failure === null ? undefined : reject(failure)));
  });
  if (!(reply instanceof Uint8Array) || reply.length !== payload.length) throw new Error("the fork did not echo");
  return nothingToClear;
}

async function benchRoundTrips(): Promise<void> {
  await using pool = poolOf(bareHandler);
  const child = await forkPeer();
  for (const [name, bytes] of [
    ["round trip, 16 B", 16],
    ["round trip, 64 KiB", 2 ** 16],
    ["round trip, 4 MiB", 2 ** 22],
  ] as const) {
    const payload = new Uint8Array(bytes).fill(7);
    const [ours, theirs] = [() => echoThroughCell(pool, payload), () => echoThroughFork(child, payload)];
    await interleaved(20, ours, theirs);
    const count = bytes > 2 ** 20 ? Math.ceil(rounds / 4) : rounds * 5;
    report(name, await interleaved(count, ours, theirs));
  }
  await kill(child);
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill("SIGKILL");
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
}

async function benchStart(): Promise<void> {
  const ours: Measurement = async () => {
    const pool = poolOf(bareHandler);
    await echoThroughCell(pool, new Uint8Array(1));
    return () => Promise.resolve(pool[Symbol.asyncDispose]());
  };
  const theirs: Measurement = async () => {
    const child = await forkPeer();
    await echoThroughFork(child, new Uint8Array(1));
    return () => kill(child);
  };
  report("start to first reply", await interleaved(Math.ceil(rounds / 10), ours, theirs));
}

/** From a crash to the reply of the next job, which needs a new process. */
async function benchRecovery(): Promise<void> {
  await using pool = poolOf(handler);
  const payload = new TextEncoder().encode("SIGSEGV");
  const ours: Measurement = async () => {
    const outcome = await pool.run({ kind: "signal", payload, timeoutMs: 10_000 });
    if (outcome.ok || outcome.verdict.signal !== "SIGSEGV") throw new Error("the cell did not crash");
    return echoThroughCell(pool, payload);
  };
  let child = await forkPeer();
  const theirs: Measurement = async () => {
    child.kill("SIGSEGV");
    await once(child, "exit");
    child = await forkPeer();
    return echoThroughFork(child, payload);
  };
  report("crash to next reply", await interleaved(Math.ceil(rounds / 10), ours, theirs));
  await kill(child);
}

process.stdout.write(
  `${"".padEnd(26)} ${"cell p50".padStart(9)} ${"p95".padStart(9)}   ${"fork p50".padStart(9)} ${"p95".padStart(9)}    ratio   (ms)\n`,
);
await benchRoundTrips();
await benchStart();
await benchRecovery();
