/** Compiles a graph in this process and runs it through the wrapper an artifact ships, as a user's program would. */
import { utf8Text } from "../../src/base/index.ts";
import { artifactFiles, compileUnit, type Graph, linkPlan, type ModelPlan, planGraph } from "../../src/tensor/index.ts";

export type Arrays = Record<string, ArrayBufferView & { readonly length: number }>;

export interface LoadedModel {
  readonly memoryBytes: number;
  run(inputs: Arrays): Arrays;
}

export interface CompiledGraph {
  readonly plan: ModelPlan;
  /** Names and reasons of units that did not compile. */
  readonly failures: readonly { readonly unit: string; readonly reason: string }[];
  load(options?: { readonly relaxed?: boolean }): Promise<LoadedModel>;
}

export function compileGraph(graph: Graph): CompiledGraph {
  return compilePlan(planGraph(graph, { name: "model" }));
}

/** Every unit that fails to compile is left to run eagerly, and named. */
export function compilePlan(plan: ModelPlan): CompiledGraph {
  const objects = new Map<string, Uint8Array | undefined>();
  const failures: { unit: string; reason: string }[] = [];
  for (const [place, spec] of plan.specs.entries()) {
    const hash = plan.hashes[place]!;
    if (objects.has(hash)) continue;
    try {
      objects.set(hash, compileUnit(spec));
    } catch (error) {
      objects.set(hash, undefined);
      failures.push({
        unit: plan.partition.units[place]!.name,
        reason: error instanceof Error ? error.message : String(error),
      });
    }
  }
  const linked = linkPlan(
    plan,
    plan.hashes.map((hash) => objects.get(hash)),
  );
  const wrapper = artifactFiles(linked, { singleFile: true }).find(({ path }) => path.endsWith(".mjs"))!;
  const url = `data:text/javascript;base64,${Buffer.from(utf8Text(wrapper.bytes)).toString("base64")}`;
  return {
    plan,
    failures,
    async load(options = {}) {
      const module = (await import(url)) as { load(options: object): Promise<LoadedModel> };
      return module.load(options);
    },
  };
}

/** A constant's bytes from an output array. */
export function bytesOfArray(array: ArrayBufferView): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
