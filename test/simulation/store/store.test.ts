import { expect, it } from "vitest";
import { printedCounts, soakInThreads } from "./soak.ts";

it("S1: 50,000 random operations, crashes and faults leave what the model has", async () => {
  const report = await soakInThreads(2, { operations: 50_000, seed: 1 });
  process.stdout.write(`${printedCounts(report)}; ${report.seconds.toFixed(1)} s\n`);
  expect(report.violations).toEqual([]);
  expect(report.operations).toBeGreaterThanOrEqual(50_000);
  // It is no use that nothing went wrong where nothing was tried.
  expect(report.crashes).toBeGreaterThan(500);
  expect(report.survivors).toBeGreaterThan(1_000);
  expect(report.nested).toBeGreaterThan(100);
  expect(report.faults).toBeGreaterThan(50);
}, 300_000);
