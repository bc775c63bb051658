/** A whole closed store for tests, made of its parts: items, edges, contents, a tombstone, and a log with more. */

import { join } from "node:path";
import { utf8 } from "../../base/index.ts";
import type { SimDisk } from "../../disk/index.ts";
import { openWal } from "../../wal/index.ts";
import { ContentWriter } from "../content/content-writer.ts";
import { encodeHandle } from "../content/index.ts";
import { type Entry, entryKind } from "../entry.ts";
import { type EdgeChange, encodeGraph } from "../graph/index.ts";
import { edgeKey, itemKey, itemPrefix, nodeName, parseKey } from "../item/item-key.ts";
import { encodeRecord, ItemRecord } from "../item/record.ts";
import type { Manifest } from "../manifest/manifest.ts";
import { fileName } from "../manifest/names.ts";
import { openManifest } from "../manifest/open-manifest.ts";
import type { ManifestFile } from "../manifest/state.ts";
import { SegmentWriter } from "../segment/segment-writer.ts";
import { manifestFileOf } from "./lost.ts";
import { compareEntries, plainEntry, tombstone } from "./model.ts";

export const prefix = itemPrefix("notes");

export function itemEntry(id: string, sequence: number, content: string, handle?: Uint8Array): Entry {
  const times = { createdMs: 1_000, updatedMs: 1_000 + sequence };
  const metadata = { number: sequence };
  const record = encodeRecord({ content, embedding: Float32Array.of(sequence, 1), metadata, ...times });
  const value = handle === undefined ? record : new ItemRecord(record).withHandle(handle);
  return { ...plainEntry(itemKey(prefix, id), sequence, value), kappa: 0.5 };
}

export function edgeEntry(source: string, target: string, sequence: number, weight?: number): Entry {
  const key = edgeKey({ source: nodeName("notes", source), type: "next", target: nodeName("notes", target) });
  if (weight === undefined) return tombstone(key, sequence);
  return plainEntry(key, sequence, new Uint8Array(Float32Array.of(weight).buffer));
}

export async function writeStoreSegment(
  disk: SimDisk,
  folder: string,
  id: number,
  entries: readonly Entry[],
): Promise<ManifestFile> {
  const name = fileName({ id, kind: "segment" });
  const writer = await SegmentWriter.create({ disk, folder, name, fileId: id, blockBytes: 1_024 });
  const sorted = entries.toSorted(compareEntries);
  for (const entry of sorted) await writer.add(entry);
  await writer.addSection(256, [encodeGraph(sorted.flatMap(changeOf))]);
  return manifestFileOf(await writer.finish());
}

function changeOf({ key, sequence, kind, value }: Entry): EdgeChange[] {
  const parsed = parseKey(key);
  if (parsed?.kind !== "edge") return [];
  const { source, type, target } = parsed;
  const isGone = kind === entryKind.tombstone;
  const weight = isGone ? undefined : new DataView(value.buffer, value.byteOffset).getFloat32(0, true);
  return [{ source, type, target, weight, sequence }];
}

/** The content file, and an item for each of its contents. */
export async function writeStoreContent(
  disk: SimDisk,
  folder: string,
  id: number,
  ids: readonly string[],
  firstSequence: number,
): Promise<{ readonly file: ManifestFile; readonly entries: readonly Entry[] }> {
  const writer = await ContentWriter.create(disk, folder, join(folder, fileName({ id, kind: "content" })), id);
  const entries: Entry[] = [];
  for (const [place, name] of ids.entries()) {
    const text = `a long content of ${name} `.repeat(20);
    const handle = encodeHandle(await writer.add(utf8(text)));
    entries.push(itemEntry(name, firstSequence + place, text, handle));
  }
  const { sizeBytes } = await writer.finish();
  const nothing = { level: 0, checksum: 0, entries: 0, tombstones: 0, smallestSequence: 0, largestSequence: 0 };
  const file: ManifestFile = {
    id,
    kind: "content",
    sizeBytes,
    smallestKey: utf8(""),
    largestKey: utf8(""),
    ...nothing,
  };
  return { file, entries };
}

/** Flushes some items as an engine does: their contents, a segment, an edit. */
export async function flushItems(
  disk: SimDisk,
  folder: string,
  manifest: Manifest,
  options: { readonly names: readonly string[]; readonly firstSequence: number; readonly remove?: readonly number[] },
): Promise<void> {
  const { names, firstSequence, remove = [] } = options;
  const content = await writeStoreContent(disk, folder, manifest.newFileId(), names, firstSequence);
  const next = firstSequence + names.length;
  const edges = names.map((name, place) => edgeEntry(name, names[0], next + place, place + 0.5));
  const last = next + names.length;
  const gone = [tombstone(itemKey(prefix, "gone"), last), edgeEntry("gone", "gone", last)];
  const segment = await writeStoreSegment(disk, folder, manifest.newFileId(), [...content.entries, ...edges, ...gone]);
  await manifest.apply({ add: [content.file, segment], remove, flushedPosition: last });
}

/** With the identity that backups know it by, two segments, two content files, and a log that goes on. */
export async function madeStore(disk: SimDisk, folder: string, identity = "a store"): Promise<void> {
  const { manifest } = await openManifest({ disk, folder });
  await manifest.apply({ values: { "store.identity": identity, "collection.notes": JSON.stringify({ number: 0 }) } });
  await flushItems(disk, folder, manifest, { names: ["a", "b", "c"], firstSequence: 1 });
  await flushItems(disk, folder, manifest, { names: ["d", "e"], firstSequence: 8 });
  const firstSequence = manifest.state.flushedPosition + 1;
  await manifest.close();
  await using wal = await openWal({ disk, folder: join(folder, "log"), firstSequence });
  await wal.append(utf8("something that is not flushed"));
}
