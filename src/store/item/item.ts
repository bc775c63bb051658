/**
 * What a store keeps for its users: items in collections, and edges between them (SPEC S1).
 *
 * A caller always learns how far a write has come. *Durable*: it survives power loss. *Visible*: readers see it, and a
 * power cut may still take it. *Queued*: neither yet; the store is degraded, and will write it when it can.
 */

import type { StorageLevel } from "../../resilience/index.ts";

export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };
export type Metadata = { readonly [name: string]: Json };

/** Bytes come back as bytes, everything else as the JSON it is. */
export type Content = Uint8Array | Json;

/** An outgoing edge of an item; the target is an id of the same collection unless it says otherwise. */
export interface EdgeInput {
  readonly type: string;
  readonly target: string;
  readonly collection?: string;
  /** Finite; kept in single precision. Default 1. */
  readonly weight?: number;
}

/** An item as a whole: `put` replaces what was there, but for its edges. */
export interface ItemInput {
  /** Default null. */
  readonly content?: Content;
  /** Of the collection's dimension; throws STORE_COLLECTION where the collection has none. */
  readonly embedding?: Float32Array;
  /** At most 65,536 bytes as JSON. */
  readonly metadata?: Metadata;
  /** Where given, exactly these edges leave the item afterwards; where not, its edges stay as they are. */
  readonly edges?: readonly EdgeInput[];
  /** How consolidated it is, 0 to 1, in single precision. Default 0. */
  readonly kappa?: number;
  /** What is pinned is never pruned, and goes all the same when its time to live is over. Default false. */
  readonly pinned?: boolean;
  /** It counts as deleted that many milliseconds from now on, pinned or not. Default: it stays. */
  readonly ttlMs?: number;
  /** When it was first written, for items that come from elsewhere. Default: now. */
  readonly createdMs?: number;
}

export interface Item {
  readonly collection: string;
  readonly id: string;
  /** Of the write that made it: rises with every write of the item; for `ifVersion`. */
  readonly version: number;
  readonly content: Content;
  readonly embedding: Float32Array | undefined;
  readonly metadata: Metadata | undefined;
  readonly kappa: number;
  readonly pinned: boolean;
  readonly createdMs: number;
  readonly updatedMs: number;
  /** From when on it counts as deleted; undefined where it stays. */
  readonly expiryMs: number | undefined;
  /** The level of the store when it was read (SPEC R13). */
  readonly level: StorageLevel;
}

export type WriteDurability = "durable" | "visible";

export interface WriteOptions {
  /** When the promise resolves. Default "durable". */
  readonly durability?: WriteDurability;
  readonly signal?: AbortSignal;
}

export interface ItemWriteOptions extends WriteOptions {
  /** Writes only if this is the item's version now, 0 if there is none; else STORE_CONFLICT, retryable. */
  readonly ifVersion?: number;
}

export interface EdgeWriteOptions extends WriteOptions {
  /** Writes only if the edge was last written by the write of this version, 0 if there is none; else STORE_CONFLICT. */
  readonly ifVersion?: number;
}

export interface WriteResult {
  /** What the items that were written have as `version`; 0 where the write waits, and nobody sees it yet. */
  readonly version: number;
  readonly durability: "durable" | "visible" | "queued";
  readonly level: StorageLevel;
}

/**
 * One change of an atomic batch. All conditions of a batch are looked at in the one moment in which it takes its place
 * among the writes, and speak of what was there before it; where one does not hold nothing of the batch is written
 * (STORE_CONFLICT, retryable). What has expired is not there.
 */
export type Change =
  | ({ readonly op: "put"; readonly collection: string; readonly id: string; readonly ifVersion?: number } & ItemInput)
  | { readonly op: "delete"; readonly collection: string; readonly id: string; readonly ifVersion?: number }
  | {
      readonly op: "link";
      readonly collection: string;
      readonly id: string;
      readonly edge: EdgeInput;
      /** As in `EdgeWriteOptions`. */
      readonly ifVersion?: number;
    }
  | {
      readonly op: "unlink";
      readonly collection: string;
      readonly id: string;
      readonly edge: Pick<EdgeInput, "type" | "target" | "collection">;
      readonly ifVersion?: number;
    }
  /** Changes nothing: a condition of the other changes. A batch of nothing else is refused. */
  | { readonly op: "check"; readonly collection: string; readonly id: string; readonly isThere: boolean };
