/**
 * Times contenders in turns in one process. Each round begins with another of them, and every second goes round the
 * other way, so that none always follows the same neighbour; what slows the machine for a while slows a whole round,
 * and figures are compared within rounds.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { systemClock } from "../../src/base/index.ts";
import type { Turn } from "./calls.ts";

export interface RoundOptions {
  readonly rounds: number;
  /** A turn makes as many calls as take about that long. */
  readonly turnMs: number;
  readonly warmUpMs: number;
}

/** Nanoseconds per call: one list a contender, one number a round. */
export async function timeRounds(turns: readonly Turn[], options: RoundOptions): Promise<number[][]> {
  for (const turn of turns) await warmUp(turn, options.warmUpMs);
  const counts: number[] = [];
  // Only after all are warm: by then the shared loop has met every guard.
  for (const turn of turns) counts.push(await callsIn(turn, options.turnMs));
  const times = turns.map((): number[] => []);
  const places = [...turns.keys()];
  for (let round = 0; round < options.rounds; round++) {
    const first = round % turns.length;
    const rotated = [...places.slice(first), ...places.slice(0, first)];
    for (const place of round % 2 === 0 ? rotated : rotated.toReversed()) {
      const count = counts[place]!;
      times[place]!.push((1e6 * (await timed(turns[place]!, count))) / count);
    }
  }
  return times;
}

async function warmUp(turn: Turn, durationMs: number): Promise<void> {
  const end = systemClock.monotonicMs() + durationMs;
  do await timed(turn, 1_000);
  while (systemClock.monotonicMs() < end);
}

async function callsIn(turn: Turn, durationMs: number): Promise<number> {
  const sampled = 2_000;
  const spentMs = Math.max(await timed(turn, sampled), 0.001);
  return Math.min(2_000_000, Math.max(100, Math.round((sampled * durationMs) / spentMs)));
}

/** Timers of the contenders, such as those that move windows on, run before it and not within. */
async function timed(turn: Turn, count: number): Promise<number> {
  await nextTurn();
  const start = systemClock.monotonicMs();
  await turn(count);
  return systemClock.monotonicMs() - start;
}
