/**
 * Nodes that compute the same from the same inputs are computed once; small constants of equal contents are one.
 *
 * What makes an output of the graph stays: an output keeps its name, and two outputs are never one value.
 */
import { hexOf } from "../../base/index.ts";
import { type AttributeValue, absent, type ConstantData, type Graph, type GraphNode } from "../graph/graph.ts";

/** Larger constants are rarely equal, and costly to compare. */
const comparedBytes = 4096;

export function commonSubexpressions(graph: Graph): Graph {
  const outputs = new Set(graph.outputs);
  const renamed = equalConstants(graph, outputs);
  const known = new Map<string, readonly number[]>();
  const nodes: GraphNode[] = [];
  for (const original of graph.nodes) {
    const node = { ...original, inputs: original.inputs.map((id) => renamed.get(id) ?? id) };
    const key = keyOf(node);
    const same = known.get(key);
    const merges =
      same && node.outputs.every((id, place) => id === absent || (same[place] !== absent && !outputs.has(id)));
    if (merges) {
      for (const [place, id] of node.outputs.entries()) if (id !== absent) renamed.set(id, same[place]!);
    } else {
      known.set(key, node.outputs);
      nodes.push(node);
    }
  }
  return { ...graph, nodes };
}

/** Constants that have the contents of an earlier one, each with that one. */
function equalConstants(graph: Graph, outputs: ReadonlySet<number>): Map<number, number> {
  const known = new Map<string, number>();
  const renamed = new Map<number, number>();
  for (const { id, constant } of graph.values) {
    if (!constant || constant.bytes.length > comparedBytes || outputs.has(id)) continue;
    const key = constantKey(constant);
    const same = known.get(key);
    if (same === undefined) known.set(key, id);
    else renamed.set(id, same);
  }
  return renamed;
}

function keyOf(node: GraphNode): string {
  const attributes = Object.keys(node.attributes)
    .sort()
    .map((name) => `${name}=${attributeKey(node.attributes[name]!)}`);
  return [node.domain, node.operator, node.version, node.inputs.join(), node.outputs.length, ...attributes].join("|");
}

function attributeKey(attribute: AttributeValue): string {
  if (attribute.kind !== "tensor") return `${attribute.kind}:${JSON.stringify(attribute.value)}`;
  return `tensor:${constantKey(attribute.value)}`;
}

function constantKey({ type, shape, splat, bytes }: ConstantData): string {
  return `${type}:${shape}:${splat}:${hexOf(bytes)}`;
}
