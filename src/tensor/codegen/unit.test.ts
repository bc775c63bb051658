/**
 * Generated code against the eager reference: random graphs are compiled unit by unit (each validated alone, guards
 * around its buffers), linked, and run through the wrapper; and every operator's odd forms run in both ways.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compileGraph } from "../../../test/support/artifact.ts";
import { laneShapes, randomGraph } from "../../../test/support/random-graph.ts";
import { executeGraph } from "../eager/execute.ts";
import { elementsOf } from "../graph/constant.ts";
import type { ElementArray } from "../ir/element-type.ts";
import { compareOutputs } from "../validate/compare.ts";

describe("compiled graphs", () => {
  it("F1: random graphs give what eager execution gives, in both variants, every unit compiled", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 2 ** 31 - 1 }),
        fc.integer({ min: 1, max: 14 }),
        async (seed, steps) => {
          const { graph, inputs } = randomGraph(seed, steps, laneShapes);
          const expected = executeGraph(graph, inputs).map(elementsOf);
          const compiled = compileGraph(graph);
          expect(compiled.failures).toEqual([]);
          const given = Object.fromEntries([...inputs].map(([id, data]) => [graph.values[id]!.name, elementsOf(data)]));
          for (const relaxed of [false, true]) {
            const outputs = (await compiled.load({ relaxed })).run(given);
            compareOutputs(
              expected,
              graph.outputs.map((id) => outputs[graph.values[id]!.name] as unknown as ElementArray),
            );
          }
        },
      ),
      { numRuns: 120 },
    );
  }, 120_000);
});
