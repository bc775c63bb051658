/**
 * A batch normalisation of constant statistics after a convolution is folded into its weights and bias; anywhere else
 * it becomes one multiplication and one addition a channel.
 */
import { assert } from "../../base/index.ts";
import { denseConstant, elementsOf } from "../graph/constant.ts";
import { consumersOf, GraphEditor, producersOf } from "../graph/editor.ts";
import { absent, type ConstantData, type Graph, type GraphNode } from "../graph/graph.ts";
import { elementCount } from "../ir/element-type.ts";

interface Affine {
  readonly scale: Float64Array;
  readonly shift: Float64Array;
}

export function foldBatchNormalization(graph: Graph): Graph {
  const edit = new GraphEditor(graph);
  const producers = producersOf(graph);
  const consumers = consumersOf(graph);
  const replaced = new Map<number, GraphNode>();
  const dropped = new Set<number>();
  for (const [position, node] of graph.nodes.entries()) {
    const affine = affineOf(graph, node);
    if (!affine) continue;
    const source = producers.get(node.inputs[0]!);
    const conv = source === undefined ? undefined : graph.nodes[source]!;
    const alone = (consumers.get(node.inputs[0]!)?.length ?? 0) === 1 && !graph.outputs.includes(node.inputs[0]!);
    if (conv?.operator === "Conv" && conv.domain === "" && alone && weightsOf(graph, conv)) {
      replaced.set(source!, foldInto(edit, graph, conv, affine, node.outputs[0]!));
      dropped.add(position);
    } else replaced.set(position, node);
  }
  for (const [position, node] of graph.nodes.entries()) {
    if (dropped.has(position)) continue;
    const affine = replaced.get(position) === node ? affineOf(graph, node) : undefined;
    if (affine) addAffine(edit, graph, node, affine);
    else edit.add(replaced.get(position) ?? node);
  }
  return edit.finish();
}

/** Scale and shift a channel, of a float32 normalisation whose statistics are known. */
function affineOf(graph: Graph, node: GraphNode): Affine | undefined {
  if (node.operator !== "BatchNormalization" || node.domain !== "" || graph.values[node.inputs[0]!]!.type !== "float32")
    return undefined;
  const constants = node.inputs.slice(1, 5).map((id) => (id === absent ? undefined : graph.values[id]!.constant));
  if (constants.length !== 4 || constants.some((one) => one === undefined)) return undefined;
  const [gamma, beta, mean, variance] = constants.map((one) => elementsOf(one!) as Float32Array);
  const epsilon = node.attributes.epsilon?.kind === "float" ? node.attributes.epsilon.value : 1e-5;
  const channels = gamma!.length;
  const scale = new Float64Array(channels);
  const shift = new Float64Array(channels);
  for (let c = 0; c < channels; c++) {
    scale[c] = gamma![c]! / Math.sqrt(variance![c]! + epsilon);
    shift[c] = beta![c]! - mean![c]! * scale[c]!;
  }
  return { scale, shift };
}

function weightsOf(graph: Graph, conv: GraphNode): ConstantData | undefined {
  const weights = graph.values[conv.inputs[1]!]!;
  const bias = conv.inputs[2] === undefined || conv.inputs[2] === absent ? undefined : graph.values[conv.inputs[2]]!;
  if (weights.type !== "float32" || (bias && !bias.constant)) return undefined;
  return weights.constant;
}

/** The convolution with the normalisation in it, making the normalisation's output. */
function foldInto(
  edit: GraphEditor,
  graph: Graph,
  conv: GraphNode,
  { scale, shift }: Affine,
  output: number,
): GraphNode {
  const weights = weightsOf(graph, conv);
  assert(weights !== undefined, "a folded convolution has constant weights");
  const channels = scale.length;
  const biasId = conv.inputs[2];
  const bias =
    biasId === undefined || biasId === absent
      ? undefined
      : (elementsOf(graph.values[biasId]!.constant!) as Float32Array);
  const moved = Array.from({ length: channels }, (_, c) => (bias ? bias[c]! : 0) * scale[c]! + shift[c]!);
  const name = graph.values[conv.inputs[1]!]!.name;
  const folded = edit.addConstant(`${name}/folded`, scaled(weights, scale));
  const shifted = edit.addConstant(`${name}/bias`, denseConstant("float32", [channels], moved));
  return { ...conv, inputs: [conv.inputs[0]!, folded, shifted], outputs: [output] };
}

function scaled(weights: ConstantData, scale: Float64Array): ConstantData {
  const uniform = scale.every((value) => value === scale[0]);
  if (weights.splat && uniform) {
    const value = (elementsOf({ ...weights, shape: [] }) as Float32Array)[0]! * scale[0]!;
    return { ...weights, bytes: new Uint8Array(new Float32Array([value]).buffer) };
  }
  const elements = Float32Array.from(elementsOf(weights) as Float32Array);
  const perChannel = elementCount(weights.shape) / scale.length;
  for (let place = 0; place < elements.length; place++) elements[place]! *= scale[Math.floor(place / perChannel)]!;
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
