/** The simulation of checkpoints cut into parts, each the same wherever and whenever it runs. */

import { seededRandom } from "../../src/base/index.ts";
import { CheckpointDamage } from "./checkpoint-damage.ts";
import { CheckpointExploration, checkpointFaults, checkpointScripts } from "./checkpoint-explore.ts";
import type { CheckpointOperation } from "./checkpoint-script.ts";

export interface CheckpointReport {
  /** Disks that were left, and whose checkpoints were found to hold what they have to. */
  readonly states: number;
  /** Of those, how many were not the same as one before. */
  readonly different: number;
  readonly scripts: number;
  readonly violations: readonly string[];
}

/** The power goes at every step of every script of up to so many operations. */
export async function checkpointCrashes(size: {
  readonly operations: number;
  readonly survivors: number;
  /** Default 8. */
  readonly nestedEvery?: number;
  readonly seed: number;
  readonly onScript?: (states: number) => void;
}): Promise<CheckpointReport> {
  const random = seededRandom(size.seed);
  const run = new CheckpointExploration({
    survivors: size.survivors,
    nestedEvery: size.nestedEvery ?? 8,
    nestedSurvivors: 4,
    random,
  });
  let scripts = 0;
  for (let length = 1; length <= size.operations; length++) {
    for (const script of checkpointScripts(length)) {
      if (run.isOver) break;
      await run.crashes(script);
      scripts++;
      size.onScript?.(run.states);
    }
  }
  return { states: run.states, different: run.different, scripts, violations: run.violations };
}

/** Every kind of fault at each of its occasions in these scripts, and a crash at each step after it. */
export async function checkpointFaultRows(size: {
  readonly scripts: readonly (readonly CheckpointOperation[])[];
  readonly survivors: number;
  readonly seed: number;
  readonly onScript?: (states: number) => void;
}): Promise<CheckpointReport> {
  const random = seededRandom(size.seed);
  const run = new CheckpointExploration({ survivors: size.survivors, nestedEvery: 0, nestedSurvivors: 0, random });
  let histories = 0;
  for (const script of size.scripts) {
    for (const row of Object.values(checkpointFaults)) {
      for (let occurrence = 1; !run.isOver && (await run.fault(script, row.fault(occurrence), row)); occurrence++)
        histories++;
    }
    for (let occurrence = 1; !run.isOver && (await run.closing(script, occurrence)); occurrence++) histories++;
    size.onScript?.(run.states);
  }
  return { states: run.states, different: run.different, scripts: histories, violations: run.violations };
}

export async function checkpointDamage(stride: number): Promise<CheckpointReport> {
  const damage = new CheckpointDamage();
  await damage.all(stride);
  await damage.writers();
  const violations = damage.problem === undefined ? [] : [damage.problem];
  return { states: damage.states, different: damage.states, scripts: 1, violations };
}
