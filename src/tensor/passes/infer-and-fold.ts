/**
 * One walk over the nodes: finds every output's type and shape, and computes what depends on constants alone.
 *
 * Shapes are static, so whatever only decides about shapes is a constant when its reader is reached. A splat stays a
 * splat through elementwise maps (one element is computed) and through moves of elements.
 */
import { assert, HoldfastError } from "../../base/index.ts";
import { executeNode } from "../eager/execute.ts";
import { absent, type ConstantData, type Graph, type GraphNode, type GraphValue } from "../graph/graph.ts";
import { graphLimits } from "../graph/verify.ts";
import { byteSizeOf, elementCount } from "../ir/element-type.ts";
import { nodeLowering } from "../lower/node.ts";
import { OperatorContext } from "../operators/context.ts";
import type { InferredOutput } from "../operators/definition.ts";
import { findOperator } from "../operators/registry.ts";
import { foldingCost } from "./folding-cost.ts";

/** A type the model declares for a value; extents it leaves open are undefined. */
interface Declared {
  readonly type: GraphValue["type"];
  readonly shape: readonly (number | undefined)[] | undefined;
}

/**
 * How far folding goes. Results beyond it are computed when running instead; what is small folds always, as shapes may
 * depend on it.
 */
const foldLimits = {
  /** One node's results. */
  resultBytes: 512 * 2 ** 20,
  /** All results that are held at one time. */
  heldBytes: 1.5 * 2 ** 30,
  /** All nodes together, in turns of innermost loops; a second is about 2^28 of them. */
  turns: 2 ** 32,
  /** Results below this fold whatever has been spent. */
  smallBytes: 4096,
  smallTurns: 2 ** 16,
} as const;

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
  return new Folding(graph, declared).run();
}

class Folding {
  readonly #graph: Graph;
  readonly #declared: ReadonlyMap<number, Declared>;
  readonly #values: GraphValue[];
  readonly #outputs: ReadonlySet<number>;
  readonly #readersLeft: Map<number, number>;
  #heldBytes = 0;
  #turnsLeft: number = foldLimits.turns;

  constructor(graph: Graph, declared: ReadonlyMap<number, Declared>) {
    this.#graph = graph;
    this.#declared = declared;
    this.#values = [...graph.values];
    this.#outputs = new Set(graph.outputs);
    this.#readersLeft = countReaders(graph);
  }

