/** One node as a unit, compiled and held against the eager reference in both variants by the compiler itself. */

import { fromBinary } from "@bufbuild/protobuf";
import { compileUnit } from "../../src/tensor/compile-unit.ts";
import { type UnitObject, UnitObjectSchema } from "../../src/tensor/gen/holdfast/v2/blueprint_pb.ts";
import type { Attributes, Graph, GraphNode, GraphValue } from "../../src/tensor/graph/graph.ts";
import type { ElementType, Shape } from "../../src/tensor/ir/element-type.ts";
import type { UnitGraph } from "../../src/tensor/lower/unit.ts";
import { inferNode } from "../../src/tensor/passes/infer-and-fold.ts";
import { encodeUnitSpec } from "../../src/tensor/plan/unit-spec.ts";

export interface UnitInput {
  readonly shape: Shape;
  readonly type?: ElementType;
  /** Known at link time, so that it may be packed. */
  readonly weight?: boolean;
}

export interface NodeDescription {
  readonly operator: string;
  readonly domain?: string;
  readonly version?: number;
  readonly attributes?: Attributes;
  readonly inputs: readonly UnitInput[];
}

export function unitOf({ operator, domain = "", version = 17, attributes = {}, inputs }: NodeDescription): UnitGraph {
  const values: GraphValue[] = inputs.map(({ shape, type = "float32" }, id) => ({ id, name: `v${id}`, type, shape }));
  const ids = inputs.map((_, id) => id);
  const output = inputs.length;
  const node: GraphNode = { name: "n0", domain, operator, version, inputs: ids, outputs: [output], attributes };
  const [{ type, shape }] = inferNode(node, values) as [{ type: ElementType; shape: Shape }];
  values.push({ id: output, name: `v${output}`, type, shape });
  const graph: Graph = { name: "unit", values, nodes: [node], inputs: ids, outputs: [output] };
  return { graph, weights: new Set(ids.filter((id) => inputs[id]!.weight)) };
}

/** Compiles, runs and compares; throws where anything is off, writes outside its buffers included. */
export function compileNode(node: NodeDescription): UnitObject {
  return fromBinary(UnitObjectSchema, compileUnit(encodeUnitSpec(unitOf(node), "STANDARD")));
}
