/**
 * The embeddings of a collection in a segment, adopted from the two sections that `VectorSectionBuilder` made: the rows
 * column, read where it lies, and the vector index. What is hidden comes to be known in memory only: it follows from
 * what is newer, and is told anew when a store is opened.
 */

import { crc32 } from "node:zlib";
import { type Clock, HoldfastError, systemClock } from "../../base/index.ts";
import { corruptError } from "../segment/damage.ts";
import { adoptVectorIndexInSlices, type VectorIndex } from "../vector/index.ts";
import { type AdoptedRows, adoptRows } from "./adopt-rows.ts";
import { indexMemoryBytes } from "./embedding.ts";
import { FilterBits } from "./filter-bits.ts";
import { searchIndex } from "./index-search.ts";
import { MetadataCache } from "./metadata-cache.ts";
import { RowOfId } from "./row-of-id.ts";
import { bothOf, RowVisibility } from "./row-visibility.ts";
import { hasSameId, layoutOf, type RowsColumns } from "./rows-column.ts";
import { Slices } from "./slices.ts";
import type { LayerHits, LayerSearchOptions, VectorLayer, VectorSettings } from "./vector-layer.ts";

export interface AdoptVectorLayerOptions {
  /** Stays in use: it must not be written to. */
  readonly rows: Uint8Array;
  /** Is copied. */
  readonly index: Uint8Array;
  readonly settings: VectorSettings;
  readonly fileId: number;
  /** Of the segment, for errors; and where in it the sections begin, where that is known. */
  readonly path: string;
  readonly rowsOffset?: number;
  readonly indexOffset?: number;
  /** As for the builder. Default 10,000. */
  readonly exactBelow?: number;
  readonly clock?: Clock;
  readonly signal?: AbortSignal | undefined;
}

/**
 * In slices. Throws STORE_SEGMENT_CORRUPT, with path and offset, where a byte has changed or the sections contradict
 * each other, and STORE_VERSION for a newer format. Both sections follow from the segment's entries: they can be made
 * anew.
 */
export async function adoptVectorLayer(options: AdoptVectorLayerOptions): Promise<SegmentVectorLayer> {
  const { path, fileId, rowsOffset: offset, clock = systemClock, signal } = options;
  signal?.throwIfAborted();
  const slices = new Slices(clock);
  const adopted = await adoptRows(options.rows, { path, fileId, offset }, slices, signal);
  const index = await indexIn(options, adopted.counts.vectors, slices);
  const table = await RowOfId.of(adopted.columns, slices, signal);
  const visibility = await visibilityOf(adopted, slices, signal);
  return new SegmentVectorLayer(options, adopted, index, table, visibility);
}

async function indexIn(options: AdoptVectorLayerOptions, vectors: number, slices: Slices): Promise<VectorIndex> {
  const { path, fileId, settings, indexOffset = 0, exactBelow = 10_000, clock = systemClock, signal } = options;
  const bad = (offset: number, reason: string): HoldfastError =>
    corruptError({ path, offset: indexOffset + offset, section: "vectors", reason });
  let index: VectorIndex;
  try {
    const bound = { fileId: BigInt(fileId), checksum: crc32, exactBelow };
    index = await adoptVectorIndexInSlices(options.index, { ...bound, clock, ...(signal && { signal }) });
  } catch (error) {
    if (!HoldfastError.is(error) || error.code !== "STORE_VECTOR_CORRUPT") throw error;
    throw bad(Number(error.details["offset"]), error.rawMessage);
  }
  if (index.dimension !== settings.dimension || index.metric !== settings.metric) {
    throw bad(12, `it is for ${index.metric} over ${index.dimension} numbers, as its collection is not`);
  }
  let isWhole = index.size === vectors && index.deleted === 0;
  for (let id = 0; isWhole && id < vectors; id++) {
    isWhole = index.has(id);
    if (id % 64 === 63 && slices.isSpent(64)) await slices.pause(signal);
  }
  if (!isWhole) throw bad(0, `its ${index.size} vectors are not the ${vectors} of the rows`);
  return index;
}

interface Vectors {
  readonly visibility: RowVisibility;
  /** By row; -1 where it has none. */
  readonly ofRow: Int32Array;
}

/** What the layer's own versions hide of one another is known from the start. */
async function visibilityOf({ columns, counts }: AdoptedRows, slices: Slices, signal?: AbortSignal): Promise<Vectors> {
  const { sequences, expiries, rowOfVector } = columns;
  const visibility = new RowVisibility(counts.vectors);
  const ofRow = new Int32Array(counts.rows).fill(-1);
  for (const [vector, row] of rowOfVector.entries()) {
    visibility.add(sequences[row]!, counts.someExpire ? expiries[row]! : 0);
    ofRow[row] = vector;
    if (vector % 64 === 63 && slices.isSpent(64)) await slices.pause(signal);
  }
  for (let row = 1; row < counts.rows; row++) {
    if (ofRow[row] !== -1 && hasSameId(columns, row - 1, row)) visibility.hide(ofRow[row]!, sequences[row - 1]!);
    if (row % 64 === 63 && slices.isSpent(64)) await slices.pause(signal);
  }
  return { visibility, ofRow };
}

