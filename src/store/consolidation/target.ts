/**
 * What consolidation needs of a store: something to read that holds still, and a write that is refused where somebody
 * else was faster.
 *
 * Every pass reads one snapshot and only *proposes*: what to change, why, and under which conditions that is still
 * right. `commit` writes proposals in batches, through conditions that the store checks with the write, in one step:
 * so nothing that is written meanwhile can be lost, whatever a pass has read before.
 */

import type { Clock } from "../../base/index.ts";
import type { Change, Item } from "../item/item.ts";
import type { CollectionReader, CollectionSettings } from "../store.ts";
import type { ConsolidationPass, EdgeWeightChange, KappaChange, PrototypeChange, Pruned } from "./report.ts";
import type { UseLog } from "./use-log.ts";

export interface ConsolidationTarget {
  readonly clock: Clock;
  /** Every use is noted here, at once. */
  readonly uses: UseLog;
  snapshot(): ConsolidationSnapshot;
  /**
   * All of the changes or none. Throws STORE_CONFLICT unless every condition holds at the write.
   * Resolves when it is durable; `isQueued` where the store is degraded and it is not.
   */
  write(changes: readonly Change[], options: WriteControl): Promise<{ readonly isQueued: boolean }>;
  /**
   * Gives these versions, and no others, their new κ: in a merge, with their sequence numbers as they are. Returns
   * those that it left alone, because there is a newer version.
   */
  applyKappa(changes: readonly KappaChange[], options: WriteControl): Promise<readonly KappaChange[]>;
}

export interface WriteControl {
  readonly signal: AbortSignal | undefined;
}

export interface ConsolidationSnapshot extends Disposable {
  readonly version: number;
  collections(): readonly string[];
  /** undefined where there is no such collection. */
  collection(name: string): ConsolidationReader | undefined;
}

/** One collection as the snapshot holds it. */
export interface ConsolidationReader extends Pick<CollectionReader, "name" | "get" | "scan" | "search"> {
  readonly settings: CollectionSettings;
  /** As `getMany`, but content stays in the content log, and is null then. */
  itemsOf(ids: readonly string[]): Promise<(Item | undefined)[]>;
  /** All edges that leave items of this collection, whether those are there or not, in the order of their keys. */
  edges(options: WriteControl): AsyncGenerator<StoredEdge, void>;
  edgesFrom(id: string): Promise<readonly StoredEdge[]>;
  edgesTo(id: string): Promise<readonly StoredEdge[]>;
  /** What has expired and was not written anew. */
  expired(options: WriteControl): AsyncGenerator<ExpiredItem, void>;
}

export interface StoredEdge {
  readonly collection: string;
  readonly source: string;
  readonly type: string;
  readonly target: string;
  readonly targetCollection: string;
  readonly weight: number;
  /** Of the write that made it so. */
  readonly version: number;
}

export interface ExpiredItem {
  readonly id: string;
  readonly version: number;
  readonly kappa: number;
  readonly pinned: boolean;
  readonly expiryMs: number;
}

/** Changes that belong together: all of them are written or none. */
export interface Proposal {
  readonly pass: ConsolidationPass;
  readonly collection: string;
  readonly id: string;
  readonly changes: readonly Change[];
  readonly says: ProposalSays;
  /** Asked right before the write: true leaves it alone. */
  readonly isUsed?: () => boolean;
}

/** What the report will say of it. */
export type ProposalSays =
  | { readonly kind: "edge"; readonly edge: EdgeWeightChange }
  | { readonly kind: "prototype"; readonly prototype: PrototypeChange }
  | { readonly kind: "pruned"; readonly pruned: Pruned };
