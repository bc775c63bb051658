/** The invariants of a graph, checked on everything that comes from outside and after every pass in tests. */
import { HoldfastError } from "../../base/index.ts";
import { byteSizeOf, elementCount } from "../ir/element-type.ts";
import { absent, type Graph } from "./graph.ts";

export const graphLimits = { values: 1_000_000, nodes: 500_000, rank: 32, elements: 2 ** 31 - 1 } as const;

/** Throws BLUEPRINT_INVALID, naming the first broken invariant. */
export function verifyGraph(graph: Graph): void {
  const refuse = (message: string): never => {
    throw new HoldfastError("BLUEPRINT_INVALID", `graph ${JSON.stringify(graph.name)}: ${message}`, {
      hint: "make the Blueprint again from the model",
    });
  };
  if (graph.values.length > graphLimits.values)
    refuse(`${graph.values.length} values are more than ${graphLimits.values}`);
  if (graph.nodes.length > graphLimits.nodes) refuse(`${graph.nodes.length} nodes are more than ${graphLimits.nodes}`);
  for (const [id, value] of graph.values.entries()) {
    if (value.id !== id) refuse(`value ${id} calls itself ${value.id}`);
    if (value.shape.length > graphLimits.rank) refuse(`value ${id} has rank ${value.shape.length}`);
    const count = elementCount(value.shape);
    if (!value.shape.every((extent) => Number.isInteger(extent) && extent >= 0))
      refuse(`value ${id} has shape [${value.shape}]`);
    if (count > graphLimits.elements) refuse(`value ${id} has ${count} elements`);
    const { constant } = value;
    if (!constant) continue;
    const expected = byteSizeOf(value.type) * (constant.splat ? 1 : count);
    if (
      constant.type !== value.type ||
      String(constant.shape) !== String(value.shape) ||
      constant.bytes.length !== expected
    ) {
      refuse(`the contents of value ${id} do not fit its type`);
    }
  }
  const known = new Set(graph.inputs);
  for (const value of graph.values) if (value.constant) known.add(value.id);
  const inRange = (id: number): boolean => Number.isInteger(id) && id >= 0 && id < graph.values.length;
  if (!graph.inputs.every(inRange) || new Set(graph.inputs).size !== graph.inputs.length)
    refuse("its inputs are not distinct values");
  for (const [position, node] of graph.nodes.entries()) {
    for (const id of node.inputs) {
      if (id !== absent && !(inRange(id) && known.has(id)))
        refuse(`node ${position} reads value ${id}, which is not made before it`);
    }
    for (const id of node.outputs) {
      if (id === absent) continue;
      if (!inRange(id) || known.has(id)) refuse(`node ${position} makes value ${id}, which exists already`);
      known.add(id);
    }
  }
  for (const id of graph.outputs) if (!inRange(id) || !known.has(id)) refuse(`output ${id} is made by no node`);
}
