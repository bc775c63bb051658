/**
 * `npm run simulate:store`: the store against a model, with crashes and faults, for as many operations as one likes.
 *
 *     npm run simulate:store                                          1,000,000 operations
 *     npm run simulate:store -- --operations 50000 --seed 7
 *     npm run simulate:store -- --seed 7 --script 500 --shrink        one script, cut as short as it still fails
 *     npm run simulate:store -- --replay failed.json                  a script that was printed
 *     npm run simulate:store -- --mutants                             each marked line taken out: it must notice
 */

import { readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { systemClock } from "../../../src/base/index.ts";
import { openStore } from "../../../src/store/engine/open-store.ts";
import { reportMutants } from "../mutants.ts";
import type { Script } from "./operations.ts";
import { runScript } from "./runner.ts";
import { makeScript, type ScriptOptions } from "./script.ts";
import { printedScript, shrink } from "./shrink.ts";
import { printedCounts, soakInThreads } from "./soak.ts";

const { values } = parseArgs({
  options: {
    operations: { type: "string", default: "1000000" },
    seed: { type: "string", default: "1" },
    script: { type: "string", default: "500" },
    threads: { type: "string", default: String(Math.min(4, availableParallelism())) },
    violations: { type: "string", default: "1" },
    shrink: { type: "boolean", default: false },
    tries: { type: "string", default: "600" },
    mutants: { type: "boolean", default: false },
    replay: { type: "string" },
    out: { type: "string" },
    without: { type: "string", default: "" },
    mostly: { type: "string" },
  },
});
const scripts: ScriptOptions = {
  without: values.without.split(","),
  ...(values.mostly === undefined ? {} : { mostly: values.mostly as ScriptOptions["mostly"] & string }),
};
const progressMs = 5_000;
const write = (text: string): void => void process.stdout.write(`${text}\n`);

process.exitCode = values.mutants
  ? await reportMutants("store")
  : values.replay !== undefined
    ? await replay(values.replay)
    : await simulate();

async function simulate(): Promise<number> {
  let toldMs = systemClock.monotonicMs();
  const report = await soakInThreads(Number(values.threads), {
    operations: Number(values.operations),
    seed: Number(values.seed),
    scriptOperations: Number(values.script),
    ...scripts,
    violationLimit: Number(values.violations),
    onScript: (counts, seconds) => {
      if (systemClock.monotonicMs() - toldMs < progressMs) return;
      toldMs = systemClock.monotonicMs();
      process.stderr.write(`${printedCounts(counts)}; ${seconds.toFixed(0)} s\n`);
    },
  });
  write(`${report.scripts} scripts from seed ${values.seed} on: ${printedCounts(report)}`);
  write(`${report.seconds.toFixed(1)} s: ${report.violations.length} violations`);
  for (const { seed, at, problem } of report.violations) {
    write(`\nseed ${seed} (--script ${values.script}), operation ${at}: ${problem}`);
    if (values.shrink) await shorten(makeScript(seed, Number(values.script), scripts), problem);
  }
  return report.violations.length === 0 ? 0 : 1;
}

async function replay(path: string): Promise<number> {
  const script = JSON.parse(readFileSync(path, "utf8")) as Script;
  const { violation, ...counts } = await runScript(openStore, script);
  write(printedCounts(counts));
  write(violation === undefined ? "no violation" : `operation ${violation.at}: ${violation.problem}`);
  if (violation !== undefined && values.shrink) await shorten(script, violation.problem);
  return violation === undefined ? 0 : 1;
}

async function shorten(script: Script, problem: string): Promise<void> {
  const shorter = await shrink(openStore, script, problem, Number(values.tries));
  write(`\n${shorter.script.operations.length} operations are enough (${shorter.tries} tries): ${shorter.problem}\n`);
  const printed = printedScript(shorter.script);
  if (values.out === undefined) write(printed);
  else writeFileSync(values.out, printed);
}
