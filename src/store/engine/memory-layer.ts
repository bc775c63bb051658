/**
 * The layer that is written to: a memtable, and beside it what its entries say of the graph and of vectors. Once frozen
 * it changes no more, and stays for readers that began with it after it was flushed.
 */

import { edgeChangeOf } from "../compaction/derived-sections.ts";
import { LostRanges } from "../damage/lost-ranges.ts";
import type { Entry } from "../entry.ts";
import { GraphDelta } from "../graph/index.ts";
import { Memtable } from "../memtable/memtable.ts";
import { MemoryVectors } from "./vector-layers.ts";

export class MemoryLayer {
  readonly source = new Memtable();
  readonly unguarded = this.source;
  readonly graph = new GraphDelta();
  readonly vectors = new MemoryVectors();
  readonly isLoaded = true;
  readonly hasGraph = true;
  readonly lost = LostRanges.none;

  /** Of one commit, all at once: readers see all of them or none. Vectors are noted by `Vectors`. */
  apply(entries: readonly Entry[]): void {
    for (const entry of entries) {
      this.source.put(entry);
      const change = edgeChangeOf(entry);
      if (change !== undefined) this.graph.write(change);
    }
  }
}
