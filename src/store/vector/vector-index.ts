/** The class behind `vectorIndex`: the one place where input is checked, and the methods that users see. */
import { assert, type Clock, delay, HoldfastError, systemClock } from "../../base/index.ts";
import { buildWork } from "./build.ts";
import type { VectorFilter } from "./filter.ts";
import { decodeWork, encodeIndex, type VectorAdoptOptions, type VectorSerialiseOptions } from "./format.ts";
import { IndexCore } from "./index-core.ts";
import {
  amount,
  settingsOf,
  type VectorIndexOptions,
  type VectorMetric,
  vectorLimits,
  wholeNumber,
} from "./options.ts";
import { unreachableRows } from "./reach.ts";
import { searchCore, type VectorSearchResult } from "./search.ts";

export interface VectorSearchOptions {
  /** How many to find, 1 to 16,384. Fewer come back only where fewer match. */
  readonly k: number;
  /** How many candidates the search keeps, up to 65,536: more find more, and take longer. At least k. Default 64. */
  readonly ef?: number;
  readonly filter?: VectorFilter;
}

export interface VectorBuildStepOptions {
  /** Stops at the first pause after that long. Default: no limit. */
  readonly budgetMs?: number;
  /** Stops after that many pieces of work; linking one vector is one. Default: no limit. */
  readonly items?: number;
  readonly clock?: Clock;
}

export interface VectorBuildOptions {
  /** Length of a slice, after which whatever else waits gets its turn. Default 8. */
  readonly sliceMs?: number;
  readonly clock?: Clock;
  /** Ends the build between two slices with the signal's reason; what was done stays, and can be gone on with. */
  readonly signal?: AbortSignal;
}

export interface VectorBuildProgress {
  readonly done: boolean;
  /** Vectors that have no links yet. */
  readonly pending: number;
}

export interface VectorIndexReport {
  /** Live and linked ids that a walk from the entry over level 0 does not reach. None in a built graph. */
  readonly unreachable: Uint32Array;
  /** Fewest and mean links on level 0 of the live vectors that are linked. */
  readonly leastDegree: number;
  readonly meanDegree: number;
  readonly topLevel: number;
}

export class VectorIndex {
  readonly #core: IndexCore;
  #work: Generator<void, void, void> | undefined;

  constructor(core: IndexCore, before?: Generator<void, void, void>) {
    this.#core = core;
    this.#work = before === undefined ? undefined : buildWork(core, before);
  }

  /** For what stands beside this class; the door does not show it. */
  static coreOf(index: VectorIndex): IndexCore {
    return index.#core;
  }

  get dimension(): number {
    return this.#core.settings.dimension;
  }

  get metric(): VectorMetric {
    return this.#core.settings.metric;
  }

  /** Live vectors. */
  get size(): number {
    return this.#core.liveCount;
  }

  /** Deleted vectors that still take room, until a merge. */
  get deleted(): number {
    return this.#core.column.count - this.#core.liveCount;
  }

  /** Live or deleted vectors that have no links yet; 0 where no graph is wanted. */
  get pending(): number {
    const { column, graph, wantsGraph } = this.#core;
    return wantsGraph ? column.count - graph.count : 0;
  }

  /** Which kernels work here. Both give the same answers. */
  get kernels(): "simd" | "javascript" {
    return this.#core.column.kernelKind;
  }

  /**
   * Takes a vector in under that id (32 bits). It is found from now on; its links come with `step` or `build`. Throws
   * STORE_VECTOR_DIMENSION, STORE_VECTOR_VALUE, STORE_VECTOR_ZERO, STORE_VECTOR_DUPLICATE, STORE_VECTOR_FULL,
   * STORE_VECTOR_OPTION; the index is as before then.
   */
  add(id: number, vector: Float32Array): void {
    wholeNumber("id", id, 0, 2 ** 32 - 1);
    this.#core.add(id, vector);
  }

  has(id: number): boolean {
    return this.#core.rowOf(id) >= 0;
  }

  /** A copy of the vector as it is kept (at length 1 for cosine), or undefined. */
  vectorOf(id: number): Float32Array | undefined {
    const row = this.#core.rowOf(id);
    return row < 0 ? undefined : this.#core.column.vectorAt(row).slice();
  }

  /** No search returns the id any more; it may be added anew. False where it is not there. */
  delete(id: number): boolean {
    return this.#core.delete(id);
  }

