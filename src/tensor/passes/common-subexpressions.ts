/** Nodes that compute the same from the same inputs are computed once. */
import { hexOf } from "../../base/index.ts";
import { type AttributeValue, absent, type Graph, type GraphNode } from "../graph/graph.ts";

export function commonSubexpressions(graph: Graph): Graph {
  const known = new Map<string, readonly number[]>();
  const renamed = new Map<number, number>();
  const rename = (id: number): number => renamed.get(id) ?? id;
  const nodes: GraphNode[] = [];
  for (const original of graph.nodes) {
    const node = { ...original, inputs: original.inputs.map(rename) };
    const key = keyOf(node);
    const same = known.get(key);
    if (same && node.outputs.every((id, place) => id === absent || same[place] !== absent)) {
      for (const [place, id] of node.outputs.entries()) if (id !== absent) renamed.set(id, same[place]!);
    } else {
      known.set(key, node.outputs);
      nodes.push(node);
    }
  }
  // A graph output keeps its own name: two outputs may be one value, but not one port.
  const outputs = graph.outputs.map(rename);
  if (new Set(outputs).size !== outputs.length || outputs.some((id, place) => id !== graph.outputs[place]))
    return graph;
  return { ...graph, nodes, outputs };
}

function keyOf(node: GraphNode): string {
  const attributes = Object.keys(node.attributes)
    .sort()
    .map((name) => `${name}=${attributeKey(node.attributes[name]!)}`);
  return [node.domain, node.operator, node.version, node.inputs.join(), node.outputs.length, ...attributes].join("|");
}

function attributeKey(attribute: AttributeValue): string {
  if (attribute.kind !== "tensor") return `${attribute.kind}:${JSON.stringify(attribute.value)}`;
  const { type, shape, splat, bytes } = attribute.value;
  return `tensor:${type}:${shape}:${splat}:${hexOf(bytes)}`;
}
