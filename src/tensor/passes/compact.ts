/** Drops nodes whose results nobody reads, and values nothing refers to; renumbers what stays. */
import { absent, type Graph, type GraphNode } from "../graph/graph.ts";

export function compact(graph: Graph): Graph {
  const live = new Set(graph.outputs);
  const kept: GraphNode[] = [];
  for (let position = graph.nodes.length - 1; position >= 0; position--) {
    const node = graph.nodes[position]!;
    if (!node.outputs.some((id) => live.has(id))) continue;
    for (const id of node.inputs) if (id !== absent) live.add(id);
    kept.push(node);
  }
  kept.reverse();
  const used = new Set([...graph.inputs, ...graph.outputs]);
  for (const node of kept) for (const id of [...node.inputs, ...node.outputs]) if (id !== absent) used.add(id);
  const renamed = new Map<number, number>();
  const values = graph.values
    .filter((value) => used.has(value.id))
    .map((value, id) => {
      renamed.set(value.id, id);
      return { ...value, id };
    });
  const rename = (id: number): number => (id === absent ? absent : renamed.get(id)!);
  // An output that nobody reads is left out, so that no memory is planned for it.
  const nodes = kept.map((node) => ({
    ...node,
    inputs: node.inputs.map(rename),
    outputs: node.outputs.map((id) =>
      live.has(id) || id === absent || node.outputs.length === 1 ? rename(id) : absent,
    ),
  }));
  return { ...graph, values, nodes, inputs: graph.inputs.map(rename), outputs: graph.outputs.map(rename) };
}
