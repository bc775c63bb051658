/** Runs a graph as it is compiled, but for the code generator: cut into units, each fused, printed and evaluated. */
import { executeProgram } from "../../src/tensor/eager/execute.ts";
import { elementsOf } from "../../src/tensor/graph/constant.ts";
import type { ConstantData, Graph } from "../../src/tensor/graph/graph.ts";
import type { ElementArray } from "../../src/tensor/ir/element-type.ts";
import { lowerUnit } from "../../src/tensor/lower/unit.ts";
import { partition } from "../../src/tensor/plan/partition.ts";

/** The graph's outputs, in order. */
export function executeFused(graph: Graph, inputs: ReadonlyMap<number, ConstantData>): ElementArray[] {
  const { units, aliasOf } = partition(graph);
  const known = new Map([...inputs].map(([id, data]) => [id, elementsOf(data)]));
  const contents = (id: number): ElementArray => {
    const root = aliasOf.get(id) ?? id;
    const found = known.get(root) ?? (graph.values[root]!.constant && elementsOf(graph.values[root]!.constant));
    if (!found) throw new Error(`value ${root} is read before it is made`);
    return found;
  };
  for (const unit of units) {
    const program = lowerUnit(unit, { fuse: true });
    const places = unit.graph.inputs.map((local, place) => ({ local, place }));
    const ordered = [
      ...places.filter(({ local }) => !unit.weights.has(local)),
      ...places.filter(({ local }) => unit.weights.has(local)),
    ];
    const made = executeProgram(
      program,
      ordered.map(({ place }) => contents(unit.inputs[place]!)),
    );
    for (const [place, id] of unit.outputs.entries()) known.set(id, made[place]!);
  }
  return graph.outputs.map(contents);
}
