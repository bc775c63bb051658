/** The simulation cut into parts, each of which is the same wherever and whenever it runs. */

import { seededRandom } from "../../src/base/index.ts";
import { DamageChecks } from "./damage.ts";
import { Exploration, printedViolation, workloads } from "./explore.ts";
import { FaultRun } from "./fault-rows.ts";
import type { Operation, Script, Settings } from "./workload.ts";
import { allSettings, operations } from "./workload.ts";

export interface Task {
  readonly kind: "crash" | "crash at once" | "fault" | "damage";
  readonly settings: Settings;
  /** Scripts of up to so many operations. */
  readonly operations: number;
  /** Only those that begin with this one; undefined for all. */
  readonly first?: Operation;
  /** Of the disks that one power cut may leave, how many at most. */
  readonly survivors: number;
  /** Of those, of how many the recovery is stopped in turn. */
  readonly nested: number;
  readonly seed: number;
}

export interface TaskReport {
  readonly states: number;
  readonly recoveries: number;
  readonly scripts: number;
  /** As expressions to paste into a test, with what is wrong. */
  readonly violations: readonly string[];
}

export interface SimulationSize {
  readonly operations: number;
  readonly operationsAtOnce: number;
  readonly operationsWithFaults: number;
  readonly survivors: number;
  readonly seed: number;
}

const operationsAtOnce = operations.filter((operation) => operation !== "reopen");

/** The largest parts first. */
export function tasksOf(size: SimulationSize): Task[] {
  const { seed, survivors } = size;
  // What is special where syncs are shared is in the script, not in its recovery.
  const nestedOf = (kind: Task["kind"]): number => (kind === "crash at once" ? 0 : 2);
  const all = (kind: Task["kind"], limit: number, firsts: readonly (Operation | undefined)[]): Task[] =>
    limit < 0
      ? []
      : allSettings.flatMap((settings) =>
          firsts.map((first) => {
            return {
              kind,
              settings,
              operations: limit,
              survivors,
              nested: nestedOf(kind),
              seed,
              ...(first === undefined ? {} : { first }),
            };
          }),
        );
  return [
    ...all("crash", size.operations, size.operations < 3 ? [undefined] : operations),
    ...all("crash at once", size.operationsAtOnce, size.operationsAtOnce < 3 ? [undefined] : operationsAtOnce),
    ...all("fault", size.operationsWithFaults, [undefined]),
    ...all("damage", 0, [undefined]),
  ];
}

/** `onStates` hears from time to time how many states there were since it last heard. */
export async function runTask(task: Task, onStates: (states: number) => void = () => undefined): Promise<TaskReport> {
  if (task.kind === "damage") return await damage(task, onStates);
  const random = seededRandom(task.seed);
  const effort = {
    survivors: task.survivors,
    nested: task.nested,
    nestedOperations: 3,
    nestedSurvivors: 4,
    nestedTwice: 0.05,
    random,
  };
  const run = task.kind === "fault" ? new FaultRun(6, random) : new Exploration(effort);
  let scripts = 0;
  let told = 0;
  for (const script of scriptsOf(task)) {
    await run.script(script);
    scripts++;
    onStates(run.states - told);
    told = run.states;
    if (run.isOver) break;
  }
  const recoveries = run instanceof FaultRun ? run.states : run.recoveries;
  return { states: run.states, recoveries, scripts, violations: run.violations.map(printedViolation) };
}

function* scriptsOf({ kind, settings, operations: limit, first }: Task): Generator<Script> {
  for (const workload of workloads(limit)) {
    // A script without operations is a part of the first share.
    const share = workload.length === 0 ? operations[0] : workload[0];
    if (first !== undefined && share !== first) continue;
    if (kind !== "crash at once") yield { ...settings, workload };
    else if (workload.length > 1 && !workload.includes("reopen")) yield { ...settings, workload, atOnce: true };
  }
}

async function damage({ settings }: Task, onStates: (states: number) => void): Promise<TaskReport> {
  const checks = new DamageChecks();
  await checks.all(settings);
  onStates(checks.states);
  const violations = checks.problem === undefined ? [] : [checks.problem];
  return { states: checks.states, recoveries: checks.states, scripts: 0, violations };
}
