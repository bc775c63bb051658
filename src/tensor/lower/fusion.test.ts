/**
 * Fusion changes no result: random graphs are cut into units, every unit is lowered fused, printed by the eager printer
 * and run; the outputs equal those of the graph run node by node. Contractions sum in the same order in both, so
 * equality is exact but for sums that fusion may reorder.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { executeFused } from "../../../test/support/execute-fused.ts";
import { randomGraph, smallShapes } from "../../../test/support/random-graph.ts";
import { executeGraph } from "../eager/execute.ts";
import { viewOf } from "../ir/element-type.ts";

describe("fused units", () => {
  it("give what the nodes give one by one", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 31 - 1 }), fc.integer({ min: 1, max: 16 }), (seed, steps) => {
        const { graph, inputs } = randomGraph(seed, steps, smallShapes);
        const expected = executeGraph(graph, inputs);
        const found = executeFused(graph, inputs);
        for (const [place, one] of expected.entries()) {
          expect([...found[place]!]).toEqual([...viewOf(one.type, one.bytes)]);
        }
      }),
      { numRuns: 200 },
    );
  });
});
