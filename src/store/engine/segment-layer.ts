/** The layer of an immutable segment: its entries, and what was derived from them, read when it is first asked for. */

import type { Disk } from "../../disk/index.ts";
import { graphSectionType } from "../compaction/derived-sections.ts";
import type { CursorSource } from "../cursor.ts";
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
}

export class SegmentLayer {
  readonly file: ManifestFile;
  readonly source: LookupSource & CursorSource;
  readonly hasGraph: boolean;
  readonly vectors = new SegmentVectors();
  readonly #segment: Segment;
  #isLoaded = false;
  #graph: GraphLayer | undefined;

  private constructor(file: ManifestFile, segment: Segment) {
    this.file = file;
    this.source = segment;
    this.#segment = segment;
    this.hasGraph = segment.sectionTypes.includes(graphSectionType);
  }

  /** Reads the end of the file and nothing else. Throws what `openSegment` throws. */
  static async open({ disk, folder, cache, file }: OpenLayerOptions): Promise<SegmentLayer> {
    const options = { disk, folder, name: fileName(file), fileId: file.id, expected: file, cache, readsNow: true };
    return new SegmentLayer(file, await openSegment(options));
  }

  get segment(): Segment {
    return this.#segment;
  }

  get isLoaded(): boolean {
    return this.#isLoaded;
  }

  async load(): Promise<void> {
    await this.#segment.load();
    this.#isLoaded = true;
  }

  get graph(): GraphLayer | undefined {
    return this.#graph;
  }

  async loadGraph(): Promise<void> {
    if (this.#graph !== undefined || !this.hasGraph) return;
    const bytes = await this.#segment.section(graphSectionType);
    if (bytes !== undefined) this.#graph ??= adoptGraph(bytes);
  }

  async loadVectors(facts: CollectionFacts): Promise<void> {
    await this.vectors.load(this, facts);
  }

  async close(): Promise<void> {
    await this.#segment.close();
  }
}
