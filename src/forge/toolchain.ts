/**
 * What the forge compiles with. The forge knows nothing of tensors: it keeps jobs alive, runs units in cells, and hands
 * the objects back in the order of the plan. `plan` and `merge` are pure and deterministic; all that may crash happens
 * in `cellModule`.
 */

export interface Toolchain {
  readonly name: string;
  /** Part of every cache key: another version shares nothing with this one. */
  readonly version: string;
  /** Throws a HoldfastError on bad input; the job then fails for good. */
  plan(model: Uint8Array, options: Uint8Array): Promise<Plan> | Plan;
  /** Loaded in the cell; exports `handle(kind, payload)`. Called with kind "compile" and a unit's spec. */
  readonly cellModule: URL;
  /** The objects in plan order; undefined means that the unit stays eager, for the reason given by its hash. */
  merge(
    plan: Plan,
    objects: readonly (Uint8Array | undefined)[],
    reasons: ReadonlyMap<string, string>,
  ): Promise<ArtifactFile[]> | ArtifactFile[];
}

export interface PlanUnit {
  /** Of everything that its object depends on: units of the same hash have the same object. */
  readonly hash: string;
  readonly name: string;
  readonly spec: Uint8Array;
}

export interface Plan {
  readonly units: readonly PlanUnit[];
  readonly state: unknown;
}

export interface ArtifactFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}
