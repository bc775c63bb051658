/**
 * The embeddings of one collection in one layer of the store: in memory beside a memtable, or in a segment.
 *
 * A row is one version of an item. It is what a reader at a sequence number S sees if it was written at or before S and
 * no later version of its item was written at or before S. So each row keeps two numbers: the sequence number that
 * wrote it, and the one that hid it (`Infinity` while nothing did). Layers tell one another: whatever is written to a
 * key hides the rows of that key in all older layers, and hiding is final. A layer hides its own older rows by itself.
 *
 * A layer says nothing about layers beneath it. What is asked of several is put together by `search.ts`.
 */

import type { Metadata } from "../item/item.ts";
import type { VectorMetric } from "../vector/index.ts";

/** Of a collection, as its vector index needs it. */
export interface VectorSettings {
  readonly dimension: number;
  readonly metric: VectorMetric;
  /** Default "none". */
  readonly quantisation?: "none" | "int8" | undefined;
}

export interface VectorRow {
  readonly id: string;
  readonly sequence: number;
  /** undefined: this version has no embedding, or deletes the item; it only hides older ones. */
  readonly embedding: Float32Array | undefined;
  /** JSON; undefined or empty where there is none. */
  readonly metadataBytes: Uint8Array | undefined;
  /** 0 where it stays. */
  readonly expiryMs: number;
}

export interface VectorHit {
  readonly id: string;
  readonly sequence: number;
  readonly distance: number;
}

export interface LayerSearchOptions {
  /** 1 to 16,384. */
  readonly k: number;
  readonly ef: number;
  /** Of the reader: a number that was given out, never a mere "latest", or what is written meanwhile is missed. */
  readonly atSequence: number;
  readonly nowMs: number;
  readonly filter: RowFilter | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface LayerHits {
  /** The nearest first; of equal distances, in the order of the ids' bytes. */
  readonly hits: VectorHit[];
  /** All that match were compared. */
  readonly exact: boolean;
}

/** A filter that was made ready once for all layers; the same filter text or function gives the same object. */
export interface RowFilter {
  /** Throws never. The same for the same row, always: layers remember it. */
  passes(metadata: Metadata | undefined, id: string): boolean;
}

export interface VectorLayer {
  /** Rows with an embedding, hidden ones too. */
  readonly rows: number;
  readonly memoryBytes: number;
  /**
   * A newer layer has a version of this id that was written by `bySequence`, after all that this layer has of it: its
   * newest is hidden by that, the others were by one another. May be told twice, of several in any order. O(1).
   */
  hide(id: string, bySequence: number): void;
  /** Every version that this layer has, those without embedding too. */
  versions(): Iterable<readonly [id: string, sequence: number]>;
  search(query: Float32Array, options: LayerSearchOptions): Promise<LayerHits>;
  /** A copy of what a reader sees, as the index keeps it: at length 1 for cosine. Does not ask whether it expired. */
  embeddingOf(id: string, atSequence: number): Float32Array | undefined;
}
