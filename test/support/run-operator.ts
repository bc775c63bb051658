/** Runs one operator on constants, as a test writes it down: types inferred, executed eagerly, results as numbers. */
import { executeNode } from "../../src/tensor/eager/execute.ts";
import { elementsOf } from "../../src/tensor/graph/constant.ts";
import {
  type AttributeValue,
  absent,
  type ConstantData,
  type GraphNode,
  type GraphValue,
} from "../../src/tensor/graph/graph.ts";
import { inferNode } from "../../src/tensor/passes/infer-and-fold.ts";

export interface RunOptions {
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
  /** Default 18. */
  readonly version?: number;
  /** Number of outputs; default 1. */
  readonly outputs?: number;
  /** Numbers of the inputs whose contents are not known when compiling. */
  readonly runtime?: readonly number[];
}

export interface Result {
  readonly type: string;
  readonly shape: readonly number[];
  readonly elements: readonly (number | bigint)[];
}

/** The outputs of a node; `undefined` inputs are left out. Throws what inference throws. */
export function runOperator(
  operator: string,
  inputs: readonly (ConstantData | undefined)[],
  { attributes = {}, version = 18, outputs = 1, runtime = [] }: RunOptions = {},
): Result[] {
  const known: GraphValue[] = inputs.map((data, id) => {
    const { type, shape } = data ?? { type: "float32" as const, shape: [] };
    return { id, name: `in${id}`, type, shape, ...(data ? { constant: data } : {}) };
  });
  const node: GraphNode = {
    name: "tested",
    domain: "",
    operator,
    version,
    inputs: inputs.map((data, id) => (data ? id : absent)),
    outputs: Array.from({ length: outputs }, (_, place) => inputs.length + place),
    attributes,
  };
  const atCompileTime = known.map((value) => {
    const { constant, ...bare } = value;
    return runtime.includes(value.id) ? bare : value;
  });
  const inferred = inferNode(node, atCompileTime);
  const made = inferred
    .slice(0, outputs)
    .map((one, place): GraphValue => ({ ...one, id: known.length + place, name: `out${place}` }));
  return executeNode(node, [...known, ...made]).map((data) => ({
    type: data.type,
    shape: data.shape,
    elements: [...elementsOf(data)],
  }));
}

export const int = (value: number): AttributeValue => ({ kind: "int", value });
export const ints = (...value: number[]): AttributeValue => ({ kind: "ints", value });
export const string = (value: string): AttributeValue => ({ kind: "string", value });
