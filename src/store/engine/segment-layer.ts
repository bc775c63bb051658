/** The layer of an immutable segment: its entries, and what was derived from them, read when it is first asked for. */

import { AssertionFailure, type HoldfastError } from "../../base/index.ts";
import type { Disk } from "../../disk/index.ts";
import { graphSectionType } from "../compaction/derived-sections.ts";
import type { CursorSource } from "../cursor.ts";
import { guarded } from "../damage/guarded-source.ts";
import { LostRanges } from "../damage/lost-ranges.ts";
import { entryKind, noBytes } from "../entry.ts";
import { adoptGraph, type GraphLayer } from "../graph/index.ts";
import { fileName } from "../manifest/names.ts";
import type { ManifestFile } from "../manifest/state.ts";
import type { LookupSource } from "../merge/lookup.ts";
import type { BlockCache } from "../segment/block-cache.ts";
import { openSegment, type Segment } from "../segment/segment.ts";
import type { CollectionFacts } from "./catalog.ts";
import { SegmentVectors } from "./vector-layers.ts";

export interface OpenLayerOptions {
  readonly disk: Disk;
  readonly folder: string;
  readonly cache: BlockCache;
  readonly file: ManifestFile;
  /** What was lost of the file. Default: nothing. */
  readonly lost?: LostRanges;
  /** Told of damage that readers come upon. */
  readonly onDamage?: ((error: HoldfastError) => void) | undefined;
}

const nothing: LookupSource & CursorSource = {
  get: () => undefined,
  cursor: () => ({
    ...{ valid: false, keyBytes: noBytes, keyFrom: 0, keyTo: 0, sequence: 0, kind: entryKind.tombstone, expiryMs: 0 },
    entry: () => {
      throw new AssertionFailure("there is no entry");
    },
    advance: () => undefined,
    close: () => undefined,
  }),
};

export class SegmentLayer {
  readonly file: ManifestFile;
  /** What was lost of it stands in the way of readers. */
  readonly source: LookupSource & CursorSource;
  /** For who goes by `lost` himself. */
  readonly unguarded: LookupSource & CursorSource;
  readonly lost: LostRanges;
  readonly hasGraph: boolean;
  readonly vectors = new SegmentVectors();
  readonly #segment: Segment | undefined;
  #isLoaded = false;
  #graph: GraphLayer | undefined;

  private constructor(file: ManifestFile, segment: Segment | undefined, lost: LostRanges) {
    this.file = file;
    this.lost = lost;
    this.unguarded = segment ?? nothing;
    this.source = guarded(this.unguarded, lost);
    this.#segment = segment;
    this.hasGraph = segment?.sectionTypes.includes(graphSectionType) === true;
  }

  /** Reads the end of the file and nothing else. Throws what `openSegment` throws. */
  static async open({ disk, folder, cache, file, lost, onDamage }: OpenLayerOptions): Promise<SegmentLayer> {
    const options = { disk, folder, name: fileName(file), fileId: file.id, expected: file, cache, readsNow: true };
    const segment = await openSegment({ ...options, onDamage });
    return new SegmentLayer(file, segment, lost ?? LostRanges.none);
  }

  /** Stands in for a file that cannot be opened: until it is salvaged, all that it may have held is lost. */
  static unreadable(file: ManifestFile, lost: LostRanges): SegmentLayer {
    return new SegmentLayer(file, undefined, lost);
  }

  /** undefined where it cannot be opened. */
  get segment(): Segment | undefined {
    return this.#segment;
  }

  get isLoaded(): boolean {
    return this.#isLoaded;
  }

  async load(): Promise<void> {
    await this.#segment?.load();
    this.#isLoaded = true;
  }

  get graph(): GraphLayer | undefined {
    return this.#graph;
  }

  async loadGraph(): Promise<void> {
    if (this.#graph !== undefined || !this.hasGraph) return;
    const bytes = await this.#segment?.section(graphSectionType);
    if (bytes !== undefined) this.#graph ??= adoptGraph(bytes);
  }

  async loadVectors(facts: CollectionFacts): Promise<void> {
    await this.vectors.load(this, facts);
  }

  async close(): Promise<void> {
    await this.#segment?.close();
  }
}
