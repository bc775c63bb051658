/**
 * From a model's bytes to units: import, passes, partition, specifications. Pure and deterministic: the same bytes and
 * options give the same plan on every machine.
 */
import { HoldfastError } from "../../base/index.ts";
import { hashBlueprint } from "../blueprint/codec.ts";
import type { Graph } from "../graph/graph.ts";
import { type ImportOptions, importOnnx } from "../onnx/import.ts";
import { checkTypes } from "../passes/infer-and-fold.ts";
import { optimise } from "../passes/optimise.ts";
import { type Partition, partition } from "./partition.ts";
import { encodeUnitSpec, hashUnitSpec } from "./unit-spec.ts";

export const strategies = ["EMERGENCY", "FAST", "STANDARD", "AGGRESSIVE"] as const;
export type Strategy = (typeof strategies)[number];

export interface PlanOptions extends ImportOptions {
  readonly name: string;
  readonly strategy?: Strategy;
}

type GraphPlanOptions = Pick<PlanOptions, "name" | "strategy">;

export interface ModelPlan {
  readonly name: string;
  readonly strategy: Strategy;
  readonly partition: Partition;
  /** By planned unit; equal units have equal specifications. */
  readonly specs: readonly Uint8Array[];
  readonly hashes: readonly string[];
  readonly blueprintHash: string;
}

/** Throws ONNX_* and TENSOR_* errors for models that cannot be compiled. */
export function planModel(model: Uint8Array, options: PlanOptions): ModelPlan {
  return planTyped(importOnnx(model, options), options);
}

/** Plans a graph from anywhere, such as a decoded Blueprint. Throws ONNX_* and TENSOR_* where its types do not hold. */
export function planGraph(graph: Graph, options: GraphPlanOptions): ModelPlan {
  checkTypes(graph);
  return planTyped(graph, options);
}

function planTyped(imported: Graph, options: GraphPlanOptions): ModelPlan {
  const strategy = options.strategy ?? "STANDARD";
  if (!strategies.includes(strategy)) {
    throw new HoldfastError("TENSOR_BAD_STRATEGY", `there is no strategy ${JSON.stringify(strategy)}`, {
      hint: `use one of ${strategies.join(", ")}`,
    });
  }
  const graph = optimise(imported);
  const cut = partition(graph);
  const specs = cut.units.map((unit) => encodeUnitSpec(unit, strategy));
  const hashes = specs.map(hashUnitSpec);
  const blueprintHash = hashBlueprint(graph);
  return { name: options.name, strategy, partition: cut, specs, hashes, blueprintHash };
}
