/**
 * What consolidation can be told, and what it says it did or would do (SPEC S4).
 *
 * Nothing is forgotten by default: `prune.kappaBelow` is 0, for a store whose users never heard of κ would else lose
 * what they put into it. All other defaults stand beside their options.
 */

export type ConsolidationPass = "nrem" | "rem" | "prune";

/** κ rises for what was used; edges learn what is used shortly after what. The formulas are in `nrem.ts`. */
export interface NremOptions {
  /** η: the part of what κ lacks to 1 that one consolidation adds at most. 0 to 1, default 0.3. */
  readonly rate?: number;
  /** u₀: after so many uses 63 % of that part is added, after three times as many 95 %. Above 0, default 3. */
  readonly usesScale?: number;
  /** A₊: the part of what a weight lacks to 1 that one pair of uses in its order adds at most. 0 to 1, default 0.1. */
  readonly strengthening?: number;
  /** A₋: the part of a weight that one pair of uses against its order takes at most. 0 to 1, default 0.105. */
  readonly weakening?: number;
  /** τ₊: how fast that fades with the time between two uses. Above 0, default 20,000. */
  readonly strengtheningMs?: number;
  /** τ₋, the same for weakening. Above 0, default 20,000. */
  readonly weakeningMs?: number;
  /** Uses further apart are no pair. 0 or more, default 60,000. */
  readonly windowMs?: number;
  /** With how many uses before it a use makes a pair. 0 to 64, default 4. */
  readonly pairsPerUse?: number;
  /** Edges of type "used-after" are not made below this weight, and taken away below it. 0 to 1, default 0.01. */
  readonly minimumWeight?: number;
  /** Edges of these types learn too, where they are there and weigh 0 to 1. None is made or removed. Default none. */
  readonly types?: readonly string[];
}

/** Similar items get a prototype, which stands in the middle of them. */
export interface RemOptions {
  /** Cosine that an item must have to the one its cluster began with. Above 0, at most 1, default 0.9. */
  readonly similarity?: number;
  /** Fewer make no prototype. 2 to 1,024, default 3. */
  readonly minimumMembers?: number;
  /** A prototype has no more. At least `minimumMembers`, at most 1,024, default 256. */
  readonly memberLimit?: number;
}

/** What has expired, what was forgotten, and edges from or to what is not there. Never what is pinned. */
export interface PruneOptions {
  /** An item of lower κ is forgotten, if it is old enough and was not used. 0 to 1, default 0: none is. */
  readonly kappaBelow?: number;
  /** And only if it was written last at least that long ago. 0 or more, default 30 days. */
  readonly minimumAgeMs?: number;
  /** Edges whose source or target is not there are taken away. Default true. */
  readonly danglingEdges?: boolean;
}

export interface ConsolidateOptions {
  /** Always in the order nrem, rem, prune. Default all three. */
  readonly passes?: readonly ConsolidationPass[];
  /** Default all collections. */
  readonly collections?: readonly string[];
  readonly nrem?: NremOptions;
  readonly rem?: RemOptions;
  readonly prune?: PruneOptions;
  /** Says what it would do and why, and writes nothing. Default false. */
  readonly dryRun?: boolean;
  readonly signal?: AbortSignal;
}

/** What maintenance does by itself, every so often. */
export interface ConsolidationSchedule extends Omit<ConsolidateOptions, "dryRun" | "signal"> {
  /** From the beginning of one to that of the next, at least: it comes with maintenance. Above 0, default an hour. */
  readonly everyMs?: number;
}

export interface KappaChange {
  readonly collection: string;
  readonly id: string;
  /** Of the item that was read: no other version gets the new κ. */
  readonly version: number;
  readonly from: number;
  readonly to: number;
  readonly uses: number;
}

export interface EdgeWeightChange {
  readonly collection: string;
  readonly source: string;
  readonly type: string;
  readonly target: string;
  readonly targetCollection: string;
  /** undefined where there was no such edge. */
  readonly from: number | undefined;
  /** undefined where it became too weak to stay. */
  readonly to: number | undefined;
}

export interface PrototypeChange {
  readonly change: "made" | "updated" | "removed";
  readonly collection: string;
  readonly id: string;
  /** The items it was made of, in the order of their ids; none where it was removed. */
  readonly members: readonly string[];
  /** Mean cosine similarity of the members to the prototype; 0 where it was removed. */
  readonly cohesion: number;
}

export type Pruned =
  | {
      readonly reason: "expired";
      readonly collection: string;
      readonly id: string;
      readonly kappa: number;
      readonly version: number;
      readonly expiryMs: number;
    }
  | {
      /** κ below the floor, written last so long ago, and not used. */
      readonly reason: "forgotten";
      readonly collection: string;
      readonly id: string;
      readonly kappa: number;
      readonly version: number;
      readonly ageMs: number;
    }
  | {
      readonly reason: "dangling-edge";
      /** Of the edge's source. */
      readonly collection: string;
      readonly id: string;
      readonly type: string;
      readonly target: string;
      readonly targetCollection: string;
      readonly missing: "source" | "target";
      readonly version: number;
    };

/** What was left alone: others changed it meanwhile, or it was used when it was about to be pruned. */
export interface ConsolidationConflict {
  readonly pass: ConsolidationPass;
  readonly collection: string;
  readonly id: string;
  readonly reason: "changed" | "used";
}

export interface ConsolidationReport {
  readonly dryRun: boolean;
  /** Of the snapshot that was read first. */
  readonly version: number;
  readonly kappa: readonly KappaChange[];
  readonly edges: readonly EdgeWeightChange[];
  readonly prototypes: readonly PrototypeChange[];
  readonly pruned: readonly Pruned[];
  readonly conflicts: readonly ConsolidationConflict[];
  readonly durationMs: number;
}
