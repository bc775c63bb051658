/** The invariants of a graph, checked on everything that comes from outside and after every pass in tests. */
import { HoldfastError } from "../../base/index.ts";
import { byteSizeOf, elementCount, type Shape } from "../ir/element-type.ts";
import { absent, type ConstantData, type Graph } from "./graph.ts";

export const graphLimits = { values: 1_000_000, nodes: 500_000, rank: 32, elements: 2 ** 31 - 1 } as const;

/** Throws BLUEPRINT_INVALID, naming the first broken invariant. */
export function verifyGraph(graph: Graph): void {
  const problem = problemOfTypes(graph) ?? problemOfOrder(graph);
  if (problem === undefined) return;
  throw new HoldfastError("BLUEPRINT_INVALID", `graph ${JSON.stringify(graph.name)}: ${problem}`, {
    hint: "make the Blueprint again from the model",
  });
}

/** Sizes and shapes: of the graph, of each value, of contents against their types. */
function problemOfTypes(graph: Graph): string | undefined {
  if (graph.values.length > graphLimits.values)
    return `${graph.values.length} values are more than ${graphLimits.values}`;
  if (graph.nodes.length > graphLimits.nodes) return `${graph.nodes.length} nodes are more than ${graphLimits.nodes}`;
  for (const [id, { id: own, type, shape, constant }] of graph.values.entries()) {
    if (own !== id) return `value ${id} calls itself ${own}`;
    const problem = problemOfShape(shape);
    if (problem) return `value ${id} ${problem}`;
    const misfit = constant && (constant.type !== type || String(constant.shape) !== String(shape) || !fits(constant));
    if (misfit) return `the contents of value ${id} do not fit its type`;
  }
  for (const [position, { attributes }] of graph.nodes.entries()) {
    for (const [name, attribute] of Object.entries(attributes)) {
      if (attribute.kind !== "tensor") continue;
      const problem = problemOfShape(attribute.value.shape);
      if (problem) return `attribute ${name} of node ${position} ${problem}`;
      if (!fits(attribute.value)) return `the contents of attribute ${name} of node ${position} do not fit its type`;
    }
  }
  return undefined;
}

function problemOfShape(shape: Shape): string | undefined {
  if (shape.length > graphLimits.rank) return `has rank ${shape.length}`;
  if (!shape.every((extent) => Number.isInteger(extent) && extent >= 0)) return `has shape [${shape}]`;
  const largest = Math.max(elementCount(shape), ...shape);
  return largest > graphLimits.elements ? `has shape [${shape}], which is too large` : undefined;
}

function fits({ type, shape, splat, bytes }: ConstantData): boolean {
  return bytes.length === byteSizeOf(type) * (splat ? 1 : elementCount(shape));
}

/** Every value is a constant, an input, or made by one node before it is read. */
function problemOfOrder(graph: Graph): string | undefined {
  const known = new Set(graph.inputs);
  for (const value of graph.values) if (value.constant) known.add(value.id);
  const inRange = (id: number): boolean => Number.isInteger(id) && id >= 0 && id < graph.values.length;
  if (!graph.inputs.every(inRange) || new Set(graph.inputs).size !== graph.inputs.length) {
    return "its inputs are not distinct values";
  }
  for (const [position, { inputs, outputs }] of graph.nodes.entries()) {
    for (const id of inputs) {
      if (id !== absent && !known.has(id)) return `node ${position} reads value ${id}, which is not made before it`;
    }
    for (const id of outputs) {
      if (id === absent) continue;
      if (!inRange(id) || known.has(id))
        return `node ${position} makes value ${id}, which does not exist or is made already`;
      known.add(id);
    }
  }
  const unmade = graph.outputs.find((id) => !known.has(id));
  return unmade === undefined ? undefined : `output ${unmade} is made by no node`;
}