  /**
   * The k nearest of the live vectors, or of those the filter lets through. Exact where few match or links are still
   * missing, and says so. Throws STORE_VECTOR_DIMENSION, STORE_VECTOR_VALUE, STORE_VECTOR_ZERO, STORE_VECTOR_OPTION.
   */
  search(query: Float32Array, options: VectorSearchOptions): VectorSearchResult {
    const { k, ef = 64, filter } = options;
    wholeNumber("k", k, 1, vectorLimits.k);
    wholeNumber("ef", ef, 1, vectorLimits.ef);
    if (filter !== undefined && typeof filter !== "function" && !isBitmap(filter)) {
      throw new HoldfastError("STORE_VECTOR_OPTION", "the filter is no bitmap and no predicate", {
        hint: "a Uint32Array or Uint8Array of bits, or a function of an id",
      });
    }
    return searchCore(this.#core, query, k, Math.max(ef, k), filter);
  }

  /** Works on the graph for a while. Searches, additions and deletions may come between any two steps. */
  step(options: VectorBuildStepOptions = {}): VectorBuildProgress {
    const { budgetMs = Number.POSITIVE_INFINITY, items = Number.POSITIVE_INFINITY, clock = systemClock } = options;
    amount("budgetMs", budgetMs);
    amount("items", items);
    const endMs = clock.monotonicMs() + budgetMs;
    const core = this.#core;
    if (this.#work === undefined && this.pending > 0) this.#work = buildWork(core);
    for (let item = 0; this.#work !== undefined && item < items; item++) {
      if (this.#work.next().done === true) this.#work = undefined;
      if (clock.monotonicMs() >= endMs) break;
    }
    return { done: this.#work === undefined && this.pending === 0, pending: this.pending };
  }

  /** Builds the whole graph in slices, with a turn of the event loop between them. */
  async build(options: VectorBuildOptions = {}): Promise<void> {
    const { sliceMs = 8, clock = systemClock, signal } = options;
    amount("sliceMs", sliceMs);
    signal?.throwIfAborted();
    while (!this.step({ budgetMs: sliceMs, clock }).done) await delay(0, { clock, signal });
  }

  /**
   * The index as bytes that `adoptVectorIndex` takes without decoding. Links that are still to be made are made after
   * it is adopted. The same additions in the same order give the same bytes.
   */
  serialise(options: VectorSerialiseOptions = {}): Uint8Array<ArrayBuffer> {
    if (!this.#core.searchable) {
      throw new HoldfastError("STORE_VECTOR_UNFINISHED", "the merge has not been finished", {
        hint: "call step until it is done, or await build",
      });
    }
    return encodeIndex(this.#core, options);
  }

  /** Walks the whole graph; takes about as long as 20 links of each vector. */
  verify(): VectorIndexReport {
    const core = this.#core;
    const { graph } = core;
    let [linked, links, leastDegree] = [0, 0, Number.POSITIVE_INFINITY];
    for (let row = 0; row < graph.count; row++) {
      if (!core.isLive(row)) continue;
      const degree = graph.degree(row, 0);
      linked++;
      links += degree;
      leastDegree = Math.min(leastDegree, degree);
    }
    assert(linked <= core.liveCount, "no more rows are live than were counted");
    return {
      unreachable: Uint32Array.from(unreachableRows(core), (row) => core.ids[row]!),
      leastDegree: linked === 0 ? 0 : leastDegree,
      meanDegree: linked === 0 ? 0 : links / linked,
      topLevel: graph.topLevel,
    };
  }
}

function isBitmap(filter: unknown): boolean {
  return filter instanceof Uint32Array || filter instanceof Uint8Array;
}

/** An empty index. Throws STORE_VECTOR_OPTION, STORE_VECTOR_FULL. */
export function vectorIndex(options: VectorIndexOptions): VectorIndex {
  const settings = settingsOf(options);
  return new VectorIndex(new IndexCore(settings, options.capacity ?? 64, options.kernels));
}

/**
 * The index that `serialise` wrote. Throws STORE_VECTOR_CORRUPT where a byte has changed, the file is cut short, its id
 * is another, or its parts contradict each other; whatever the bytes are, what is returned can be searched safely.
 */
export function adoptVectorIndex(bytes: Uint8Array, options: VectorAdoptOptions = {}): VectorIndex {
  const work = decodeWork(bytes, options);
  for (;;) {
    const piece = work.next();
    if (piece.done === true) return new VectorIndex(piece.value);
  }
}

/** The same in slices, with a turn of the event loop between them. The bytes must stay as they are until then. */
export async function adoptVectorIndexInSlices(
  bytes: Uint8Array,
  options: VectorAdoptOptions & VectorBuildOptions = {},
): Promise<VectorIndex> {
  const { sliceMs = 8, clock = systemClock, signal } = options;
  amount("sliceMs", sliceMs);
  signal?.throwIfAborted();
  const work = decodeWork(bytes, options);
  for (let endMs = clock.monotonicMs() + sliceMs; ; ) {
    const piece = work.next();
    if (piece.done === true) return new VectorIndex(piece.value);
    if (clock.monotonicMs() < endMs) continue;
    await delay(0, { clock, signal });
    endMs = clock.monotonicMs() + sliceMs;
  }
}
