/**
 * Runs the ONNX backend node cases through Holdfast and files how each ended.
 *
 *     node test/conformance/main.ts [--data DIR] [--json FILE] [--filter RE] [--mode compiled|eager|fused] [--verbose]
 *
 * A whole run (no filter) writes docs/onnx-support.md. Exits with 1 where any case was wrong or crashed.
 */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { caseNames, readCase } from "./case.ts";
import { compiledExecution } from "./compiled.ts";
import { summary, supportPage } from "./report.ts";
import { type Execution, eagerExecution, fusedExecution, type Outcome, runCase } from "./run.ts";

const executions: Readonly<Record<string, Execution>> = {
  compiled: compiledExecution,
  eager: eagerExecution,
  fused: fusedExecution,
};

const { values: flags } = parseArgs({
  options: {
    data: { type: "string", default: "/usr/share/libonnx-testdata/data/node" },
    json: { type: "string" },
    filter: { type: "string" },
    mode: { type: "string", default: "compiled" },
    verbose: { type: "boolean", default: false },
  },
});

const say = (text: string): void => void process.stdout.write(`${text}\n`);

async function main(): Promise<number> {
  const execute = executions[flags.mode];
  if (!execute) {
    say(`--mode ${flags.mode} is not one of ${Object.keys(executions).join(", ")}`);
    return 2;
  }
  if (!existsSync(flags.data)) {
    say(`no test data at ${flags.data}: install libonnx-testdata, or give --data DIR`);
    return 2;
  }
  const filter = flags.filter === undefined ? undefined : new RegExp(flags.filter);
  const outcomes: Outcome[] = [];
  for (const name of caseNames(flags.data)) {
    if (filter && !filter.test(name)) continue;
    const outcome = await runCase(readCase(flags.data, name), execute);
    outcomes.push(outcome);
    const bad = outcome.ending === "wrong" || outcome.ending === "crashed";
    if (bad || flags.verbose || filter)
      say(`${outcome.ending} ${name}: ${outcome.code ?? outcome.by ?? ""} ${outcome.detail ?? ""}`);
  }
  say(summary(outcomes));
  if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify(outcomes, null, 1)}\n`);
  if (!filter && flags.mode === "compiled") {
    const docs = join(import.meta.dirname, "../../docs");
    mkdirSync(docs, { recursive: true });
    writeFileSync(join(docs, "onnx-support.md"), supportPage(outcomes));
  }
  return outcomes.some(({ ending }) => ending === "wrong" || ending === "crashed") ? 1 : 0;
}

process.exitCode = await main();
