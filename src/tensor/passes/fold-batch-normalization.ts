/**
 * A batch normalisation of constant statistics after a convolution or matrix product of constant weights is folded
 * into these and the bias; anywhere else it becomes one multiplication and one addition a channel.
 */
import { assert } from "../../base/index.ts";
import { denseConstant, elementsOf } from "../graph/constant.ts";
import { consumersOf, GraphEditor, producersOf } from "../graph/editor.ts";
import { type Attributes, absent, type ConstantData, type Graph, type GraphNode } from "../graph/graph.ts";
import { elementCount } from "../ir/element-type.ts";

/** What the normalisation does to each channel. */
interface Affine {
  readonly scale: Float64Array;
  readonly shift: Float64Array;
}

/** Weights and bias of what the normalisation reads, and which channel a weight belongs to. */
interface Foldable {
  readonly weights: ConstantData;
  /** By channel. */
  readonly bias: readonly number[];
  readonly channelOf: (place: number) => number;
  readonly attributes: Attributes;
}

export function foldBatchNormalization(graph: Graph): Graph {
  const edit = new GraphEditor(graph);
  const producers = producersOf(graph);
  const consumers = consumersOf(graph);
  const merged = new Map<number, GraphNode>();
  const dropped = new Set<number>();
  for (const [position, node] of graph.nodes.entries()) {
    const source = producers.get(node.inputs[0]!);
    const affine = source === undefined ? undefined : affineOf(graph, node);
    if (source === undefined || !affine) continue;
    const alone = consumers.get(node.inputs[0]!)!.length === 1 && !graph.outputs.includes(node.inputs[0]!);
    const foldable = alone ? foldableOf(graph, graph.nodes[source]!, affine.scale.length) : undefined;
    if (!foldable) continue;
    merged.set(source, foldInto(edit, graph, graph.nodes[source]!, foldable, affine, node.outputs[0]!));
    dropped.add(position);
  }
  for (const [position, node] of graph.nodes.entries()) {
    if (dropped.has(position)) continue;
    const affine = affineOf(graph, node);
    if (affine) addAffine(edit, graph, node, affine);
    else edit.add(merged.get(position) ?? node);
  }
  return edit.finish();
}

/** Scale and shift a channel, of a float32 normalisation whose statistics are known. */
function affineOf(graph: Graph, node: GraphNode): Affine | undefined {
  if (node.operator !== "BatchNormalization" || node.domain !== "") return undefined;
  if (node.outputs.some((id, place) => (place === 0) === (id === absent))) return undefined;
  const inputs = node.inputs.slice(0, 5).map((id) => (id === absent ? undefined : graph.values[id]!));
  if (inputs.length !== 5 || inputs.some((value) => value?.type !== "float32")) return undefined;
  const constants = inputs.slice(1).map((value) => value!.constant);
  if (constants.some((one) => one === undefined)) return undefined;
  const [gamma, beta, mean, variance] = constants.map((one) => elementsOf(one!) as Float32Array);
  const epsilon = node.attributes.epsilon?.kind === "float" ? node.attributes.epsilon.value : 1e-5;
  const scale = new Float64Array(gamma!.length);
  const shift = new Float64Array(gamma!.length);
  for (let c = 0; c < scale.length; c++) {
    scale[c] = gamma![c]! / Math.sqrt(variance![c]! + epsilon);
    shift[c] = beta![c]! - mean![c]! * scale[c]!;
  }
  return { scale, shift };
}

