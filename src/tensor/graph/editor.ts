/**
 * Builds a changed copy of a graph: passes read the old graph and write nodes in topological order.
 *
 * Ids of old values stay valid in the new graph; new values come after them. Values that nothing makes or reads any
 * more are left behind for `compact` to drop.
 */

import type { TensorType } from "../ir/element-type.ts";
import {
  type AttributeValue,
  absent,
  type ConstantData,
  type Graph,
  type GraphNode,
  type GraphValue,
} from "./graph.ts";

export class GraphEditor {
  readonly #source: Graph;
  readonly #values: GraphValue[];
  readonly #nodes: GraphNode[] = [];

  constructor(source: Graph) {
    this.#source = source;
    this.#values = [...source.values];
  }

  value(id: number): GraphValue {
    return this.#values[id]!;
  }

  addValue(name: string, { type, shape }: TensorType, constant?: ConstantData): number {
    const id = this.#values.length;
    this.#values.push({ id, name: `${name}#${id}`, type, shape, ...(constant ? { constant } : {}) });
    return id;
  }

  addConstant(name: string, constant: ConstantData): number {
    return this.addValue(name, constant, constant);
  }

  add(node: GraphNode): void {
    this.#nodes.push(node);
  }

  /** Adds a node of ONNX's own domain with one output; returns the output's id. */
  addOnnx(
    operator: string,
    version: number,
    inputs: readonly number[],
    output: TensorType,
    attributes: Readonly<Record<string, AttributeValue>>,
    name: string,
  ): number {
    const id = this.addValue(name, output);
    this.add({ name: `${name}/${operator}`, domain: "", operator, version, inputs, outputs: [id], attributes });
    return id;
  }

  finish(outputs: readonly number[] = this.#source.outputs): Graph {
    return { ...this.#source, values: this.#values, nodes: this.#nodes, outputs };
  }
}

/** For each value, the places in `nodes` that read it. */
export function consumersOf(graph: Graph): Map<number, number[]> {
  const consumers = new Map<number, number[]>();
  for (const [position, node] of graph.nodes.entries()) {
    for (const id of new Set(node.inputs)) {
      if (id === absent) continue;
      const list = consumers.get(id);
      if (list) list.push(position);
      else consumers.set(id, [position]);
    }
  }
  return consumers;
}

/** For each value made by a node, the place of that node. */
export function producersOf(graph: Graph): Map<number, number> {
  const producers = new Map<number, number>();
  for (const [position, node] of graph.nodes.entries()) {
    for (const id of node.outputs) if (id !== absent) producers.set(id, position);
  }
  return producers;
}
