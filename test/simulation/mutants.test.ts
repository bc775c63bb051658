import { describe, expect, it } from "vitest";
import { listMutants, printedResult, runMutants, withoutMutant } from "./mutants.ts";

describe("mutants of the log", () => {
  it("C1: are all caught, and without one nothing is", async () => {
    const results = [];
    for await (const result of runMutants("log")) results.push(result);
    expect(results.length).toBe(listMutants("log").length + 1);
    const table = results.map(printedResult).join("\n");
    for (const { mutant, found } of results) {
      if (mutant === undefined) expect(found, table).toBeUndefined();
      else expect(found?.by, table).toMatch(/crash|damage|fault/);
    }
  }, 300_000);

  it("are single lines with names of their own, the syncs of the log among them", () => {
    const names = listMutants("log").map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names).toEqual(expect.arrayContaining(["group-sync", "new-file-sync", "new-file-folder-sync", "link"]));
    expect(withoutMutant("a;\n  b; // mutant: one\nc; // mutant: two", "one")).toBe("a;\n\nc; // mutant: two");
  });
});
