/**
 * The embeddings of one collection in one layer of the store: in memory beside a memtable, or in a segment.
 *
 * A row is one version of an item. It is what a reader at a sequence number S sees if it was written at or before S and
 * no later version of its item was written at or before S. So each row keeps two numbers: the sequence number that
 * wrote it, and the one that hid it (`Infinity` while nothing did). Layers tell one another: whatever is written to a
 * key hides the rows of that key in all older layers, and hiding is final.
 */

import type { Metadata } from "../item/item.ts";

export interface VectorRow {
  readonly id: string;
  readonly sequence: number;
  /** undefined: this version has no embedding, or deletes the item; it only hides older ones. */
  readonly embedding: Float32Array | undefined;
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
  readonly k: number;
  readonly ef: number;
  readonly atSequence: number;
  readonly nowMs: number;
  readonly filter: RowFilter | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A filter that was made ready once for all layers; the same filter text or function gives the same object. */
export interface RowFilter {
  passes(metadata: Metadata | undefined, id: string): boolean;
}

export interface VectorLayer {
  /** Rows with an embedding, hidden ones too. */
  readonly rows: number;
  readonly memoryBytes: number;
  /** Something newer was written under this id. Keeps the smallest sequence number above the row's own. */
  hide(id: string, bySequence: number): void;
  /** Every id that this layer has a version of, with its newest sequence number, and those without embedding too. */
  versions(): Iterable<readonly [id: string, sequence: number]>;
  search(
    query: Float32Array,
    options: LayerSearchOptions,
  ): Promise<{ readonly hits: VectorHit[]; readonly exact: boolean }>;
  embeddingOf(id: string, atSequence: number): Float32Array | undefined;
}
