/** The tensor compiler as a toolchain of the forge. */
import {
  artifactFiles,
  compilerVersion,
  decodeCompileOptions,
  linkPlan,
  type ModelPlan,
  planModel,
  planOptionsOf,
} from "../tensor/index.ts";
import type { ArtifactFile, Plan, Toolchain } from "./toolchain.ts";

interface State {
  readonly plan: ModelPlan;
  readonly singleFile: boolean;
}

export const tensorToolchain: Toolchain = {
  name: "tensor",
  version: compilerVersion,
  cellModule: new URL(import.meta.url.endsWith(".ts") ? "./tensor-cell.ts" : "./tensor-cell.js", import.meta.url),
  plan(model, options): Plan {
    const decoded = decodeCompileOptions(options);
    const plan = planModel(model, planOptionsOf(decoded));
    const units = plan.specs.map((spec, place) => ({
      hash: plan.hashes[place]!,
      name: plan.partition.units[place]!.name,
      spec,
    }));
    const state: State = { plan, singleFile: decoded.singleFile ?? false };
    return { units, state };
  },
  merge(plan, objects, reasons): ArtifactFile[] {
    const { plan: model, singleFile } = plan.state as State;
    return artifactFiles(linkPlan(model, objects, reasons), { singleFile });
  },
};
