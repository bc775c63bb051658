/**
 * Runs cases one after the other until the time is over, and says so before each: whoever listens sees one that hangs.
 *
 *     node test/wal/fuzz-worker.ts FIRST_CASE SECONDS
 *
 *     case 17        about to run
 *     fault {…}      the case, what was done to the log, and what went wrong
 *     end {…}        how many cases, how often each class of result, and the most memory
 */
import { writeSync } from "node:fs";
import { systemClock } from "../../src/base/index.ts";
import { makeCorpus, runCase } from "./fuzz-case.ts";

export interface FuzzFault {
  readonly seed: number;
  readonly done: readonly string[];
  readonly faults: readonly string[];
}

export interface FuzzEnd {
  readonly cases: number;
  readonly classes: Readonly<Record<string, number>>;
  readonly peakMegabytes: number;
  readonly slowestMs: number;
}

const first = Number(process.argv[2]);
const end = systemClock.monotonicMs() + 1_000 * Number(process.argv[3]);
const say = (line: string): void => void writeSync(1, `${line}\n`);

const corpus = await makeCorpus();
const classes: Record<string, number> = {};
let [seed, slowestMs] = [first, 0];
do {
  say(`case ${seed}`);
  const start = systemClock.monotonicMs();
  const result = await runCase(corpus, seed);
  slowestMs = Math.max(slowestMs, systemClock.monotonicMs() - start);
  for (const name of result.classes) classes[name] = (classes[name] ?? 0) + 1;
  if (result.faults.length > 0) say(`fault ${JSON.stringify({ seed, done: result.done, faults: result.faults })}`);
  seed++;
} while (systemClock.monotonicMs() < end);
const peakMegabytes = Math.round(process.resourceUsage().maxRSS / 1_024);
say(`end ${JSON.stringify({ cases: seed - first, classes, peakMegabytes, slowestMs: Math.round(slowestMs) })}`);
