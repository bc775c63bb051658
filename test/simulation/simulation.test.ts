import { afterAll, describe, expect, it } from "vitest";
import { systemClock } from "../../src/base/index.ts";
import { failSync, shortRead } from "../../src/disk/simulated/fault.ts";
import { play, printedHistory } from "./history.ts";
import { runTask, type Task } from "./task.ts";
import { allSettings } from "./workload.ts";

const seed = 1;
let states = 0;
const started = systemClock.monotonicMs();

async function statesOf(task: Omit<Task, "seed">): Promise<number> {
  const report = await runTask({ ...task, seed });
  expect(report.violations.join("\n")).toBe("");
  states += report.states;
  return report.states;
}

describe.each(allSettings)("the log ($format, $durability)", (settings) => {
  it("C1: holds what it acknowledged wherever the power goes in scripts of up to 2 operations", async () => {
    expect(await statesOf({ kind: "crash", settings, operations: 2, survivors: 32, nested: 2 })).toBeGreaterThan(8_000);
  });

  it.runIf(settings.durability === "fdatasync")("C1: holds it, too, where operations share their syncs", async () => {
    expect(await statesOf({ kind: "crash at once", settings, operations: 2, survivors: 8, nested: 0 })).toBeGreaterThan(
      1_000,
    );
  });

  it.runIf(settings.format === "binary" || settings.durability === "fdatasync")(
    "W6: loses nothing acknowledged in silence where the device fails or lies",
    async () => {
      expect(await statesOf({ kind: "fault", settings, operations: 1, survivors: 1, nested: 0 })).toBeGreaterThan(
        1_000,
      );
    },
  );
});

describe("histories", () => {
  it("W6: that once went wrong are right: what is truncated stays so where the newest file's head is not read", async () => {
    const stops = [{ step: Infinity, faults: [shortRead({ occurrence: 1 })] }, { step: Infinity }];
    const script = { workload: ["transaction", "truncate"], format: "json", durability: "dsync" } as const;
    expect(await play({ ...script, stops })).toBeUndefined();
  });

  it("print as an expression that plays them again", () => {
    const history = {
      workload: ["append", "rotate"],
      format: "json",
      durability: "dsync",
      faults: [failSync({ occurrence: 2, lies: true })],
      stops: [{ step: 4 }, { step: Infinity, choices: [0, 2] }],
    } as const;
    expect(printedHistory(history)).toBe(
      'await play({ workload: ["append", "rotate"], format: "json", durability: "dsync", ' +
        "faults: [failSync({ occurrence: 2, lies: true })], stops: [{ step: 4 }, { step: Infinity, choices: [0, 2] }] })",
    );
  });

  it("are the same each time", async () => {
    const task = { kind: "crash", settings: allSettings[0]!, operations: 1, survivors: 8, nested: 1, seed: 7 } as const;
    expect(await runTask(task)).toEqual(await runTask(task));
  });
});

afterAll(() => {
  const seconds = (systemClock.monotonicMs() - started) / 1_000;
  process.stdout.write(`${states} states in ${seconds.toFixed(1)} s\n`);
  expect(states).toBeGreaterThanOrEqual(50_000);
});
