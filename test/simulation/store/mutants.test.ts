import { describe, expect, it } from "vitest";
import { listMutants, printedResult, runMutant } from "../mutants.ts";

/** Each is caught within a few scripts; `npm run simulate:store -- --mutants` tries all. */
const quick = ["conflict", "content-sync", "manifest-current", "tombstone", "vectors-hide"];

describe("mutants of the store", () => {
  const mutants = listMutants("store");

  it("have names of their own, and stand on lines of their own", () => {
    const names = mutants.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names).toEqual(expect.arrayContaining([...quick, "segment-sync", "manifest-sync", "flush-before-log"]));
  });

  it.each(quick)(
    "S1: without the line %s the simulation finds a violation",
    async (name) => {
      const mutant = mutants.find((one) => one.name === name);
      const result = await runMutant("store", mutant);
      expect(result.found?.by, printedResult(result)).toMatch(/^(answer|crash|damage)$/);
    },
    120_000,
  );
});
