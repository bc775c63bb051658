/**
 * Moves images from NCHW to NHWC, where convolutions run on contiguous channels.
 *
 * Walks the graph once, keeping for each value its channels-last twin where it has one. Convolutions and poolings make
 * twins, elementwise maps, concatenations and channel shuffles carry them on, everything else asks for the value back
 * in NCHW, which is made once, when first asked for. Where height and width are 1 that is a reshape, not a transpose.
 */

import { int64Constant, reshapeConstant, transposeConstant } from "../graph/constant.ts";
import { consumersOf, GraphEditor } from "../graph/editor.ts";
import { type AttributeValue, absent, type Graph, type GraphNode } from "../graph/graph.ts";
import { elementCount, type Shape, sameShape } from "../ir/element-type.ts";
import { loweringOf } from "../lower/unit.ts";

const toLast = [0, 2, 3, 1];
const toFirst = [0, 3, 1, 2];
const pools = new Set(["MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"]);

export function channelsLast(graph: Graph): Graph {
  if (!graph.nodes.some((node) => isConvolution(graph, node))) return graph;
  return new ChannelsLast(graph).run();
}

function isConvolution(graph: Graph, node: GraphNode): boolean {
  if (node.domain !== "" || node.operator !== "Conv") return false;
  const input = graph.values[node.inputs[0]!]!;
  return input.shape.length === 4 && input.type === "float32" && elementCount(input.shape) > 0;
}

function isPool(graph: Graph, node: GraphNode): boolean {
  const input = graph.values[node.inputs[0]!];
  if (node.domain !== "" || !pools.has(node.operator) || input?.shape.length !== 4 || input.type !== "float32")
    return false;
  return node.outputs.filter((id) => id !== absent).length === 1;
}

const ints = (value: readonly number[]): AttributeValue => ({ kind: "ints", value });
const int = (value: number): AttributeValue => ({ kind: "int", value });
const permuted = (shape: Shape, order: readonly number[]): number[] => order.map((axis) => shape[axis]!);

class ChannelsLast {
  readonly #graph: Graph;
  readonly #edit: GraphEditor;
  readonly #consumers: Map<number, number[]>;
  /** NCHW value -> its NHWC twin, present in the new graph. */
  readonly #twin = new Map<number, number>();
  /** NCHW values that the new graph holds. */
  readonly #present = new Set<number>();
  readonly #skipped = new Set<number>();

  constructor(graph: Graph) {
    this.#graph = graph;
    this.#edit = new GraphEditor(graph);
    this.#consumers = consumersOf(graph);
    for (const id of graph.inputs) this.#present.add(id);
    for (const value of graph.values) if (value.constant) this.#present.add(value.id);
  }

