import { afterAll, describe, expect, it } from "vitest";
import { systemClock } from "../../src/base/index.ts";
import { faultyScript } from "./checkpoint-small.ts";
import { type CheckpointReport, checkpointCrashes, checkpointDamage, checkpointFaultRows } from "./checkpoint-task.ts";
import { listMutants, printedResult, runMutants } from "./mutants.ts";

let states = 0;
const started = systemClock.monotonicMs();

function statesOf(report: CheckpointReport): number {
  expect(report.violations.join("\n")).toBe("");
  states += report.states;
  return report.states;
}

describe("checkpoints on every disk that may be left", () => {
  it("R10: are the last acknowledged or a newer whole one, wherever the power goes", async () => {
    expect(statesOf(await checkpointCrashes({ operations: 2, survivors: 32, seed: 1 }))).toBeGreaterThan(2_500);
  });

  it("R10: are so where a call to the system fails, at each of its occasions", async () => {
    const scripts = [faultyScript];
    expect(statesOf(await checkpointFaultRows({ scripts, survivors: 4, seed: 1 }))).toBeGreaterThan(3_500);
  });

  it("R10: give way to an older one and say so where they are damaged, and let one writer win", async () => {
    expect(statesOf(await checkpointDamage(3))).toBeGreaterThan(500);
  });

  it("are the same each time", async () => {
    const size = { operations: 1, survivors: 16, seed: 7 };
    expect(await checkpointCrashes(size)).toEqual(await checkpointCrashes(size));
  });
});

describe("mutants of checkpoints", () => {
  it("R10: are all caught, and without one nothing is", async () => {
    const results = [];
    for await (const result of runMutants("checkpoints")) results.push(result);
    expect(results.length).toBe(listMutants("checkpoints").length + 1);
    const table = results.map(printedResult).join("\n");
    for (const { mutant, found } of results) {
      if (mutant === undefined) expect(found, table).toBeUndefined();
      else expect(found?.by, table).toMatch(/crash|damage|fault/);
    }
  }, 300_000);

  it("are every sync and every check on the way to a file and back", () => {
    const names = listMutants("checkpoints").map(({ name }) => name.replace("checkpoint-", ""));
    expect(new Set(names).size).toBe(names.length);
    expect(names).toEqual(
      expect.arrayContaining(["file-sync", "folder-sync", "open-sync", "size", "close", "payload"]),
    );
  });
});

afterAll(() => {
  const seconds = (systemClock.monotonicMs() - started) / 1_000;
  process.stdout.write(`${states} states of checkpoints in ${seconds.toFixed(1)} s\n`);
});
