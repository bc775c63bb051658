/** Writes entries into a new segment together with what is derived of them, for a flush and for a compaction alike. */

import type { Disk } from "../../disk/index.ts";
import type { Entry } from "../entry.ts";
import { fileName } from "../manifest/names.ts";
import type { ManifestFile } from "../manifest/state.ts";
import { type SegmentSummary, SegmentWriter } from "../segment/segment-writer.ts";
import type { SectionBuilder } from "./derived-sections.ts";

export interface WriteSegmentOptions {
  readonly disk: Disk;
  readonly folder: string;
  /** Never given to a file before. */
  readonly fileId: number;
  readonly level: number;
  /** All entries, in the order of the store. */
  readonly batches: AsyncIterable<readonly Entry[]>;
  readonly builders: readonly SectionBuilder[];
  readonly blockBytes?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The durable segment as the manifest is to name it; undefined where there are no entries, for a segment is never
 * empty. After a failure, and an abort, there is no file.
 */
export async function writeSegment(options: WriteSegmentOptions): Promise<ManifestFile | undefined> {
  const { batches, builders, level, signal } = options;
  let writer: SegmentWriter | undefined;
  try {
    for await (const batch of batches) {
      if (batch.length === 0) continue;
      writer ??= await createWriter(options);
      for (const entry of batch) {
        const writing = writer.add(entry);
        if (writing instanceof Promise) await writing;
        for (const builder of builders) {
          const building = builder.add(entry);
          if (building instanceof Promise) await building;
        }
      }
    }
    if (writer === undefined) return undefined;
    for (const builder of builders)
      for (const { type, parts } of await builder.finish(signal)) await writer.addSection(type, parts);
    signal?.throwIfAborted();
    return manifestFileOf(await writer.finish(), level);
  } catch (error) {
    for (const builder of builders) builder.abandon?.();
    await writer?.abandon();
    throw error;
  }
}

/** What the manifest keeps of a segment. */
export function manifestFileOf(summary: SegmentSummary, level: number): ManifestFile {
  const { fileId, sizeBytes, checksum, properties } = summary;
  const { entries, tombstones, smallestKey, largestKey, smallestSequence, largestSequence } = properties;
  const range = { smallestKey, largestKey, smallestSequence, largestSequence };
  return { id: fileId, kind: "segment", level, sizeBytes, checksum, entries, tombstones, ...range };
}

function createWriter({ disk, folder, fileId, blockBytes, signal }: WriteSegmentOptions): Promise<SegmentWriter> {
  const name = fileName({ id: fileId, kind: "segment" });
  return SegmentWriter.create({
    ...{ disk, folder, name, fileId },
    ...(blockBytes === undefined ? {} : { blockBytes }),
    ...(signal === undefined ? {} : { signal }),
  });
}
