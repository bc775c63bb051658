import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { caseNames, readCase } from "./case.ts";
import { type Execution, eagerExecution, fusedExecution, type Outcome, runCase } from "./run.ts";

const folder = "/usr/share/libonnx-testdata/data/node";
const here = existsSync(folder);

async function outcomesBy(execution: Execution): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const name of caseNames(folder)) outcomes.push(await runCase(readCase(folder, name), execution));
  return outcomes;
}

describe("every ONNX node case", () => {
  const executions = { eager: eagerExecution, fused: fusedExecution };
  for (const [way, execution] of Object.entries(executions)) {
    const title = `ends right or refused with a code: ${way}${here ? "" : " (libonnx-testdata is not installed)"}`;
    it.skipIf(!here)(title, { timeout: 60_000 }, async () => {
      const outcomes = await outcomesBy(execution);
      expect(outcomes.filter(({ ending }) => ending === "wrong" || ending === "crashed")).toEqual([]);
      expect(outcomes.filter(({ ending }) => ending === "right").length).toBeGreaterThan(690);
    });
  }
});
