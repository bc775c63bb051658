/** Runs one case by one way of execution, and says how it ended. Every case ends in exactly one state. */
import { HoldfastError } from "../../src/base/index.ts";
import { executeGraph } from "../../src/tensor/eager/execute.ts";
import type { ConstantData, Graph } from "../../src/tensor/graph/graph.ts";
import { importOnnx } from "../../src/tensor/onnx/import.ts";
import { channelsLast } from "../../src/tensor/passes/channels-last.ts";
import { compact } from "../../src/tensor/passes/compact.ts";
import { executeFused } from "../support/execute-fused.ts";
import type { Case } from "./case.ts";
import { difference } from "./compare.ts";

export type Ending = "right" | "rejected" | "wrong" | "crashed";

export interface Outcome {
  readonly name: string;
  readonly operators: readonly string[];
  readonly version: number;
  readonly ending: Ending;
  /** For `right`: how it was run. */
  readonly by?: string;
  /** Inputs were fixed at compile time, because shapes depend on their values. */
  readonly bound: boolean;
  /** For `rejected`: the error's code. */
  readonly code?: string;
  readonly detail?: string;
}

/** A way to run a graph: its outputs, in order. Also says what the outcome is to be filed under. */
export type Execution = (
  graph: Graph,
  inputs: ReadonlyMap<string, ConstantData>,
) => Promise<{ readonly by: string; readonly outputs: readonly ConstantData[] }>;

/** Node by node, unfused. */
export const eagerExecution: Execution = async (graph, inputs) => {
  const byId = new Map(graph.inputs.map((id) => [id, inputs.get(graph.values[id]!.name)!]));
  return { by: "eager", outputs: executeGraph(graph, byId) };
};

/** In fused units, as for the code generator, but evaluated by the eager printer. */
export const fusedExecution: Execution = async (imported, inputs) => {
  const graph = compact(channelsLast(imported));
  const byId = new Map(graph.inputs.map((id) => [id, inputs.get(graph.values[id]!.name)!]));
  const outputs = executeFused(graph, byId).map((array, place): ConstantData => {
    const { type, shape } = graph.values[graph.outputs[place]!]!;
    return { type, shape, splat: false, bytes: new Uint8Array(array.buffer, array.byteOffset, array.byteLength) };
  });
  return { by: "fused", outputs };
};

export async function runCase(one: Case, execute: Execution): Promise<Outcome> {
  const { name, operators, version } = one;
  const file = { name, operators, version };
  let bound = false;
  try {
    let graph: Graph;
    let inputs: ReadonlyMap<string, ConstantData>;
    let expected: readonly ConstantData[];
    try {
      graph = importOnnx(one.model);
      inputs = one.inputs();
    } catch (error) {
      if (!(HoldfastError.is(error) && error.code === "TENSOR_DYNAMIC")) throw error;
      bound = true;
      inputs = one.inputs();
      graph = importOnnx(one.model, { bind: Object.fromEntries(inputs) });
    }
    expected = one.outputs();
    const { by, outputs } = await execute(graph, inputs);
    for (const [place, output] of expected.entries()) {
      const found = outputs[place];
      const wrong = found ? difference(found, output) : "is missing";
      if (wrong) return { ...file, ending: "wrong", bound, detail: `output ${place}: ${wrong}` };
    }
    return { ...file, ending: "right", by, bound };
  } catch (error) {
    if (HoldfastError.is(error)) {
      return { ...file, ending: "rejected", bound, code: error.code, detail: error.rawMessage };
    }
    return {
      ...file,
      ending: "crashed",
      bound,
      detail: error instanceof Error ? (error.stack ?? error.message) : String(error),
    };
  }
}
