/**
 * `npm run simulate:checkpoints`: checkpoints on every disk that a power cut or a failing device may leave.
 *
 *     npm run simulate:checkpoints                     every script of up to 4 operations; minutes
 *     npm run simulate:checkpoints -- --operations 3 --survivors 64 --seed 7
 *     npm run simulate:checkpoints -- --mutants        each marked line taken out: the simulation must notice
 */

import { parseArgs } from "node:util";
import { systemClock } from "../../src/base/index.ts";
import { checkpointScripts } from "./checkpoint-explore.ts";
import { faultyScript } from "./checkpoint-small.ts";
import { checkpointCrashes, checkpointDamage, checkpointFaultRows } from "./checkpoint-task.ts";
import { reportMutants } from "./mutants.ts";

const { values } = parseArgs({
  options: {
    mutants: { type: "boolean", default: false },
    operations: { type: "string", default: "4" },
    survivors: { type: "string", default: "512" },
    seed: { type: "string", default: "1" },
  },
});
const progressMs = 5_000;

// Stacks are not needed, and take a third of the time where every crash is an exception.
Error.stackTraceLimit = 0;
process.exitCode = values.mutants ? await reportMutants("checkpoints") : await simulate();

async function simulate(): Promise<number> {
  const [operations, survivors, seed] = [values.operations, values.survivors, values.seed].map(Number) as [
    number,
    number,
    number,
  ];
  const started = systemClock.monotonicMs();
  let toldMs = started;
  const onScript = (states: number): void => {
    const now = systemClock.monotonicMs();
    if (now - toldMs < progressMs) return;
    toldMs = now;
    process.stderr.write(`${states} states\n`);
  };
  const faultScripts = [faultyScript, ...checkpointScripts(Math.min(2, operations))];
  const parts = {
    crash: await checkpointCrashes({ operations, survivors, nestedEvery: 2, seed, onScript }),
    fault: await checkpointFaultRows({ scripts: faultScripts, survivors: Math.min(16, survivors), seed, onScript }),
    damage: await checkpointDamage(1),
  };
  let [states, failures] = [0, 0];
  for (const [name, report] of Object.entries(parts)) {
    states += report.states;
    failures += report.violations.length;
    const { scripts, different, violations } = report;
    process.stdout.write(`${name.padEnd(8)} ${scripts} histories, ${report.states} states, ${different} different\n`);
    for (const violation of violations) process.stdout.write(`\n${violation}\n`);
  }
  const seconds = ((systemClock.monotonicMs() - started) / 1_000).toFixed(0);
  process.stdout.write(`${states} states in ${seconds} s (seed ${seed}): ${failures} violations\n`);
  return failures > 0 ? 1 : 0;
}
