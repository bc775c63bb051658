/** Real models and what another runtime answers, from a folder beside the project; absent on most machines. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import { TensorProtoSchema } from "../../src/tensor/gen/onnx/onnx_pb.ts";
import { denseConstant, elementsOf } from "../../src/tensor/graph/constant.ts";
import type { ConstantData, Graph, GraphValue } from "../../src/tensor/graph/graph.ts";
import { elementCount } from "../../src/tensor/ir/element-type.ts";
import { constantFromTensor } from "../../src/tensor/onnx/tensor.ts";

const folder = join(import.meta.dirname, "../../../shared/models");

export interface Model {
  readonly name: string;
  readonly bytes: Uint8Array;
  inputsFor(graph: Graph): ReadonlyMap<number, ConstantData>;
  /** What is wrong with the outputs of the graph, in order; undefined where they are right. */
  check(graph: Graph, outputs: readonly ConstantData[]): string | undefined;
}

/** The model of that name, or undefined where the folder does not hold it. */
export function readModel(name: string): Model | undefined {
  const file = join(folder, `${name}.onnx`);
  if (!existsSync(file)) return undefined;
  const bytes = readFileSync(file);
  const answers = join(folder, `${name}.expected.json`);
  return existsSync(answers)
    ? withAnswers(name, bytes, answers)
    : withTensor(name, bytes, join(folder, `${name}_output_0.pb`));
}

interface Answers {
  readonly tolerance: { readonly relative: number; readonly absolute: number };
  readonly outputs: Readonly<Record<string, { readonly dims: readonly number[]; readonly data: readonly number[] }>>;
}

/** Inputs by the rule of the answers' file: sines, token numbers, masks of ones. */
function withAnswers(name: string, bytes: Uint8Array, file: string): Model {
  const answers = JSON.parse(readFileSync(file, "utf8")) as Answers;
  const element = (value: GraphValue, place: number): number | bigint => {
    if (value.type === "float32") return Math.sin(0.37 * place);
    return value.name.includes("mask") ? 1n : BigInt((37 * place) % 1999);
  };
  return {
    name,
    bytes,
    inputsFor: (graph) => filled(graph, element),
    check(graph, outputs) {
      for (const [place, id] of graph.outputs.entries()) {
        const { dims, data } = answers.outputs[graph.values[id]!.name]!;
        const wrong = compare(outputs[place]!, dims, data, answers.tolerance.relative, answers.tolerance.absolute);
        if (wrong) return wrong;
      }
      return undefined;
    },
  };
}

function withTensor(name: string, bytes: Uint8Array, file: string): Model {
  const expected = constantFromTensor(fromBinary(TensorProtoSchema, readFileSync(file)), file);
  return {
    name,
    bytes,
    inputsFor: (graph) => filled(graph, (value, place) => place / elementCount(value.shape)),
    check: (_graph, [output]) => compare(output!, expected.shape, elementsOf(expected) as Float32Array, 1e-3, 1e-7),
  };
}

function filled(
  graph: Graph,
  element: (value: GraphValue, place: number) => number | bigint,
): Map<number, ConstantData> {
  return new Map(
    graph.inputs.map((id) => {
      const value = graph.values[id]!;
      const elements = Array.from({ length: elementCount(value.shape) }, (_, place) => element(value, place));
      return [id, denseConstant(value.type, value.shape, elements)];
    }),
  );
}

function compare(
  found: ConstantData,
  shape: readonly number[],
  expected: ArrayLike<number>,
  relative: number,
  absolute: number,
): string | undefined {
  if (String(found.shape) !== String(shape)) return `shape [${found.shape}], not [${shape}]`;
  const elements = elementsOf(found);
  for (let place = 0; place < expected.length; place++) {
    const [x, y] = [Number(elements[place]), expected[place]!];
    if (!(Math.abs(x - y) <= absolute + relative * Math.abs(y))) return `element ${place} is ${x}, not ${y}`;
  }
  return undefined;
}
