/**
 * `npm run simulate`: the log on every disk that a power cut, a failing device or rot may leave.
 *
 *     npm run simulate                      every script of up to 4 operations
 *     npm run simulate -- --operations 3 --survivors 64 --seed 7 --workers 1
 *     npm run simulate -- --mutants         each marked line of the log taken out: the simulation must notice
 */

import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { systemClock } from "../../src/base/index.ts";
import { reportMutants } from "./mutants.ts";
import { type Task, type TaskReport, tasksOf } from "./task.ts";

const { values } = parseArgs({
  options: {
    mutants: { type: "boolean", default: false },
    operations: { type: "string", default: "4" },
    survivors: { type: "string", default: "512" },
    seed: { type: "string", default: "1" },
    workers: { type: "string", default: String(Math.min(4, availableParallelism())) },
  },
});

/** A whole run that looked at fewer has left something out. */
const floorStates = 1_000_000;
const progressMs = 5_000;

process.exitCode = values.mutants ? await reportMutants("log") : await simulate();

async function simulate(): Promise<number> {
  const operations = Number(values.operations);
  const tasks = tasksOf({
    operations,
    operationsAtOnce: Math.min(3, operations),
    operationsWithFaults: Math.min(2, operations),
    survivors: Number(values.survivors),
    seed: Number(values.seed),
  });
  const total = tasks.length;
  const started = systemClock.monotonicMs();
  const reports: { readonly task: Task; readonly report: TaskReport }[] = [];
  let states = 0;
  let toldMs = started;
  const tell = (): void => {
    const now = systemClock.monotonicMs();
    if (now - toldMs < progressMs) return;
    toldMs = now;
    const seconds = (now - started) / 1_000;
    const rate = Math.round(states / seconds);
    process.stderr.write(`${states} states, ${rate} a second, ${reports.length} of ${total} parts\n`);
  };
  const workers = Array.from({ length: Number(values.workers) }, async () => {
    const worker = new Worker(new URL("./worker.ts", import.meta.url));
    for (let task = tasks.shift(); task !== undefined; task = tasks.shift()) {
      const report = await runOn(worker, task, (more) => {
        states += more;
        tell();
      });
      reports.push({ task, report });
    }
    await worker.terminate();
  });
  await Promise.all(workers);
  return conclude(reports, (systemClock.monotonicMs() - started) / 1_000, operations >= 4);
}

function runOn(worker: Worker, task: Task, onStates: (states: number) => void): Promise<TaskReport> {
  return new Promise((resolve, reject) => {
    const onMessage = (message: { states?: number; report?: TaskReport }): void => {
      if (message.states !== undefined) onStates(message.states);
      if (message.report === undefined) return;
      worker.off("message", onMessage).off("error", reject);
      resolve(message.report);
    };
    worker.on("message", onMessage).on("error", reject);
    worker.postMessage(task);
  });
}

function conclude(
  reports: readonly { readonly task: Task; readonly report: TaskReport }[],
  seconds: number,
  isWhole: boolean,
): number {
  const sum = (kind: Task["kind"] | "all", of: "states" | "recoveries" | "scripts"): number =>
    reports.filter(({ task }) => kind === "all" || task.kind === kind).reduce((all, { report }) => all + report[of], 0);
  for (const kind of ["crash", "crash at once", "fault", "damage"] as const) {
    const [scripts, states, recoveries] = [sum(kind, "scripts"), sum(kind, "states"), sum(kind, "recoveries")];
    process.stdout.write(`${kind.padEnd(14)} ${scripts} scripts, ${states} states, ${recoveries} different\n`);
  }
  const violations = reports.flatMap(({ report }) => report.violations);
  const states = sum("all", "states");
  const rate = Math.round(states / seconds);
  process.stdout.write(
    `${states} states in ${seconds.toFixed(0)} s (${rate} a second, seed ${values.seed}): ${violations.length} violations\n`,
  );
  for (const violation of violations) process.stdout.write(`\n${violation}\n`);
  if (isWhole && states < floorStates) process.stdout.write(`fewer than ${floorStates} states\n`);
  return violations.length > 0 || (isWhole && states < floorStates) ? 1 : 0;
}
