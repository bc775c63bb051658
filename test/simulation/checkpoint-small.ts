/** The simulation of checkpoints in a form that takes seconds: what a mutant has to get past. */

import { seededRandom } from "../../src/base/index.ts";
import { CheckpointDamage } from "./checkpoint-damage.ts";
import { CheckpointExploration, checkpointFaults, checkpointScripts } from "./checkpoint-explore.ts";
import type { CheckpointOperation } from "./checkpoint-script.ts";
import type { SmallReport } from "./small.ts";

/** One in which everything happens that a fault can strike. */
export const faultyScript: readonly CheckpointOperation[] = ["save", "large", "restore", "reopen", "save"];

export async function smallCheckpointSimulation(): Promise<SmallReport> {
  const damage = new CheckpointDamage();
  await damage.all(13);
  await damage.writers();
  let { states } = damage;
  if (damage.problem !== undefined) return { states, found: { by: "damage", problem: damage.problem } };
  const effort = { survivors: 16, nestedEvery: 8, nestedSurvivors: 3, random: seededRandom(1) };
  const crashes = new CheckpointExploration(effort);
  for (const script of checkpointScripts(1)) if (!crashes.isOver) await crashes.crashes(script);
  if (!crashes.isOver) await crashes.crashes(["save", "save", "save"]);
  states += crashes.states;
  if (crashes.isOver) return { states, found: { by: "crash", problem: crashes.violations.join("; ") } };
  const faulty = new CheckpointExploration({ ...effort, survivors: 2, nestedEvery: 0 });
  for (let occurrence = 1; !faulty.isOver; occurrence++) if (!(await faulty.closing(faultyScript, occurrence))) break;
  for (const row of Object.values(checkpointFaults)) {
    let occurrence = 1;
    while (!faulty.isOver && (await faulty.fault(faultyScript, row.fault(occurrence), row))) occurrence++;
  }
  states += faulty.states;
  return { states, found: faulty.isOver ? { by: "fault", problem: faulty.violations.join("; ") } : undefined };
}
