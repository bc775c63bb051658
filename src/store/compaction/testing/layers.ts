/** Segments as flushes leave them, with items, edges and contents in the content log. */

import { utf8 } from "../../../base/index.ts";
import type { Disk } from "../../../disk/index.ts";
import { encodeHandle } from "../../content/content-handle.ts";
import type { Entry } from "../../entry.ts";
import { edgeKey, itemKey, itemPrefix, nodeName } from "../../item/item-key.ts";
import { encodeRecord, ItemRecord } from "../../item/record.ts";
import { fileName } from "../../manifest/names.ts";
import type { ManifestFile } from "../../manifest/state.ts";
import { Memtable } from "../../memtable/memtable.ts";
import { compactEntries } from "../../merge/compaction.ts";
import { BlockCache } from "../../segment/block-cache.ts";
import { openSegment, type Segment } from "../../segment/segment.ts";
import { plainEntry } from "../../testing/model.ts";
import { folder } from "../../testing/segments.ts";
import { walked } from "../../testing/walk.ts";
import type { CompactionJob } from "../job.ts";
import { sectionBuilders } from "../section-builders.ts";
import { writeSegment } from "../write-segment.ts";

const prefix = itemPrefix("notes");

export const keyOf = (id: string): Uint8Array => itemKey(prefix, id);

export function item(id: string, sequence: number, text = `text ${sequence}`): Entry {
  const times = { createdMs: sequence, updatedMs: sequence };
  const record = encodeRecord({ content: text, embedding: undefined, metadata: { n: sequence }, ...times });
  return plainEntry(keyOf(id), sequence, record);
}

/** An item whose content is in the content log. */
export function itemInLog(
  id: string,
  sequence: number,
  at: { readonly file: number; readonly length: number; readonly row?: number },
): Entry {
  const plain = item(id, sequence);
  const handle = encodeHandle({ row: sequence, checksum: 7, ...at });
  return { ...plain, value: new ItemRecord(plain.value).withHandle(handle) };
}

export function edge(source: string, target: string, sequence: number, weight: number): Entry {
  const key = edgeKey({ source: nodeName("notes", source), type: "leads to", target: nodeName("notes", target) });
  const value = new Uint8Array(4);
  new DataView(value.buffer).setFloat32(0, weight, true);
  return plainEntry(key, sequence, value);
}

export interface FlushOptions {
  readonly fileId: number;
  readonly level?: number;
  readonly folder?: string;
  readonly blockBytes?: number;
}

/** undefined where there are no entries. */
export async function flushed(
  disk: Disk,
  entries: readonly Entry[],
  options: FlushOptions,
): Promise<ManifestFile | undefined> {
  const { fileId, level = 0, blockBytes = 1_024 } = options;
  const table = new Memtable();
  for (const entry of entries) table.put(entry);
  return await writeSegment({
    ...{ disk, fileId, level, blockBytes, folder: options.folder ?? folder },
    batches: compactEntries([table.freeze()], { snapshots: [], isBottom: false }),
    builders: sectionBuilders({ fileId: 1, collections: [] }),
  });
}

/** Lists of entries, the oldest first, as files, the newest first. */
export async function layers(disk: Disk, lists: readonly (readonly Entry[])[]): Promise<ManifestFile[]> {
  await disk.makeFolder(folder);
  const files: ManifestFile[] = [];
  for (const [place, entries] of lists.entries()) {
    const file = await flushed(disk, entries, { fileId: place + 1 });
    if (file !== undefined) files.unshift(file);
  }
  return files;
}

export function jobOf(files: readonly ManifestFile[], more: Partial<CompactionJob> = {}): CompactionJob {
  return {
    folder,
    inputs: files.map((file) => ({ file })),
    output: { fileId: 100, level: 1 },
    isBottom: true,
    nowMs: 0,
    collections: [],
    blockBytes: 1_024,
    ...more,
  };
}

export function openFile(disk: Disk, file: ManifestFile, where: string = folder): Promise<Segment> {
  const cache = new BlockCache({ limitBytes: 0 });
  return openSegment({ disk, folder: where, name: fileName(file), fileId: file.id, cache, expected: file });
}

export async function entriesOf(disk: Disk, file: ManifestFile | undefined, where: string = folder): Promise<Entry[]> {
  if (file === undefined) return [];
  await using segment = await openFile(disk, file, where);
  return await walked(segment);
}

/** Text that is no key of an item or of an edge. */
export const foreignKey: Uint8Array = utf8("z\0something else");
