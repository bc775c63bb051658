/**
 * A compaction: segments in, one segment out that answers as they did together.
 *
 * A job is plain data, so that it runs wherever there is a disk: in slices of the caller's thread, or in a worker. It
 * changes nothing but the one file that it makes. That file is written, made durable and read back whole, every byte
 * checked, before `runCompaction` returns; only then may an edit of the manifest put it in place of the inputs. After a
 * failure, and an abort, there is no file.
 *
 * Of each key the newest version stays, and no older one: snapshots hold the files that they read, and so need nothing
 * of the new one.
 *
 * A segment of which something was lost hides what older ones have under the lost keys, for nobody knows whether that
 * was still right. Where such a segment is merged, older versions of its lost keys are left out, what was lost stays
 * lost with the new file, and tombstones stay: each says of its key that it was deleted after all.
 */

import { join } from "node:path";
import { assert } from "../../base/index.ts";
import type { Disk } from "../../disk/index.ts";
import type { CursorSource } from "../cursor.ts";
import type { Entry } from "../entry.ts";
import type { KeyBounds } from "../key.ts";
import { fileName } from "../manifest/names.ts";
import type { ManifestFile } from "../manifest/state.ts";
import { compactEntries } from "../merge/compaction.ts";
import { BlockCache } from "../segment/block-cache.ts";
import { corruptError } from "../segment/damage.ts";
import { openSegment, type Segment } from "../segment/segment.ts";
import { verifySegment } from "../segment/verify.ts";
import { ContentGarbage } from "./content-garbage.ts";
import type { SectionBuilders, SectionCollection } from "./derived-sections.ts";
import { type KappaChange, KappaChanges } from "./kappa-changes.ts";
import { rangesBeside } from "./ranges-beside.ts";
import { sectionBuilders } from "./section-builders.ts";
import { writeSegment } from "./write-segment.ts";

export interface CompactionInput {
  readonly file: ManifestFile;
  /** What was lost of this file, as the manifest keeps it. Opaque here: the new file inherits it. */
  readonly lost?: string;
  /** The keys that were lost: of older inputs nothing is taken over between these. */
  readonly lostKeys?: readonly KeyBounds[];
}

/** Plain data: it can be cloned and sent to a worker. */
export interface CompactionJob {
  readonly folder: string;
  /** Newest first; every version in one of them is newer than those of the same key in all later ones. */
  readonly inputs: readonly CompactionInput[];
  readonly output: { readonly fileId: number; readonly level: number };
  /** No older file than the inputs holds a key between their smallest and their largest one. */
  readonly isBottom: boolean;
  /** What expires up to this time counts as deleted. */
  readonly nowMs: number;
  readonly collections: readonly SectionCollection[];
  readonly kappaChanges?: readonly KappaChange[];
  readonly blockBytes?: number;
}

/** Plain data too. */
export interface CompactionOutcome {
  /** What takes the place of the inputs; undefined where nothing is left of them. */
  readonly file: ManifestFile | undefined;
  /** What was lost of the inputs, which stays with the file: the newest input's first. */
  readonly lost: readonly string[];
  readonly dropped: {
    readonly entries: number;
    /** Bytes that nobody points to any more, by the content file in which they were first written. */
    readonly garbage: readonly (readonly [contentFileId: number, bytes: number])[];
  };
  /** Items whose κ changed. */
  readonly kappaChanged: number;
}

export interface CompactionProgress {
  readonly phase: "merge" | "verify";
  /** Entries of the inputs that are done with; all of them when verification begins. */
  readonly doneEntries: number;
  readonly totalEntries: number;
}

export interface RunCompactionOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: CompactionProgress) => void) | undefined;
  /** Default: those of section-builders.ts, as in a worker. */
  readonly builders?: SectionBuilders | undefined;
}

/** Blocks are read once, front to back. */
const noCache = new BlockCache({ limitBytes: 0 });
const progressEntries = 8_192;

/**
 * Throws STORE_SEGMENT_CORRUPT with the path where an input is damaged (or the new file is, when it is read back),
 * STORE_VERSION, DISK_*, STORE_GRAPH_EDGE, and the signal's reason.
 */
