/** The real models, compiled and run through the wrapper an artifact ships, against what another runtime answers. */
import { describe, expect, it } from "vitest";
import { type ConstantData, denseConstant, type ElementArray, elementsOf, planModel } from "../../src/tensor/index.ts";
import { readModel } from "../models/model.ts";
import { type Arrays, compilePlan } from "../support/artifact.ts";

const names = [
  "mlp-tabular",
  "encoder-tiny",
  "mobilenetv2",
  "light_squeezenet",
  "light_shufflenet",
  "light_resnet50",
] as const;

describe("real models, compiled", () => {
  for (const name of names) {
    const model = readModel(name);
    it.skipIf(!model)(
      `every unit of ${name} is compiled, and both variants answer as another runtime does${model ? "" : " (no model folder here)"}`,
      async () => {
        const compiled = compilePlan(planModel(model!.bytes, { name }));
        expect(compiled.plan.specs.length).toBeGreaterThan(0);
        expect(compiled.failures).toEqual([]);
        const { graph } = compiled.plan.partition;
        const inputs: Arrays = Object.fromEntries(
          [...model!.inputsFor(graph)].map(([id, input]) => [graph.values[id]!.name, elementsOf(input)]),
        );
        for (const relaxed of [false, true]) {
          const loaded = await compiled.load({ relaxed });
          const answers = loaded.run(inputs);
          const outputs = graph.outputs.map((id): ConstantData => {
            const { name: output, type, shape } = graph.values[id]!;
            return denseConstant(type, shape, answers[output] as ElementArray);
          });
          expect(model!.check(graph, outputs), `relaxed: ${relaxed}`).toBeUndefined();
        }
      },
    );
  }
});
