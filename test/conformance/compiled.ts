/** The way of execution that ships: units compiled and validated, linked, run through the wrapper, in both variants. */

import type { ConstantData, Graph } from "../../src/tensor/index.ts";
import { elementsOf } from "../../src/tensor/index.ts";
import { bytesOfArray, compileGraph } from "../support/artifact.ts";
import type { Execution } from "./run.ts";

export const compiledExecution: Execution = async (graph, inputs) => {
  const compiled = compileGraph(graph);
  const given = Object.fromEntries(
    graph.inputs.map((id) => [graph.values[id]!.name, elementsOf(inputs.get(graph.values[id]!.name)!)]),
  );
  const strict = outputsOf(graph, (await compiled.load({ relaxed: false })).run(given));
  const relaxed = outputsOf(graph, (await compiled.load({ relaxed: true })).run(given));
  if (graph.inputs.length === 0) return { by: "eager", outputs: strict, note: "folded whole when compiling" };
  const [failure] = compiled.failures;
  if (failure) return { by: "eager", outputs: strict, note: `${failure.unit}: ${failure.reason}` };
  return { by: "compiled", outputs: strict, alternative: relaxed };
};

function outputsOf(graph: Graph, outputs: Record<string, ArrayBufferView>): ConstantData[] {
  return graph.outputs.map((id) => {
    const { name, type, shape } = graph.values[id]!;
    return { type, shape, splat: false, bytes: bytesOfArray(outputs[name]!) };
  });
}