  run(): Graph {
    for (const [position, node] of this.#graph.nodes.entries()) {
      if (this.#skipped.has(position)) continue;
      if (isConvolution(this.#graph, node)) this.#convolution(node);
      else if (isPool(this.#graph, node)) this.#pool(node);
      else if (!this.#shuffle(node) && !this.#concat(node) && !this.#elementwise(node)) this.#keep(node);
    }
    return this.#edit.finish(this.#graph.outputs.map((id) => this.#first(id)));
  }

  #keep(node: GraphNode): void {
    this.#edit.add({ ...node, inputs: node.inputs.map((id) => (id === absent ? id : this.#first(id))) });
    for (const id of node.outputs) if (id !== absent) this.#present.add(id);
  }

  #convolution(node: GraphNode): void {
    const input = this.#graph.values[node.inputs[0]!]!;
    const weights = this.#graph.values[node.inputs[1]!]!;
    const output = this.#graph.values[node.outputs[0]!]!;
    const attribute = (name: string, fallback: readonly number[]): readonly number[] =>
      (node.attributes[name]?.value as readonly number[] | undefined) ?? fallback;
    const strides = attribute("strides", [1, 1]);
    const dilations = attribute("dilations", [1, 1]);
    const group = (node.attributes.group?.value as number | undefined) ?? 1;
    const kernel = weights.shape.slice(2);
    const pads = padsOf(node, input.shape, output.shape, kernel, strides, dilations);
    this.#makeTwin(node.outputs[0]!, {
      ...node,
      domain: "holdfast",
      operator: "ConvolutionChannelsLast",
      version: 1,
      inputs: [
        this.#last(node.inputs[0]!),
        ...node.inputs.slice(1).map((id) => (id === absent ? id : this.#first(id))),
      ],
      attributes: { strides: ints(strides), dilations: ints(dilations), pads: ints(pads), group: int(group) },
    });
  }

  #pool(node: GraphNode): void {
    this.#makeTwin(node.outputs[0]!, {
      ...node,
      inputs: [this.#last(node.inputs[0]!)],
      attributes: { ...node.attributes, channels_last: int(1) },
    });
  }

  /** Adds `node` as what makes the twin of `id`. */
  #makeTwin(id: number, node: GraphNode): void {
    const { name, type, shape } = this.#graph.values[id]!;
    const twin = this.#edit.addValue(`${name}/nhwc`, { type, shape: permuted(shape, toLast) });
    this.#edit.add({ ...node, outputs: [twin] });
    this.#twin.set(id, twin);
  }

  /** Maps over values at least one of which has a twin, all others being single elements or of rank 4 too. */
  #elementwise(node: GraphNode): boolean {
    const output = this.#graph.values[node.outputs[0]!];
    if (node.outputs.length !== 1 || output?.shape.length !== 4) return false;
    const rankFour = node.inputs.every((id) => {
      if (id === absent) return true;
      const { shape, constant } = this.#graph.values[id]!;
      if (elementCount(shape) === 1) return true;
      return shape.length === 4
        ? sameShape(shape, output.shape) || constant !== undefined
        : shape.length === 3 && constant;
    });
    if (!rankFour || !node.inputs.some((id) => this.#twin.has(id) && !this.#present.has(id))) return false;
    const lowering = loweringOf(this.#graph, node);
    if (lowering.form !== "map" || !lowering.elementwise) return false;
    const inputs = node.inputs.map((id) => {
      if (id === absent || elementCount(this.#graph.values[id]!.shape) === 1)
        return id === absent ? id : this.#first(id);
      return this.#last(id);
    });
    this.#makeTwin(node.outputs[0]!, { ...node, inputs });
    return true;
  }

  #concat(node: GraphNode): boolean {
    if (node.domain !== "" || node.operator !== "Concat") return false;
    const { shape } = this.#graph.values[node.outputs[0]!]!;
    if (shape.length !== 4 || !node.inputs.every((id) => this.#twin.has(id))) return false;
    const axis = (node.attributes.axis!.value as number) % 4;
    const moved = toLast.indexOf(axis < 0 ? axis + 4 : axis);
    this.#makeTwin(node.outputs[0]!, {
      ...node,
      inputs: node.inputs.map((id) => this.#last(id)),
      attributes: { axis: int(moved) },
    });
    return true;
  }

  /** Reshape to [n, g, c/g, h, w], Transpose of the two, Reshape back: the channel shuffle, done on the last axes. */
  #shuffle(node: GraphNode): boolean {
    const only = (id: number): GraphNode | undefined => {
      const readers = this.#consumers.get(id) ?? [];
      return readers.length === 1 && !this.#graph.outputs.includes(id) ? this.#graph.nodes[readers[0]!] : undefined;
    };
    if (node.operator !== "Reshape" || !this.#twin.has(node.inputs[0]!)) return false;
    const input = this.#graph.values[node.inputs[0]!]!;
    const split = this.#graph.values[node.outputs[0]!]!;
    const swap = only(split.id);
    if (split.shape.length !== 5 || swap?.operator !== "Transpose") return false;
    if (String(swap.attributes.perm?.value) !== "0,2,1,3,4") return false;
    const back = only(swap.outputs[0]!);
    const output = this.#graph.values[back?.outputs[0] ?? -1];
    if (back?.operator !== "Reshape" || !output || !sameShape(output.shape, input.shape)) return false;
    const [n, groups, perGroup, height, width] = split.shape as [number, number, number, number, number];
    if (n !== input.shape[0] || height !== input.shape[2] || width !== input.shape[3]) return false;
    const wide = [n, height, width, groups, perGroup];
    const swapped = [n, height, width, perGroup, groups];
    const opened = this.#reshape(this.#last(input.id), wide, split.name);
    const { type } = input;
    const perm = { perm: ints([0, 1, 2, 4, 3]) };
    const crossed = this.#edit.addOnnx("Transpose", 13, [opened], { type, shape: swapped }, perm, split.name);
    this.#twin.set(output.id, this.#reshape(crossed, permuted(output.shape, toLast), output.name));
    this.#skipped.add(this.#graph.nodes.indexOf(swap)).add(this.#graph.nodes.indexOf(back));
    return true;
  }

  #reshape(id: number, shape: Shape, name: string): number {
    const target = this.#edit.addConstant(`${name}/shape`, int64Constant([shape.length], shape));
    return this.#edit.addOnnx("Reshape", 14, [id, target], { type: this.#edit.value(id).type, shape }, {}, name);
  }

  /** The channels-last twin of a value, made by a transpose where there is none. */
  #last(id: number): number {
    const known = this.#twin.get(id);
    if (known !== undefined) return known;
    const { name, type, shape, constant } = this.#graph.values[id]!;
    let twin: number;
    if (constant) {
      const whole = shape.length === 4 ? constant : reshapeConstant(constant, [1, ...shape]);
      twin = this.#edit.addConstant(`${name}/nhwc`, transposeConstant(whole, toLast));
    } else {
      twin = this.#move(id, { type, shape: permuted(shape, toLast) }, toLast, `${name}/nhwc`);
    }
    this.#twin.set(id, twin);
    return twin;
  }

  /** The value in NCHW, made from its twin where the new graph does not hold it yet. */
  #first(id: number): number {
    if (this.#present.has(id)) return id;
    const twin = this.#twin.get(id)!;
    const { name, type, shape } = this.#graph.values[id]!;
    this.#present.add(id);
    this.#move(twin, { type, shape }, toFirst, name, id);
    return id;
  }

  #move(
    from: number,
    to: { type: GraphTypes; shape: Shape },
    perm: readonly number[],
    name: string,
    into?: number,
  ): number {
    const output = into ?? this.#edit.addValue(name, to);
    const [, a, b, c] = to.shape;
    const flat = (perm === toFirst ? b === 1 && c === 1 : a === 1 && b === 1) || (perm === toFirst ? a : c) === 1;
    if (flat) {
      const shape = this.#edit.addConstant(`${name}/shape`, int64Constant([4], to.shape));
      const inputs = [from, shape];
      this.#edit.add({
        name: `${name}/Reshape`,
        domain: "",
        operator: "Reshape",
        version: 14,
        inputs,
        outputs: [output],
        attributes: {},
      });
    } else {
      const attributes = { perm: ints(perm) };
      const inputs = [from];
      this.#edit.add({
        name: `${name}/Transpose`,
        domain: "",
        operator: "Transpose",
        version: 13,
        inputs,
        outputs: [output],
        attributes,
      });
    }
    return output;
  }
}

type GraphTypes = Graph["values"][number]["type"];

/** Explicit pads [top, left, bottom, right], whatever `auto_pad` says. */
function padsOf(
  node: GraphNode,
  input: Shape,
  output: Shape,
  kernel: readonly number[],
  strides: readonly number[],
  dilations: readonly number[],
): number[] {
  const mode = (node.attributes.auto_pad?.value as string | undefined) ?? "NOTSET";
  if (mode === "NOTSET") return [...((node.attributes.pads?.value as readonly number[] | undefined) ?? [0, 0, 0, 0])];
  if (mode === "VALID") return [0, 0, 0, 0];
  const begin: number[] = [];
  const end: number[] = [];
  for (const axis of [0, 1]) {
    const reach = (kernel[axis]! - 1) * dilations[axis]! + 1;
    const total = Math.max(0, (output[2 + axis]! - 1) * strides[axis]! + reach - input[2 + axis]!);
    const less = Math.floor(total / 2);
    begin.push(mode === "SAME_UPPER" ? less : total - less);
    end.push(mode === "SAME_UPPER" ? total - less : less);
  }
  return [...begin, ...end];
}
