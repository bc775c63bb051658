/**
 * One walk over the nodes: finds every output's type and shape, and computes what depends on constants alone.
 *
 * Shapes are static, so whatever only decides about shapes is a constant when its reader is reached. A splat stays a
 * splat through elementwise maps (one element is computed) and through moves of elements.
 */
import { HoldfastError } from "../../base/index.ts";
import { executeNode } from "../eager/execute.ts";
import { absent, type ConstantData, type Graph, type GraphNode, type GraphValue } from "../graph/graph.ts";
import { graphLimits } from "../graph/verify.ts";
import { byteSizeOf, elementCount } from "../ir/element-type.ts";
import { loweringOf } from "../lower/unit.ts";
import { OperatorContext } from "../operators/context.ts";
import type { InferredOutput } from "../operators/definition.ts";
import { findOperator } from "../operators/registry.ts";

/** A type the model declares for a value; extents it leaves open are undefined. */
interface Declared {
  readonly type: GraphValue["type"];
  readonly shape: readonly (number | undefined)[] | undefined;
}

/** Results larger than this are computed when running instead. */
const foldLimitBytes = 512 * 2 ** 20;

/** Operators that only move or repeat elements: a splat goes in, a splat comes out. */
const moves = new Set([
  "Reshape",
  "Flatten",
  "Squeeze",
  "Unsqueeze",
  "Transpose",
  "Expand",
  "Tile",
  "Identity",
  "Slice",
  "Split",
  "Gather",
]);

export function inferAndFold(graph: Graph, declared: ReadonlyMap<number, Declared> = new Map()): Graph {
  const values = [...graph.values];
  const nodes: GraphNode[] = [];
  const readersLeft = countReaders(graph);
  for (const node of graph.nodes) {
    if (node.operator === "Constant" && node.domain === "") continue;
    const inferred = inferNode(node, values);
    for (const [place, id] of node.outputs.entries()) {
      if (id === absent) continue;
      const { type, shape, constant } = inferred[place]!;
      checkDeclared(values[id]!, { type, shape }, declared.get(id));
      values[id] = { id, name: values[id]!.name, type, shape, ...(constant ? { constant } : {}) };
    }
    const folded = foldNode(node, values, inferred);
    if (folded) {
      for (const [place, id] of node.outputs.entries()) {
        if (id !== absent) values[id] = { ...values[id]!, constant: folded[place]! };
      }
      for (const id of new Set(node.inputs)) releaseAfter(id, readersLeft, values, graph);
    } else nodes.push(node);
  }
  return { ...graph, values, nodes };
}

/** The types of a node's outputs, each within limits. */
export function inferNode(node: GraphNode, values: readonly GraphValue[]): readonly InferredOutput[] {
  const definition = findOperator(node.domain, node.operator, node.version);
  const context = new OperatorContext(node, values, false);
  if (!definition) return context.reject("TENSOR_UNSUPPORTED_OPERATOR", `version ${node.version} is not known`);
  const inferred = definition.infer(context);
  if (node.outputs.length > inferred.length) {
    context.reject("TENSOR_BAD_INPUT", `${node.outputs.length} outputs are named, but it has ${inferred.length}`);
  }
  for (const { shape } of inferred) {
    if (elementCount(shape) > graphLimits.elements)
      context.reject("TENSOR_TOO_LARGE", `its result of shape [${shape}] is too large`);
  }
  return inferred;
}

function checkDeclared(
  value: GraphValue,
  found: { readonly type: string; readonly shape: readonly number[] },
  declared: Declared | undefined,
): void {
  if (!declared) return;
  const { shape } = declared;
  const fits =
    !shape ||
    (shape.length === found.shape.length &&
      shape.every((extent, axis) => extent === undefined || extent === found.shape[axis]));
  if (fits && declared.type === found.type) return;
  const text = `${declared.type}[${shape?.map((extent) => extent ?? "?").join(",") ?? "?"}]`;
  throw new HoldfastError(
    "ONNX_SHAPE_DISAGREES",
    `value ${JSON.stringify(value.name)} is declared ${text}, but its node makes ${found.type}[${found.shape}]`,
    {
      hint: "the model contradicts itself, or a --shape does not fit it: check the shapes or export it again",
      details: { value: value.name },
    },
  );
}

function foldNode(
  node: GraphNode,
  values: readonly GraphValue[],
  inferred: readonly InferredOutput[],
): (ConstantData | undefined)[] | undefined {
  const real = node.outputs.filter((id) => id !== absent);
  if (real.length > 0 && node.outputs.every((id, place) => id === absent || inferred[place]!.constant)) {
    return node.outputs.map((_, place) => inferred[place]!.constant);
  }
  if (!node.inputs.every((id) => id === absent || values[id]!.constant)) return undefined;
  const splat = foldSplat(node, values);
  if (splat) return splat;
  const bytes = real.reduce((sum, id) => sum + byteSizeOf(values[id]!.type) * elementCount(values[id]!.shape), 0);
  return bytes <= foldLimitBytes ? executeNode(node, values) : undefined;
}

/** Where every input that is data is a splat or a single element, one element says it all. */
function foldSplat(node: GraphNode, values: readonly GraphValue[]): ConstantData[] | undefined {
  const output = values[node.outputs[0]!];
  if (!output || node.domain !== "" || elementCount(output.shape) <= 1) return undefined;
  const uniform = (id: number): boolean =>
    id === absent || values[id]!.constant!.splat || elementCount(values[id]!.shape) === 1;
  if (moves.has(node.operator)) {
    const source = values[node.inputs[0]!]!.constant!;
    if (!uniform(node.inputs[0]!)) return undefined;
    return node.outputs.map((id) => {
      const { type, shape } = id === absent ? output : values[id]!;
      return { type, shape, splat: true, bytes: source.bytes.slice(0, byteSizeOf(type)) };
    });
  }
  if (node.outputs.length !== 1 || !node.inputs.every(uniform)) return undefined;
  const lowering = loweringOf({ name: "", values, nodes: [node], inputs: [], outputs: [] }, node);
  if (lowering.form !== "map" || !lowering.elementwise) return undefined;
  const single = values.slice();
  for (const id of node.inputs) {
    if (id === absent) continue;
    const { constant, ...value } = values[id]!;
    const bytes = constant!.bytes.slice(0, byteSizeOf(value.type));
    single[id] = { ...value, shape: [], constant: { type: value.type, shape: [], splat: false, bytes } };
  }
  single[output.id] = { ...output, shape: [] };
  const [one] = executeNode(node, single);
  return [{ type: output.type, shape: output.shape, splat: true, bytes: one!.bytes }];
}

function countReaders(graph: Graph): Map<number, number> {
  const left = new Map<number, number>();
  for (const node of graph.nodes) for (const id of new Set(node.inputs)) left.set(id, (left.get(id) ?? 0) + 1);
  return left;
}

/** Contents that only folded nodes read are let go, so that a chain of large constants is never held whole. */
function releaseAfter(id: number, left: Map<number, number>, values: GraphValue[], graph: Graph): void {
  if (id === absent) return;
  const rest = (left.get(id) ?? 0) - 1;
  left.set(id, rest);
  const value = values[id]!;
  if (rest > 0 || graph.outputs.includes(id) || !value.constant || value.constant.bytes.length < 1024) return;
  const { constant: _, ...bare } = value;
  values[id] = bare;
}
