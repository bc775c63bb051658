/** Many scripts, one after the other, until there were so many operations; what they did, and what went wrong. */

import { systemClock } from "../../../src/base/index.ts";
import { runScript } from "./runner.ts";
import { makeScript } from "./script.ts";
import type { OpenStore } from "./session.ts";
import { type Counts, noCounts } from "./world.ts";

export interface SoakOptions {
  readonly operations: number;
  /** Of the first script; the next ones have the next seeds. */
  readonly seed: number;
  readonly scriptOperations?: number;
  /** Operations that scripts do without. */
  readonly without?: readonly string[];
  readonly violationLimit?: number;
  readonly onScript?: (counts: Counts, seconds: number) => void;
}

export interface SoakReport extends Counts {
  readonly scripts: number;
  readonly seconds: number;
  readonly violations: readonly { readonly seed: number; readonly at: number; readonly problem: string }[];
}

const usualOperations = 500;

export async function soak(openStore: OpenStore, options: SoakOptions): Promise<SoakReport> {
  const { operations, seed, scriptOperations = usualOperations, violationLimit = 1, without, onScript } = options;
  const started = systemClock.monotonicMs();
  const total = noCounts();
  const violations: { seed: number; at: number; problem: string }[] = [];
  let scripts = 0;
  const seconds = (): number => (systemClock.monotonicMs() - started) / 1_000;
  while (total.operations < operations && violations.length < violationLimit) {
    const next = seed + scripts++;
    const { violation, ...counts } = await runScript(openStore, makeScript(next, scriptOperations, without));
    for (const name of Object.keys(total) as (keyof Counts)[]) total[name] += counts[name];
    if (violation !== undefined) violations.push({ seed: next, ...violation });
    onScript?.(total, seconds());
  }
  return { ...total, scripts, seconds: seconds(), violations };
}

export function printedCounts(counts: Counts): string {
  const { operations, crashes, survivors, nested, faults, rotten, answers, errors } = counts;
  return (
    `${operations} operations, ${answers} answers compared; ${crashes} crashes, ${nested} more while recovering, ` +
    `${survivors} disks opened; ${faults} openings with a fault, ${errors} typed errors; ${rotten} bits turned`
  );
}
