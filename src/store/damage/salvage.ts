/**
 * Writes a damaged segment anew with everything of it that can still be read, and says what was lost (SPEC S8).
 *
 * The new file is a segment like any other, but the manifest keeps more of it than it holds: keys and sequence numbers
 * of the damaged file, for those are the bounds of what was lost, and a reader who passes the file over by them would
 * pass over the loss as well. Whoever commits it, by one edit with the manifest value of the loss (`lost.FILE`), reads
 * it through `guarded`. Nothing of the damaged file is changed; it goes when the edit is durable.
 *
 * What others put into the segment follows from its entries. Where no entry was lost, what is whole of it is taken over
 * as it is; else it is made anew by whoever knows how, or left out.
 */

import { join } from "node:path";
import type { Disk } from "../../disk/index.ts";
import { type Entry, entryKind, noBytes } from "../entry.ts";
import { fileName } from "../manifest/names.ts";
import type { ManifestFile } from "../manifest/state.ts";
import { firstForeignType } from "../segment/format.ts";
import { SegmentFile } from "../segment/segment-file.ts";
import { type SegmentSummary, SegmentWriter } from "../segment/segment-writer.ts";
import { BlockBytes } from "./block-bytes.ts";
import { mergedEntries } from "./block-runs.ts";
import type { Unreadable } from "./damaged-bytes.ts";
import { type CommittedLog, healFromLog } from "./heal.ts";
import { LostRanges } from "./lost-ranges.ts";
import { endsOfFile, type SegmentSurvey, sectionBytes, surveySegment } from "./segment-survey.ts";

export interface SalvageOptions {
  readonly disk: Disk;
  readonly folder: string;
  /** What the manifest says of the damaged segment. */
  readonly file: ManifestFile;
  /** A number that no file had. */
  readonly newFileId: number;
  /** What was lost before of what this file was written from. */
  readonly lostBefore?: LostRanges;
  /**
   * Given for a segment of level 0 alone: what a merge has changed of its entries (κ) is not in the log, and would
   * silently be undone.
   */
  readonly log?: CommittedLog | undefined;
  /**
   * Makes sections from the entries that are kept. Without it those of the damaged file are taken over where they may.
   */
  readonly sections?: SectionMaker;
  /** What a device cannot read is lost, or ends it with DISK_IO. Default "lost". */
  readonly unreadable?: Unreadable;
  readonly signal?: AbortSignal;
}

export interface SectionMaker {
  /** A promise where it wants to be waited for. */
  add(entry: Entry): void | Promise<void>;
  finish(writer: SegmentWriter): Promise<void>;
}

export interface Salvage {
  /** For the manifest, in place of the damaged one. */
  readonly file: ManifestFile;
  readonly lost: LostRanges;
  /** Without the one that holds the place where not a single one can be read. */
  readonly entries: number;
  /** Entries that came from the log. */
  readonly healed: number;
  /** False where what was deleted may come back once the loss is accepted. */
  readonly isTombstonesWhole: boolean;
  /** Types of the sections of others that the new file lacks; undefined where nobody knows which there were. */
  readonly missingSections: readonly number[] | undefined;
}

/** Throws what the disk refuses (DISK_*), STORE_VERSION, the signal's reason; then there is no new file. */
export async function salvageSegment(options: SalvageOptions): Promise<Salvage> {
  const { file, lostBefore = LostRanges.none, log } = options;
  const survey = await surveySegment(options);
  const all = survey.lost.with(lostBefore);
  const { healed, lost } = log === undefined ? { healed: [], lost: all } : await healFromLog(all, log);
  const { isTombstonesWhole } = survey;
  const told = { lost, isTombstonesWhole: isTombstonesWhole || lost.isEmpty };
  const canTakeOver = survey.lost.isEmpty && healed.length === 0;
  const hasEntries = healed.length > 0 || survey.runs.some((blocks) => blocks.length > 0);
  const kept = hasEntries ? entriesOf(options, survey, healed) : [[placeholder(file.largestSequence)]];
  const { summary, missingSections } = await rebuild(options, survey, kept, canTakeOver);
  const entries = hasEntries ? summary.properties.entries : 0;
  return {
    ...told,
    file: manifestFileOf(file, summary),
    entries,
    healed: healed.length,
    missingSections,
  };
}

/**
 * A tombstone under a key that is none of ours, for a file that has nothing but a loss to tell: a segment has an entry,
 * and the loss needs a file that it stays with.
 */
export function placeholder(sequence: number): Entry {
  const key = Uint8Array.of(0);
  return { key, sequence, kind: entryKind.tombstone, value: noBytes, expiryMs: 0, flags: 0, kappa: 0 };
}

/** The manifest's entry for a file that was written in place of that one. */
function manifestFileOf(
  damaged: ManifestFile,
  { fileId, sizeBytes, checksum, properties }: SegmentSummary,
): ManifestFile {
  const { entries, tombstones } = properties;
  return { ...damaged, id: fileId, sizeBytes, checksum, entries, tombstones };
}

async function rebuild(
  options: SalvageOptions,
  survey: SegmentSurvey,
  kept: AsyncIterable<readonly Entry[]> | Iterable<readonly Entry[]>,
  canTakeOver: boolean,
): Promise<{ readonly summary: SegmentSummary; readonly missingSections: readonly number[] | undefined }> {
  const { disk, folder, newFileId, sections, signal } = options;
  const name = fileName({ id: newFileId, kind: "segment" });
  const signalled = signal === undefined ? {} : { signal };
  await using writer = await SegmentWriter.create({ disk, folder, name, fileId: newFileId, ...signalled });
  for await (const batch of kept) {
    for (const entry of batch) {
      const making = sections?.add(entry);
      if (making instanceof Promise) await making;
      const writing = writer.add(entry);
      if (writing instanceof Promise) await writing;
    }
  }
  let missingSections: readonly number[] | undefined = [];
  if (sections !== undefined) await sections.finish(writer);
  else missingSections = await takeOver(options, survey, writer, canTakeOver);
  return { summary: await writer.finish(), missingSections };
}

async function* entriesOf(
  { disk, folder, file, unreadable, signal }: SalvageOptions,
  { runs }: SegmentSurvey,
  healed: readonly Entry[],
): AsyncGenerator<readonly Entry[]> {
  if (runs.every((blocks) => blocks.length === 0)) return yield healed;
  const path = join(folder, fileName(file));
  await using damaged = await disk.open(path, "read");
  const bytes = new BlockBytes(damaged, { fileId: file.id, sizeBytes: await damaged.sizeBytes(), unreadable });
  yield* mergedEntries(bytes, runs, { path, more: healed, signal });
}

/** Copies the sections of others that are whole; the types of those that are not. */
async function takeOver(
  { disk, folder, file }: SalvageOptions,
  { sections }: SegmentSurvey,
  writer: SegmentWriter,
  canTakeOver: boolean,
): Promise<number[] | undefined> {
  const foreign = sections?.filter(({ type }) => type >= firstForeignType);
  if (foreign === undefined || foreign.length === 0) return foreign && [];
  if (!canTakeOver) return foreign.map(({ type }) => type);
  const ends = await endsOfFile({ disk, folder, file });
  if (!(ends instanceof SegmentFile)) return foreign.map(({ type }) => type);
  const missing: number[] = [];
  try {
    for (const section of foreign) {
      const found = await sectionBytes(ends, section);
      if (found === undefined) missing.push(section.type);
      else await writer.addSection(section.type, [found]);
    }
  } finally {
    await ends.close();
  }
  return missing;
}
