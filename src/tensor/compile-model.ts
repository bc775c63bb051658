/** Links compiled units into an artifact, and, for callers without a forge, compiles a whole model in this process. */

import { type LinkedArtifact, linkArtifact } from "./artifact/link.ts";
import { compileUnit, decodeUnitObject } from "./compile-unit.ts";
import type { ModelPlan } from "./plan/model-plan.ts";
import { compilerVersion } from "./plan/version.ts";

/**
 * Links a plan's units: `objects` by planned unit, undefined for one that runs eagerly; `reasons` says why, by hash.
 */
export function linkPlan(
  plan: ModelPlan,
  objects: readonly (Uint8Array | undefined)[],
  reasons: ReadonlyMap<string, string> = new Map(),
): LinkedArtifact {
  const decoded = new Map<string, ReturnType<typeof decodeUnitObject>>();
  const units = plan.hashes.map((hash, place) => {
    const bytes = objects[place];
    if (!bytes) return undefined;
    let unit = decoded.get(hash);
    if (!unit) {
      unit = decodeUnitObject(bytes);
      decoded.set(hash, unit);
    }
    return unit;
  });
  return linkArtifact({
    name: plan.name,
    partition: plan.partition,
    hashes: plan.hashes,
    strict: units.map((unit) => unit?.strict),
    relaxed: units.map((unit) => unit?.relaxed),
    reasons,
    blueprintHash: plan.blueprintHash,
    strategy: plan.strategy,
    compilerVersion,
  });
}

/** Compiles every unit here and now, without isolation: for tests, and for hosts that isolate by themselves. */
export function compileInProcess(plan: ModelPlan, options: { readonly validate?: boolean } = {}): LinkedArtifact {
  const known = new Map<string, Uint8Array>();
  const objects = plan.specs.map((spec, place) => {
    const hash = plan.hashes[place]!;
    let object = known.get(hash);
    if (!object) {
      object = compileUnit(spec, options);
      known.set(hash, object);
    }
    return object;
  });
  return linkPlan(plan, objects);
}
