/**
 * The vectors of a segment's items, by collection: two sections for each that has any, its rows and its index.
 *
 *     512 + 2n   rows of collection n      513 + 2n   its vector index
 */

import { type Entry, entryKind } from "../entry.ts";
import { idIn, itemPrefix } from "../item/item-key.ts";
import { ItemRecord } from "../item/record.ts";
import {
  adoptVectorLayer,
  type SegmentVectorLayer,
  type VectorRow,
  VectorSectionBuilder,
  type VectorSettings,
} from "../recall/index.ts";
import type { Segment } from "../segment/segment.ts";
import type { SectionBuilder, SectionCollection, SectionContext } from "./derived-sections.ts";

/** A merge makes a graph from here on, and a search uses it. */
const graphFrom = 4_096;

export function vectorSectionTypes(collection: number): { readonly rows: number; readonly index: number } {
  return { rows: 512 + 2 * collection, index: 513 + 2 * collection };
}

export function vectorSectionBuilders(context: SectionContext): SectionBuilder[] {
  return context.collections.flatMap(({ name, number, vectors }) =>
    vectors === undefined ? [] : vectorSectionBuilder({ name, number, vectors }, context),
  );
}

type VectorCollection = SectionCollection & { readonly vectors: VectorSettings };

function vectorSectionBuilder(collection: VectorCollection, context: SectionContext): SectionBuilder {
  const { fileId, inputs = [], exactBelow = graphFrom } = context;
  const { vectors: settings, number } = collection;
  const prefix = itemPrefix(collection.name);
  let builder: VectorSectionBuilder | undefined;
  const added = (entry: Entry, to: VectorSectionBuilder): void => to.add(vectorRowOf(entry, prefix.length));
  return {
    add(entry) {
      if (!hasPrefix(entry.key, prefix)) return;
      if (builder !== undefined) return added(entry, builder);
      return graphsOf(inputs, collection).then((layers) => {
        builder = new VectorSectionBuilder({ settings, fileId, exactBelow, inputs: layers });
        added(entry, builder);
      });
    },
    async finish(signal) {
      if (builder === undefined || builder.rows === 0) return [];
      const { rows, index } = await builder.finish({ signal });
      const types = vectorSectionTypes(number);
      return [
        { type: types.rows, parts: [rows] },
        { type: types.index, parts: [index] },
      ];
    },
  };
}

/** What an entry under the key of an item says of its vector: that it has one, or that older ones are over. */
export function vectorRowOf({ key, kind, value, sequence, expiryMs }: Entry, prefixBytes: number): VectorRow {
  const common = { id: idIn(key, prefixBytes), sequence, expiryMs };
  if (kind !== entryKind.value) return { ...common, embedding: undefined, metadataBytes: undefined };
  const record = new ItemRecord(value);
  return { ...common, embedding: record.embedding, metadataBytes: record.metadataBytes };
}

export function hasPrefix(key: Uint8Array, prefix: Uint8Array): boolean {
  if (key.length < prefix.length) return false;
  for (let place = prefix.length - 1; place >= 0; place--) if (key[place] !== prefix[place]) return false;
  return true;
}

/** The layers of the segments, where one of them is large enough to have links that are worth keeping. */
async function graphsOf(inputs: readonly Segment[], collection: VectorCollection): Promise<SegmentVectorLayer[]> {
  const { dimension } = collection.vectors;
  const { index } = vectorSectionTypes(collection.number);
  const bytesOf = (segment: Segment): number =>
    segment.file.sections.find(({ type }) => type === index)?.lengthBytes ?? 0;
  if (!inputs.some((segment) => bytesOf(segment) > graphFrom * dimension * 4)) return [];
  const layers: SegmentVectorLayer[] = [];
  for (const segment of inputs) {
    const layer = await vectorLayerOf(segment, collection);
    if (layer !== undefined) layers.push(layer);
  }
  return layers;
}

/** What the segment has of the collection; undefined where it has nothing. */
export async function vectorLayerOf(
  segment: Segment,
  { number, vectors: settings }: Pick<VectorCollection, "number" | "vectors">,
  signal?: AbortSignal,
): Promise<SegmentVectorLayer | undefined> {
  const types = vectorSectionTypes(number);
  const rows = await segment.section(types.rows);
  const index = await segment.section(types.index);
  if (rows === undefined || index === undefined) return undefined;
  const { path, fileId } = segment;
  return await adoptVectorLayer({ rows, index, settings, fileId, path, exactBelow: graphFrom, signal });
}
