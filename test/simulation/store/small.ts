/** The simulation of the store in a form that takes seconds: what a mutant has to get past. */

import { openStore } from "../../../src/store/engine/open-store.ts";
import type { SmallReport } from "../small.ts";
import { soak } from "./soak.ts";

/** Scripts of a little of everything, and some in which one thing happens most of the time. */
const runs = [
  { operations: 20_000, seed: 1 },
  { operations: 3_000, seed: 1, mostly: "rot" },
  { operations: 6_000, seed: 1, mostly: "compactContent" },
  { operations: 15_000, seed: 100 },
] as const;

export async function smallStoreSimulation(): Promise<SmallReport> {
  let states = 0;
  for (const run of runs) {
    const { survivors, rotten, violations } = await soak(openStore, { ...run, scriptOperations: 300 });
    states += survivors + rotten;
    const [first] = violations;
    if (first === undefined) continue;
    const { by, problem, seed, at } = first;
    return { states, found: { by, problem: `seed ${seed}, operation ${at}: ${problem.slice(0, 400)}` } };
  }
  return { states, found: undefined };
}
