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
) => Promise<{
  readonly by: string;
  readonly outputs: readonly ConstantData[];
  /** Outputs of a second variant, which must be right too. */
  readonly alternative?: readonly ConstantData[];
  /** Why it was not done the way asked for. */
  readonly note?: string;
}>;

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

/**
 * Imports a case's model. Where shapes depend on inputs' values, the fewest inputs that make them known are fixed to
 * the case's values; the others stay inputs.
 */
function importWithFewestBound(one: Case): {
  readonly graph: Graph;
  readonly inputs: ReadonlyMap<string, ConstantData>;
  readonly boundCount: number;
} {
  try {
    return { graph: importOnnx(one.model), inputs: one.inputs(), boundCount: 0 };
  } catch (error) {
    if (!(HoldfastError.is(error) && error.code === "TENSOR_DYNAMIC")) throw error;
  }
  const inputs = one.inputs();
  const names = [...inputs.keys()].slice(0, 8);
  const subsets = Array.from({ length: 2 ** names.length }, (_, bits) =>
    names.filter((_, place) => bits & (1 << place)),
  );
  subsets.sort((a, b) => a.length - b.length);
  let rejection: unknown;
  for (const subset of subsets) {
    try {
      const bind = Object.fromEntries(subset.map((name) => [name, inputs.get(name)!]));
      return { graph: importOnnx(one.model, { bind }), inputs, boundCount: subset.length };
    } catch (error) {
      rejection ??= error;
      if (!(HoldfastError.is(error) && error.code === "TENSOR_DYNAMIC")) throw rejection;
    }
  }
  throw rejection;
}

export async function runCase(one: Case, execute: Execution): Promise<Outcome> {
  const { name, operators, version } = one;
  const file = { name, operators, version };
  let bound = false;
  try {
    const { graph, inputs, boundCount } = importWithFewestBound(one);
    bound = boundCount > 0;
    const expected = one.outputs();
    const { by, outputs, alternative, note } = await execute(graph, inputs);
    for (const [place, output] of expected.entries()) {
      for (const one of alternative ? [outputs, alternative] : [outputs]) {
        const found = one[place];
        const wrong = found ? difference(found, output) : "is missing";
        if (wrong) return { ...file, ending: "wrong", bound, detail: `output ${place}: ${wrong}` };
      }
    }
    return { ...file, ending: "right", by, bound, ...(note === undefined ? {} : { detail: note }) };
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
