/** A damaged segment as its readers meet it, between a newer and an older layer. */

import { type Random, seededRandom } from "../../base/index.ts";
import type { SimDisk } from "../../disk/index.ts";
import { guarded, type ReadableLayer } from "../damage/guarded-source.ts";
import { type Salvage, salvageSegment } from "../damage/salvage.ts";
import type { Entry } from "../entry.ts";
import { fileName } from "../manifest/names.ts";
import type { ManifestFile } from "../manifest/state.ts";
import { Memtable } from "../memtable/memtable.ts";
import { BlockCache } from "../segment/block-cache.ts";
import { openSegment } from "../segment/segment.ts";
import type { SegmentSummary } from "../segment/segment-writer.ts";
import { randomEntry, randomKey, VersionModel } from "./model.ts";
import { folder } from "./segments.ts";

export function manifestFileOf({ fileId, sizeBytes, checksum, properties }: SegmentSummary): ManifestFile {
  const { entries, tombstones, smallestKey, largestKey, smallestSequence, largestSequence } = properties;
  const counts = { entries, tombstones, smallestSequence, largestSequence };
  return { id: fileId, kind: "segment", level: 0, sizeBytes, checksum, smallestKey, largestKey, ...counts };
}

/** Entries of three layers, the oldest first, and all of them together. */
export interface Layers {
  readonly older: readonly Entry[];
  readonly damaged: readonly Entry[];
  readonly newer: readonly Entry[];
  readonly model: VersionModel;
}

export function randomLayers(options: {
  readonly seed: number;
  readonly count: number;
  readonly isOneVersion?: boolean;
}): Layers {
  const random = seededRandom(options.seed);
  const model = new VersionModel();
  let sequence = 0;
  const layer = (count: number, isOneVersion: boolean): Entry[] => {
    const own = new VersionModel();
    const last = new Map<string, Entry>();
    for (let place = 0; place < count; place++) {
      const entry = randomEntry(random, keyOf(random, options.count), ++sequence);
      last.set(String(entry.key), entry);
      if (!isOneVersion) own.put(entry);
    }
    if (isOneVersion) for (const entry of last.values()) own.put(entry);
    for (const entry of own.entries) model.put(entry);
    return own.entries;
  };
  const older = layer(options.count, false);
  const damaged = layer(options.count, options.isOneVersion === true);
  const newer = layer(Math.ceil(options.count / 10), false);
  return { older, damaged, newer, model };
}

function keyOf(random: Random, count: number): Uint8Array {
  return randomKey(random, Math.ceil(count / 2));
}

export function memtableOf(entries: readonly Entry[]): Memtable {
  const table = new Memtable();
  for (const entry of entries.toSorted((a, b) => a.sequence - b.sequence)) table.put(entry);
  return table;
}

/** What was salvaged, opened and guarded, with a word to close it. */
export async function salvagedLayer(
  disk: SimDisk,
  file: ManifestFile,
): Promise<{
  readonly salvage: Salvage;
  readonly layer: ReadableLayer;
  readonly bare: ReadableLayer;
  close(): Promise<void>;
}> {
  const salvage = await salvageSegment({ disk, folder, file, newFileId: 90 });
  const cache = new BlockCache({ limitBytes: 2 ** 20 });
  const { id, sizeBytes, checksum } = salvage.file;
  const expected = { sizeBytes, checksum };
  const segment = await openSegment({ disk, folder, name: fileName(salvage.file), fileId: id, cache, expected });
  return { salvage, layer: guarded(segment, salvage.lost), bare: segment, close: () => segment.close() };
}
