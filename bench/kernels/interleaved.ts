/**
 * Times several runtimes in turns (A B C, then C B A, …) in one process, so that whatever else slows the machine slows
 * all of them alike; only their ratios mean something.
 */
import { systemClock } from "../../src/base/index.ts";
import type { Contender } from "./runtimes.ts";

export interface TimingOptions {
  readonly minRounds: number;
  readonly maxRounds: number;
  /** Each contender runs at least that long in all, within maxRounds. */
  readonly minTotalMs: number;
}

export interface Timing {
  readonly runs: number;
  readonly medianMs: number;
  readonly minMs: number;
}

/** A run shorter than this is repeated within its turn, for the clock is too coarse for it. */
const turnMs = 1;

export async function timeInTurns(contenders: readonly Contender[], options: TimingOptions): Promise<Timing[]> {
  const repeats: number[] = [];
  for (const contender of contenders) repeats.push(await warmUp(contender));
  const times = contenders.map((): number[] => []);
  const totals = contenders.map(() => 0);
  const places = contenders.map((_, place) => place);
  for (let round = 0; round < options.maxRounds; round++) {
    if (round >= options.minRounds && totals.every((total) => total >= options.minTotalMs)) break;
    for (const place of round % 2 === 0 ? places : places.toReversed()) {
      const spentMs = await turn(contenders[place]!, repeats[place]!);
      times[place]!.push(spentMs / repeats[place]!);
      totals[place]! += spentMs;
    }
  }
  return times.map((list, place) => ({
    runs: list.length * repeats[place]!,
    medianMs: median(list),
    minMs: Math.min(...list),
  }));
}

async function turn(contender: Contender, repeats: number): Promise<number> {
  const start = systemClock.monotonicMs();
  for (let repeat = 0; repeat < repeats; repeat++) {
    const outputs = contender.run();
    if (outputs instanceof Promise) await outputs;
  }
  return systemClock.monotonicMs() - start;
}

/** Runs until the engine has optimised what is hot; gives the number of runs that make a turn. */
async function warmUp(contender: Contender): Promise<number> {
  const start = systemClock.monotonicMs();
  let lastMs = 0;
  for (let run = 0; run < 8 || (run < 400 && systemClock.monotonicMs() - start < 300); run++)
    lastMs = await turn(contender, 1);
  return Math.max(1, Math.ceil(turnMs / Math.max(lastMs, 0.001)));
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