export class SegmentVectorLayer implements VectorLayer {
  readonly index: VectorIndex;
  readonly #options: AdoptVectorLayerOptions;
  readonly #adopted: AdoptedRows;
  readonly #columns: RowsColumns;
  readonly #ids: Buffer;
  readonly #table: RowOfId;
  readonly #visibility: RowVisibility;
  readonly #vectorOfRow: Int32Array;
  readonly #metadata = new MetadataCache();
  readonly #filters: FilterBits;

  /** Use `adoptVectorLayer`. */
  constructor(
    options: AdoptVectorLayerOptions,
    adopted: AdoptedRows,
    index: VectorIndex,
    table: RowOfId,
    { visibility, ofRow }: Vectors,
  ) {
    this.index = index;
    // The section of the index was copied, and is let go.
    this.#options = { ...options, index: new Uint8Array(0) };
    this.#adopted = adopted;
    this.#columns = adopted.columns;
    const { ids } = adopted.columns;
    this.#ids = Buffer.from(ids.buffer, ids.byteOffset, ids.length);
    this.#table = table;
    this.#visibility = visibility;
    this.#vectorOfRow = ofRow;
    const source = {
      count: index.size,
      idOf: (vector: number) => this.#idOfVector(vector),
      metadataOf: (vector: number) => this.#metadataOf(vector),
    };
    this.#filters = new FilterBits(source, options.clock ?? systemClock);
  }

  get rows(): number {
    return this.index.size;
  }

  get memoryBytes(): number {
    const { settings, exactBelow = 10_000 } = this.#options;
    const index = indexMemoryBytes(settings, this.rows, this.rows > exactBelow);
    const columns = layoutOf(this.#adopted.counts).endBytes + this.#vectorOfRow.byteLength;
    return index + columns + this.#table.memoryBytes + this.#visibility.memoryBytes + this.#metadata.memoryBytes;
  }

  hide(id: string, bySequence: number): void {
    const row = this.#table.find(id);
    const vector = row === -1 ? -1 : this.#vectorOfRow[row]!;
    if (vector !== -1) this.#visibility.hide(vector, bySequence);
  }

  *versions(): Generator<readonly [id: string, sequence: number]> {
    const { sequences } = this.#columns;
    for (let row = 0; row < sequences.length; row++) yield [this.#idOfRow(row), sequences[row]!];
  }

  async search(query: Float32Array, options: LayerSearchOptions): Promise<LayerHits> {
    const { k, ef, atSequence, nowMs, filter, signal } = options;
    const passing = filter === undefined ? undefined : await this.#filters.of(filter, signal);
    signal?.throwIfAborted();
    const accepted = bothOf(this.#visibility.at(atSequence, nowMs), passing);
    const { rowOfVector } = this.#columns;
    // Rows are in the order of their ids.
    const compare = (a: number, b: number): number => rowOfVector[a]! - rowOfVector[b]!;
    const found = searchIndex(this.index, query, { k, ef, accepted, compare });
    const hits = found.rows.map((vector, place) => ({
      id: this.#idOfVector(vector),
      sequence: this.#visibility.sequenceOf(vector),
      distance: found.distances[place]!,
    }));
    return { hits, exact: found.exact };
  }

  embeddingOf(id: string, atSequence: number): Float32Array | undefined {
    const { sequences } = this.#columns;
    let row = this.#table.find(id);
    while (row !== -1 && sequences[row]! > atSequence) row = this.#olderVersion(row);
    const vector = row === -1 ? -1 : this.#vectorOfRow[row]!;
    if (vector === -1 || !this.#visibility.isVisible(vector, atSequence)) return undefined;
    return this.index.vectorOf(vector);
  }

  /** The id in the index of the embedding that this very version has, or -1. */
  vectorOfVersion(id: string, sequence: number): number {
    let row = this.#table.find(id);
    while (row !== -1 && this.#columns.sequences[row] !== sequence) row = this.#olderVersion(row);
    return row === -1 ? -1 : this.#vectorOfRow[row]!;
  }

  /** The row after this one where it is of the same id, or -1. */
  #olderVersion(row: number): number {
    return row + 1 < this.#columns.sequences.length && hasSameId(this.#columns, row, row + 1) ? row + 1 : -1;
  }

  #idOfVector(vector: number): string {
    return this.#idOfRow(this.#columns.rowOfVector[vector]!);
  }

  #idOfRow(row: number): string {
    const { idStarts } = this.#columns;
    return this.#ids.toString("utf8", idStarts[row], idStarts[row + 1]);
  }

  #metadataOf(vector: number) {
    const { metadata, metadataStarts, rowOfVector } = this.#columns;
    const row = rowOfVector[vector]!;
    const from = metadataStarts[row]!;
    try {
      return this.#metadata.of(vector, metadata.subarray(from, metadataStarts[row + 1]!));
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      const { path, rowsOffset = 0 } = this.#options;
      const offset = rowsOffset + layoutOf(this.#adopted.counts).metadataAt + from;
      throw corruptError({ path, offset, section: "rows", reason: `the metadata of row ${row} is no JSON` });
    }
  }
}