  run(): Graph {
    const nodes = this.#graph.nodes.filter((node) => {
      if (node.operator === "Constant" && node.domain === "") return false;
      return !this.#isFolded(node);
    });
    return { ...this.#graph, values: this.#values, nodes };
  }

  /** Finds the types of a node's outputs, and their contents where these can be known now. */
  #isFolded(node: GraphNode): boolean {
    const inferred = inferNode(node, this.#values);
    for (const [place, id] of node.outputs.entries()) {
      if (id === absent) continue;
      const { type, shape, constant } = inferred[place]!;
      const { name } = this.#values[id]!;
      checkDeclared(name, { type, shape }, this.#declared.get(id));
      this.#values[id] = { id, name, type, shape, ...(constant ? { constant } : {}) };
    }
    const folded = this.#fold(node, inferred);
    if (!folded) return false;
    for (const [place, id] of node.outputs.entries()) {
      if (id === absent) continue;
      const constant = folded[place]!;
      this.#values[id] = { ...this.#values[id]!, constant };
      this.#heldBytes += constant.bytes.length;
    }
    for (const id of new Set(node.inputs)) this.#releaseAfter(id);
    return true;
  }

  #fold(node: GraphNode, inferred: readonly InferredOutput[]): readonly (ConstantData | undefined)[] | undefined {
    const real = node.outputs.filter((id) => id !== absent);
    if (real.length > 0 && node.outputs.every((id, place) => id === absent || inferred[place]!.constant)) {
      return node.outputs.map((_, place) => inferred[place]!.constant);
    }
    if (!node.inputs.every((id) => id === absent || this.#values[id]!.constant)) return undefined;
    const splat = foldSplat(node, this.#values);
    if (splat) return splat;
    return this.#isAffordable(node, real) ? executeNode(node, this.#values) : undefined;
  }

  #isAffordable(node: GraphNode, outputs: readonly number[]): boolean {
    const bytes = outputs.reduce(
      (sum, id) => sum + byteSizeOf(this.#values[id]!.type) * elementCount(this.#values[id]!.shape),
      0,
    );
    if (bytes > foldLimits.resultBytes || this.#heldBytes + bytes > foldLimits.heldBytes) return false;
    const turns = foldingCost(node, this.#values);
    if (bytes <= foldLimits.smallBytes && turns <= foldLimits.smallTurns) return true;
    if (turns > this.#turnsLeft) return false;
    this.#turnsLeft -= turns;
    return true;
  }

  /** Contents that only folded nodes read are let go, so that a chain of large constants is never held whole. */
  #releaseAfter(id: number): void {
    if (id === absent) return;
    const rest = (this.#readersLeft.get(id) ?? 0) - 1;
    this.#readersLeft.set(id, rest);
    const value = this.#values[id]!;
    if (rest > 0 || this.#outputs.has(id) || !value.constant || value.constant.bytes.length < 1024) return;
    const { constant, ...bare } = value;
    this.#heldBytes -= constant.bytes.length;
    this.#values[id] = bare;
  }
}

/** Throws where a node does not make what the graph says: a graph from outside says what it likes. */
export function checkTypes({ nodes, values }: Graph): void {
  for (const node of nodes) {
    const inferred = inferNode(node, values);
    for (const [place, id] of node.outputs.entries()) {
      if (id !== absent) checkDeclared(values[id]!.name, inferred[place]!, values[id]);
    }
  }
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
    const largest = Math.max(elementCount(shape), ...shape);
    if (shape.length > graphLimits.rank || largest > graphLimits.elements) {
      context.reject("TENSOR_TOO_LARGE", `its result of shape [${shape}] is too large`);
    }
    assert(
      shape.every((extent) => Number.isInteger(extent) && extent >= 0),
      `${node.operator} infers shape [${shape}]`,
    );
  }
  return inferred;
}

function checkDeclared(
  name: string,
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
    `value ${JSON.stringify(name)} is declared ${text}, but its node makes ${found.type}[${found.shape}]`,
    {
      hint: "the model contradicts itself, or a --shape does not fit it: check the shapes or export it again",
      details: { value: name },
    },
  );
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
  return foldOneElement(node, values, output);
}

/** Runs an elementwise map of splats on single elements; undefined where the map is not elementwise. */
function foldOneElement(
  node: GraphNode,
  values: readonly GraphValue[],
  output: GraphValue,
): ConstantData[] | undefined {
  const lowering = nodeLowering(node, values);
  if (lowering.form !== "map" || !lowering.elementwise) return undefined;
  const single = node.inputs.map((from, id): GraphValue => {
    if (from === absent) return { ...output, id, shape: [] };
    const { name, type, constant } = values[from]!;
    const bytes = constant!.bytes.slice(0, byteSizeOf(type));
    return { id, name, type, shape: [], constant: { type, shape: [], splat: false, bytes } };
  });
  const inputs = node.inputs.map((from, id) => (from === absent ? absent : id));
  const made: GraphValue = { id: single.length, name: output.name, type: output.type, shape: [] };
  const [one] = executeNode({ ...node, inputs, outputs: [made.id] }, [...single, made]);
  return [{ type: output.type, shape: output.shape, splat: true, bytes: one!.bytes }];
}

function countReaders(graph: Graph): Map<number, number> {
  const left = new Map<number, number>();
  for (const node of graph.nodes) for (const id of new Set(node.inputs)) left.set(id, (left.get(id) ?? 0) + 1);
  return left;
}