function foldableOf(graph: Graph, node: GraphNode, channels: number): Foldable | undefined {
  if (node.domain !== "") return undefined;
  const weights = graph.values[node.inputs[1] ?? absent]?.constant;
  const biasId = node.inputs[2] ?? absent;
  const given = biasId === absent ? undefined : graph.values[biasId]!.constant;
  if (weights?.type !== "float32" || (biasId !== absent && given?.type !== "float32")) return undefined;
  const number = (name: string, otherwise: number): number => {
    const attribute = node.attributes[name];
    return attribute?.kind === "int" || attribute?.kind === "float" ? attribute.value : otherwise;
  };
  const biasOf = (factor: number): number[] => {
    const elements = given ? (elementsOf(given) as Float32Array) : new Float32Array(1);
    return Array.from({ length: channels }, (_, c) => factor * elements[elements.length === 1 ? 0 : c]!);
  };
  const count = elementCount(weights.shape);
  const { attributes } = node;
  switch (node.operator) {
    case "Conv": {
      const perChannel = count / channels;
      return { weights, attributes, bias: biasOf(1), channelOf: (place) => Math.floor(place / perChannel) };
    }
    case "ConvTranspose": {
      // [inChannels][outChannels / groups][kernel…]: a group's inputs meet that group's outputs.
      const [inChannels, perGroup] = weights.shape as [number, number];
      const [groups, kernel] = [number("group", 1), count / (inChannels * perGroup)];
      const channelOf = (place: number): number => {
        const input = Math.floor(place / (perGroup * kernel));
        return Math.floor(input / (inChannels / groups)) * perGroup + (Math.floor(place / kernel) % perGroup);
      };
      return { weights, attributes, bias: biasOf(1), channelOf };
    }
    case "Gemm": {
      // A bias with rows of its own is not one number a channel.
      const oneRow = !given || elementCount(given.shape) === 1 || (given.shape.at(-2) ?? 1) === 1;
      if (!oneRow || (given && ![1, channels].includes(elementCount(given.shape)))) return undefined;
      const k = count / channels;
      const channelOf = (place: number): number => (number("transB", 0) ? Math.floor(place / k) : place % channels);
      const beta = { kind: "float", value: 1 } as const;
      return { weights, attributes: { ...attributes, beta }, bias: biasOf(number("beta", 1)), channelOf };
    }
    default:
      return undefined;
  }
}

/** The contraction with the normalisation in it, making the normalisation's output. */
function foldInto(
  edit: GraphEditor,
  graph: Graph,
  node: GraphNode,
  foldable: Foldable,
  { scale, shift }: Affine,
  output: number,
): GraphNode {
  const { bias, attributes } = foldable;
  assert(bias.length === scale.length, "there is one bias a channel");
  const name = graph.values[node.inputs[1]!]!.name;
  const weights = edit.addConstant(`${name}/folded`, scaled(foldable, scale));
  const moved = bias.map((value, channel) => value * scale[channel]! + shift[channel]!);
  const shifted = edit.addConstant(`${name}/bias`, denseConstant("float32", [scale.length], moved));
  return { ...node, attributes, inputs: [node.inputs[0]!, weights, shifted], outputs: [output] };
}

function scaled({ weights, channelOf }: Foldable, scale: Float64Array): ConstantData {
  if (weights.splat && scale.every((value) => value === scale[0])) {
    const value = (elementsOf({ ...weights, shape: [1] }) as Float32Array)[0]! * scale[0]!;
    return { ...weights, bytes: new Uint8Array(new Float32Array([value]).buffer) };
  }
  const elements = Float32Array.from(elementsOf(weights) as Float32Array);
  for (let place = 0; place < elements.length; place++) elements[place]! *= scale[channelOf(place)]!;
  return { type: "float32", shape: weights.shape, splat: false, bytes: new Uint8Array(elements.buffer) };
}

function addAffine(edit: GraphEditor, graph: Graph, node: GraphNode, { scale, shift }: Affine): void {
  const output = graph.values[node.outputs[0]!]!;
  const shape = [scale.length, ...output.shape.slice(2).map(() => 1)];
  const constantOf = (values: Float64Array, what: string): number =>
    edit.addConstant(`${output.name}/${what}`, denseConstant("float32", shape, values));
  const product = edit.addOnnx("Mul", 14, [node.inputs[0]!, constantOf(scale, "scale")], output, {}, output.name);
  const inputs = [product, constantOf(shift, "shift")];
  edit.add({ name: node.name, domain: "", operator: "Add", version: 14, inputs, outputs: [output.id], attributes: {} });
}
