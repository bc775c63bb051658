/** A simulation of seconds that has a little of everything: what a mutant has to get past. */

import { seededRandom } from "../../src/base/index.ts";
import { DamageChecks } from "./damage.ts";
import { Exploration, printedViolation, workloads } from "./explore.ts";
import { FaultRun } from "./fault-rows.ts";
import type { Operation, Script, Settings } from "./workload.ts";

const settings: readonly Settings[] = [
  { format: "binary", durability: "fdatasync" },
  { format: "json", durability: "fdatasync" },
  { format: "binary", durability: "dsync" },
];
/** Longer ones that have found something. */
const telling: readonly (readonly Operation[])[] = [
  ["append", "append"],
  ["append", "rotate"],
  ["reopen", "append"],
  ["transaction", "truncate", "append"],
];

export interface SmallReport {
  readonly states: number;
  /** What was found, and by what; undefined where all is well. */
  readonly found: { readonly by: "answer" | "crash" | "damage" | "fault"; readonly problem: string } | undefined;
}

export async function smallSimulation(): Promise<SmallReport> {
  const scripts = (limit: number): Script[] =>
    settings.flatMap((one) => [...workloads(limit), ...telling].map((workload) => ({ ...one, workload })));
  const effort = {
    survivors: 16,
    nested: 1,
    nestedOperations: 3,
    nestedSurvivors: 2,
    nestedTwice: 0.1,
    random: seededRandom(1),
  };
  const exploration = new Exploration(effort, 1);
  for (const script of scripts(1)) if (!exploration.isOver) await exploration.script(script);
  const [violation] = exploration.violations;
  let { states } = exploration;
  if (violation !== undefined) return { states, found: { by: "crash", problem: printedViolation(violation) } };
  const damage = new DamageChecks();
  for (const one of settings) if (damage.problem === undefined) await damage.all(one, 7);
  states += damage.states;
  if (damage.problem !== undefined) return { states, found: { by: "damage", problem: damage.problem } };
  const faulty = new FaultRun(3, seededRandom(2), 1);
  for (const script of scripts(0)) if (!faulty.isOver) await faulty.script(script);
  states += faulty.states;
  const [failure] = faulty.violations;
  return { states, found: failure && { by: "fault", problem: printedViolation(failure) } };
}