export async function runCompaction(
  disk: Disk,
  job: CompactionJob,
  options: RunCompactionOptions = {},
): Promise<CompactionOutcome> {
  assert(job.inputs.length > 0, "a compaction has an input");
  const lost = job.inputs.flatMap((input) => input.lost ?? []);
  const garbage = new ContentGarbage();
  const kappa = new KappaChanges(job.kappaChanges ?? []);
  const file = await merged(disk, job, { ...options, garbage, kappa });
  if (file !== undefined) await readBack(disk, job, file, options);
  const entries = entriesIn(job) - (file?.entries ?? 0);
  return { file, lost, dropped: { entries, garbage: garbage.sums() }, kappaChanged: kappa.applied };
}

interface MergeParts extends RunCompactionOptions {
  readonly garbage: ContentGarbage;
  readonly kappa: KappaChanges;
}

async function merged(disk: Disk, job: CompactionJob, parts: MergeParts): Promise<ManifestFile | undefined> {
  const { folder, output, collections, blockBytes } = job;
  const { signal, builders = sectionBuilders } = parts;
  await using inputs = await openInputs(disk, job, signal);
  return await writeSegment({
    ...{ disk, folder, ...output, blockBytes, signal },
    batches: mergedBatches(inputs.sources, job, parts),
    builders: builders({ fileId: output.fileId, collections, inputs: inputs.segments }),
  });
}

async function* mergedBatches(
  sources: readonly CursorSource[],
  job: CompactionJob,
  { signal, onProgress, garbage, kappa }: MergeParts,
): AsyncGenerator<Entry[], void> {
  const totalEntries = entriesIn(job);
  let doneEntries = 0;
  let reported = 0;
  const batches = compactEntries(sources, {
    snapshots: [],
    isBottom: job.isBottom && job.inputs.every(({ lost }) => lost === undefined),
    nowMs: job.nowMs,
    onDropped: (entry) => {
      doneEntries++;
      garbage.dropped(entry);
    },
    ...(signal === undefined ? {} : { signal }),
  });
  for await (const batch of batches) {
    doneEntries += batch.length;
    garbage.kept(batch);
    if (doneEntries - reported >= progressEntries) {
      reported = doneEntries;
      // What expires is dropped, and kept as a tombstone: twice here.
      onProgress?.({ phase: "merge", doneEntries: Math.min(doneEntries, totalEntries), totalEntries });
    }
    yield kappa.in(batch);
  }
}

interface OpenInputs extends AsyncDisposable {
  readonly segments: readonly Segment[];
  readonly sources: readonly CursorSource[];
}

async function openInputs(disk: Disk, job: CompactionJob, signal: AbortSignal | undefined): Promise<OpenInputs> {
  const segments: Segment[] = [];
  const close = async (): Promise<void> => {
    for (const segment of segments) await segment.close().catch(() => undefined);
  };
  try {
    const sources: CursorSource[] = [];
    const hidden: KeyBounds[] = [];
    for (const { file, lostKeys } of job.inputs) {
      signal?.throwIfAborted();
      const segment = await opened(disk, job.folder, file);
      segments.push(segment);
      for (const range of rangesBeside(hidden))
        sources.push({ cursor: (options) => segment.cursor({ ...options, ...range }) });
      hidden.push(...(lostKeys ?? []));
    }
    return { segments, sources, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function readBack(
  disk: Disk,
  job: CompactionJob,
  file: ManifestFile,
  { signal, onProgress }: RunCompactionOptions,
): Promise<void> {
  const totalEntries = entriesIn(job);
  onProgress?.({ phase: "verify", doneEntries: totalEntries, totalEntries });
  try {
    await using segment = await opened(disk, job.folder, file);
    const { damages } = await verifySegment(segment, signal === undefined ? {} : { signal });
    if (damages.length > 0) throw corruptError(damages[0]!);
  } catch (error) {
    await disk.remove(join(job.folder, fileName(file))).catch(() => undefined);
    throw error;
  }
}

function opened(disk: Disk, folder: string, file: ManifestFile): Promise<Segment> {
  const options = { disk, folder, name: fileName(file), fileId: file.id, cache: noCache, expected: file };
  return openSegment(options);
}

function entriesIn({ inputs }: CompactionJob): number {
  return inputs.reduce((sum, { file }) => sum + file.entries, 0);
}
