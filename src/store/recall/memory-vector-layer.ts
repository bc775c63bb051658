/**
 * The embeddings of a collection that have not been flushed yet: rows in the order of their commits, compared one by
 * one. Exact at any size, and fast up to the ten thousand rows or so after which a memtable is flushed.
 *
 * Versions of one id lie in a chain, the newest first; a version that is added hides those before it.
 */

import { assert, type Clock, systemClock } from "../../base/index.ts";
import { compareText } from "../graph/edge.ts";
import type { VectorIndex } from "../vector/index.ts";
import { emptyIndex, indexMemoryBytes } from "./embedding.ts";
import { FilterBits } from "./filter-bits.ts";
import { searchIndex } from "./index-search.ts";
import { MetadataCache } from "./metadata-cache.ts";
import { bothOf, RowVisibility } from "./row-visibility.ts";
import type { LayerHits, LayerSearchOptions, VectorLayer, VectorRow, VectorSettings } from "./vector-layer.ts";

/** What a version has instead of a row of the index. */
const noRow = -1;
const alwaysExact = 2 ** 32 - 1;

interface Version {
  readonly id: string;
  readonly sequence: number;
  /** Of the index. */
  readonly row: number;
  readonly before: Version | undefined;
}

interface StoredRow {
  readonly id: string;
  readonly metadataBytes: Uint8Array | undefined;
}

export interface MemoryVectorLayerOptions {
  readonly settings: VectorSettings;
  readonly clock?: Clock;
}

export class MemoryVectorLayer implements VectorLayer {
  readonly #settings: VectorSettings;
  readonly #index: VectorIndex;
  readonly #visibility = new RowVisibility(64);
  readonly #rows: StoredRow[] = [];
  readonly #newest = new Map<string, Version>();
  readonly #metadata = new MetadataCache();
  readonly #filters: FilterBits;
  #versions = 0;
  #storedBytes = 0;
  #lastSequence = 0;

  constructor({ settings, clock = systemClock }: MemoryVectorLayerOptions) {
    this.#settings = settings;
    // Codes are for graphs: here they would take room and save nothing.
    this.#index = emptyIndex({ ...settings, quantisation: "none" }, alwaysExact);
    const rows = this.#rows;
    const metadata = this.#metadata;
    const source = {
      get count(): number {
        return rows.length;
      },
      idOf: (row: number) => rows[row]!.id,
      metadataOf: (row: number) => metadata.of(row, rows[row]!.metadataBytes),
    };
    this.#filters = new FilterBits(source, clock);
  }

  get rows(): number {
    return this.#rows.length;
  }

  get memoryBytes(): number {
    const { quantisation: _, ...plain } = this.#settings;
    const index = indexMemoryBytes(plain, this.#rows.length, false);
    return index + this.#visibility.memoryBytes + this.#metadata.memoryBytes + this.#storedBytes + this.#versions * 96;
  }

  /**
   * The next version, in the order of the commits. Throws what `checkEmbedding` does, and STORE_VECTOR_FULL; the layer
   * is as before then.
   */
  add({ id, sequence, embedding, metadataBytes, expiryMs }: VectorRow): void {
    assert(sequence >= this.#lastSequence, "rows come in the order of their commits");
    const row = embedding === undefined ? noRow : this.#rows.length;
    if (embedding !== undefined) {
      this.#index.add(row, embedding);
      this.#visibility.add(sequence, expiryMs);
      this.#rows.push({ id, metadataBytes });
    }
    const before = this.#newest.get(id);
    if (before !== undefined && before.row !== noRow) {
      if (before.sequence === sequence) this.#visibility.retire(before.row);
      else this.#visibility.hide(before.row, sequence);
    }
    this.#newest.set(id, { id, sequence, row, before });
    this.#lastSequence = sequence;
    this.#versions++;
    this.#storedBytes += id.length * 2 + (metadataBytes?.length ?? 0);
  }

  hide(id: string, bySequence: number): void {
    const newest = this.#newest.get(id);
    if (newest !== undefined && newest.row !== noRow) this.#visibility.hide(newest.row, bySequence);
  }

  *versions(): Generator<readonly [id: string, sequence: number]> {
    for (const newest of this.#newest.values()) {
      for (let version: Version | undefined = newest; version !== undefined; version = version.before) {
        yield [version.id, version.sequence];
      }
    }
  }

  async search(query: Float32Array, options: LayerSearchOptions): Promise<LayerHits> {
    const { k, ef, atSequence, nowMs, filter, signal } = options;
    const passing = filter === undefined ? undefined : await this.#filters.of(filter, signal);
    signal?.throwIfAborted();
    const accepted = bothOf(this.#visibility.at(atSequence, nowMs), passing);
    const rows = this.#rows;
    const compare = (a: number, b: number): number => compareText(rows[a]!.id, rows[b]!.id);
    const found = searchIndex(this.#index, query, { k, ef, accepted, compare });
    const hits = found.rows.map((row, place) => {
      return { id: rows[row]!.id, sequence: this.#visibility.sequenceOf(row), distance: found.distances[place]! };
    });
    return { hits, exact: found.exact };
  }

  embeddingOf(id: string, atSequence: number): Float32Array | undefined {
    let version = this.#newest.get(id);
    while (version !== undefined && version.sequence > atSequence) version = version.before;
    if (version === undefined || version.row === noRow) return undefined;
    return this.#visibility.isVisible(version.row, atSequence) ? this.#index.vectorOf(version.row) : undefined;
  }
}
