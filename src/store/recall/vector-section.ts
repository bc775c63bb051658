/**
 * The two sections that a segment has for a collection with embeddings: the rows column and the vector index. They
 * follow from the segment's entries, and can be made anew from them.
 *
 * Up to `exactBelow` embeddings the index is vectors alone: comparing all is as fast, and exact. Above, it has a graph.
 * A compaction gives the layers that it merges: where one of them has a graph, its links are kept and mended instead of
 * building anew (src/store/vector/merge.ts), which takes a fraction of the time and loses no recall.
 */

import { crc32 } from "node:zlib";
import { assert, HoldfastError } from "../../base/index.ts";
import { mergeVectorIndexes, type VectorIndex, type VectorMergePart } from "../vector/index.ts";
import { emptyIndex, indexMemoryBytes } from "./embedding.ts";
import { GrowingNumbers } from "./growing.ts";
import { RowsColumnWriter } from "./rows-column.ts";
import type { SegmentVectorLayer } from "./segment-vector-layer.ts";
import type { VectorRow, VectorSettings } from "./vector-layer.ts";

export interface VectorSectionOptions {
  readonly settings: VectorSettings;
  /** Of the segment that they are for. */
  readonly fileId: number;
  /** Default 10,000. */
  readonly exactBelow?: number;
  /** The layers of the same collection in the segments that are merged; fewer or none are right too, and slower. */
  readonly inputs?: readonly SegmentVectorLayer[];
}

export interface FinishOptions {
  /** Makes the index's links, all of them. Default: `index.build` in slices. */
  readonly build?: (index: VectorIndex) => Promise<void>;
  readonly signal?: AbortSignal | undefined;
}

export interface VectorSections {
  readonly rows: Uint8Array;
  readonly index: Uint8Array;
}

/** What a section of a segment may have at most. */
const limitBytes = 2 ** 31 - 1;
const withoutGraph = 2 ** 32 - 1;

/** What lives on of a layer: its vectors' rows in the new segment. */
interface Kept {
  readonly layer: SegmentVectorLayer;
  readonly keep: Uint32Array;
  readonly rowOf: Uint32Array;
}

export class VectorSectionBuilder {
  readonly #settings: VectorSettings;
  readonly #fileId: number;
  readonly #exactBelow: number;
  readonly #column = new RowsColumnWriter();
  readonly #kept: readonly Kept[];
  /** What is in none of the layers; its ids count from 0. */
  readonly #fresh: VectorIndex;
  readonly #rowOfFresh = new GrowingNumbers();
  #vectors = 0;

  constructor({ settings, fileId, exactBelow = 10_000, inputs = [] }: VectorSectionOptions) {
    this.#settings = settings;
    this.#fileId = fileId;
    this.#exactBelow = exactBelow;
    const merges = inputs.some((layer) => layer.rows > exactBelow);
    this.#kept = (merges ? inputs : []).map((layer) => ({
      layer,
      keep: new Uint32Array((layer.rows + 31) >>> 5),
      rowOf: new Uint32Array(layer.rows),
    }));
    this.#fresh = emptyIndex(settings, merges ? withoutGraph : exactBelow);
  }

  /** Rows so far, with an embedding or not. Without any, the segment needs no sections for this collection. */
  get rows(): number {
    return this.#column.rows;
  }

  /** About what the larger section will take: the segment should end before it comes near 2 GiB. */
  get sizeBytes(): number {
    return Math.max(this.#column.sizeBytes, indexMemoryBytes(this.#settings, this.#vectors, true));
  }

  /**
   * The next version: ids ascending by their bytes, and within an id the newest first. Throws STORE_VECTOR_DIMENSION
   * and the like for what `checkEmbedding` does not let through, STORE_VECTOR_FULL beyond 4 GiB of vectors.
   */
  add({ id, sequence, embedding, metadataBytes, expiryMs }: VectorRow): void {
    if (embedding === undefined) {
      this.#column.add(id, sequence, expiryMs, undefined);
      return;
    }
    const source = this.#sourceOf(id, sequence);
    if (source === undefined) this.#fresh.add(this.#rowOfFresh.length, embedding);
    const row = this.#column.add(id, sequence, expiryMs, metadataBytes);
    this.#vectors++;
    if (source === undefined) {
      this.#rowOfFresh.push(row);
      return;
    }
    const { kept, vector } = source;
    kept.keep[vector >>> 5]! |= 1 << (vector & 31);
    kept.rowOf[vector] = row;
  }

  /** Throws STORE_VECTOR_FULL where a section would be larger than a segment takes; the signal's reason. */
  async finish({ build, signal }: FinishOptions = {}): Promise<VectorSections> {
    signal?.throwIfAborted();
    const { index, rowOfVector } = this.#merged();
    await (build === undefined ? index.build({ ...(signal && { signal }) }) : build(index));
    signal?.throwIfAborted();
    assert(index.size === this.#vectors && index.pending === 0, "all vectors are in the index, with their links");
    const bytes = index.serialise({ fileId: BigInt(this.#fileId), checksum: crc32 });
    if (bytes.length > limitBytes) {
      throw new HoldfastError("STORE_VECTOR_FULL", `${this.#vectors} vectors take ${bytes.length} bytes`, {
        hint: "A segment has room for 2 GiB of vectors: end it earlier.",
      });
    }
    return { rows: this.#column.finish(rowOfVector, this.#fileId), index: bytes };
  }

  #sourceOf(id: string, sequence: number): { readonly kept: Kept; readonly vector: number } | undefined {
    for (const kept of this.#kept) {
      const vector = kept.layer.vectorOfVersion(id, sequence);
      if (vector !== -1) return { kept, vector };
    }
    return undefined;
  }

  /** The index, and the row of each of its ids. */
  #merged(): { readonly index: VectorIndex; readonly rowOfVector: Float64Array } {
    if (this.#kept.length === 0) return { index: this.#fresh, rowOfVector: this.#rowOfFresh.view };
    const rowOfVector = new GrowingNumbers();
    // A merge asks for the new id of each vector as it takes it in: counted, they are the rows of the merged index.
    const next = (row: number): number => {
      rowOfVector.push(row);
      return rowOfVector.length - 1;
    };
    const parts: VectorMergePart[] = this.#kept.map(({ layer, keep, rowOf }) => {
      return { index: layer.index, keep, idOf: (vector) => next(rowOf[vector]!) };
    });
    parts.push({ index: this.#fresh, idOf: (vector) => next(this.#rowOfFresh.at(vector)) });
    const { quantisation = "none" } = this.#settings;
    const index = mergeVectorIndexes(parts, { exactBelow: this.#exactBelow, quantisation });
    return { index, rowOfVector: rowOfVector.view };
  }
}
