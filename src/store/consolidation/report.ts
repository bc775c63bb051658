/** What consolidation was asked to do, and what it did or would do. */

export type ConsolidationPass = "nrem" | "rem" | "prune";

export interface ConsolidateOptions {
  /** In this order. Default all three. */
  readonly passes?: readonly ConsolidationPass[];
  /** Default all collections. */
  readonly collections?: readonly string[];
  /** Says what it would do and why, and writes nothing. Default false. */
  readonly dryRun?: boolean;
  readonly signal?: AbortSignal;
}

export interface KappaChange {
  readonly collection: string;
  readonly id: string;
  readonly from: number;
  readonly to: number;
  readonly uses: number;
}

export interface EdgeWeightChange {
  readonly source: string;
  readonly type: string;
  readonly target: string;
  /** undefined where there was no such edge. */
  readonly from: number | undefined;
  readonly to: number;
}

export interface PrototypeMade {
  readonly collection: string;
  readonly id: string;
  readonly members: readonly string[];
  /** Mean cosine similarity of the members to the prototype. */
  readonly cohesion: number;
}

export interface Pruned {
  readonly collection: string;
  readonly id: string;
  readonly reason: "expired" | "forgotten" | "dangling-edge";
  readonly kappa: number;
  readonly version: number;
}

export interface ConsolidationReport {
  readonly dryRun: boolean;
  /** Of the snapshot that was read. */
  readonly version: number;
  readonly kappa: readonly KappaChange[];
  readonly edges: readonly EdgeWeightChange[];
  readonly prototypes: readonly PrototypeMade[];
  readonly pruned: readonly Pruned[];
  /** What was changed by others meanwhile, and was therefore left alone. */
  readonly conflicts: readonly { readonly collection: string; readonly id: string }[];
  readonly durationMs: number;
}
