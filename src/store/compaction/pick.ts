/**
 * Which segments to merge next, by what the manifest says of them.
 *
 * Segments stand in the order of their age: each holds what was written between two points of the log, and no two of
 * these spans overlap. A merge takes segments that are neighbours in age, so that its result holds one span again, and
 * the order stays. That is what lookups rest on: every version in a newer segment is newer than all versions of the
 * same key in older ones.
 *
 * Sizes grow by tiers. Four flushes (level 0) become a segment of level 1, four of these one of level 2, and so on:
 * what is written is written again once a level, and there are fewer than four segments of each. Where keys are
 * overwritten, segments do not grow with each merge; so a merge takes in the next older segment too where that is at
 * most half as large as what is merged anyway. Then the number of levels follows the size of what lives, not the number
 * of writes.
 *
 * Beside that, deletions are carried to what they delete where at least a quarter of what is written for it are
 * tombstones; and a segment that mostly holds what expires is written anew, once an hour at most.
 *
 * All of that comes to rest: without new writes, and with time standing still, picking and merging ends.
 */

import { assert } from "../../base/index.ts";
import { compareKeys } from "../key.ts";
import type { ManifestFile } from "../manifest/state.ts";

export interface PickOptions {
  /** So many neighbours of a level are merged. Default 4. */
  readonly fanOut?: number;
  /** And no more than so many at once. Default 8. */
  readonly inputsLimit?: number;
  /** Ids of the inputs of jobs that are under way: nothing of theirs is picked. */
  readonly busy?: ReadonlySet<number>;
  /** Ids of files of which something was lost: their tombstones stay, and nothing is won by writing them anew. */
  readonly lost?: ReadonlySet<number>;
  /** A tombstone is carried on where so much of what is written for it are tombstones. Default 0.25. */
  readonly tombstoneShare?: number;
  /** With `expiringOf`: what the engine's clock says. Without it nothing is picked for having expired. */
  readonly nowMs?: number;
  /** What a segment's properties say; undefined where they are not at hand. */
  readonly expiringOf?: (fileId: number) => ExpiringEntries | undefined;
  /** How long the first entry has to have expired. Default an hour. */
  readonly expiredForMs?: number;
}

/** As in SegmentProperties. */
export interface ExpiringEntries {
  readonly expiring: number;
  readonly earliestExpiryMs: number;
}

export interface PickedCompaction {
  /** Newest first. */
  readonly inputs: readonly ManifestFile[];
  /** Of the result. */
  readonly level: number;
  readonly isBottom: boolean;
}

const expiringShare = 0.5;

/** undefined where there is nothing to do. Takes the files of a state in any order; content files are passed over. */
export function pickCompaction(files: Iterable<ManifestFile>, options: PickOptions = {}): PickedCompaction | undefined {
  const byAge = segmentsByAge(files);
  const picked = fullLevel(byAge, options) ?? carriedTombstones(byAge, options) ?? expired(byAge, options);
  return picked === undefined ? undefined : compactionOf(byAge, picked, options.lost);
}

/** Everything into one, for a compaction that somebody asks for; undefined where there is nothing, or a job runs. */
export function pickEverything(
  files: Iterable<ManifestFile>,
  { busy, lost }: Pick<PickOptions, "busy" | "lost"> = {},
): PickedCompaction | undefined {
  const byAge = segmentsByAge(files);
  if (byAge.length === 0 || byAge.some((_, place) => isBusy(byAge, place, busy))) return undefined;
  const whole = { from: 0, to: byAge.length };
  const level = byAge.length === 1 ? byAge[0]!.level : levelAfter(byAge, whole);
  return compactionOf(byAge, { ...whole, level }, lost);
}

/**
 * Merges that write all of these anew and nothing else: those that are neighbours in age together, the newest first.
 */
export function pickOnly(
  files: Iterable<ManifestFile>,
  wanted: { has(fileId: number): boolean },
  { lost }: Pick<PickOptions, "lost"> = {},
): PickedCompaction[] {
  const byAge = segmentsByAge(files);
  const picked: PickedCompaction[] = [];
  for (let from = 0, to = 0; from < byAge.length; from = to) {
    for (to = from; to < byAge.length && wanted.has(byAge[to]!.id); ) to++;
    if (to === from) to++;
    else {
      const level = to === from + 1 ? byAge[from]!.level : levelAfter(byAge, { from, to });
      picked.push(compactionOf(byAge, { from, to, level }, lost));
    }
  }
  return picked;
}

/** The newest first. Fails where the spans of two overlap: then nobody could say which version is the newer one. */
export function segmentsByAge(files: Iterable<ManifestFile>): ManifestFile[] {
  const segments = [...files].filter(({ kind }) => kind === "segment");
  const byAge = segments.sort((a, b) => b.largestSequence - a.largestSequence);
  for (let place = 1; place < byAge.length; place++)
    assert(
      byAge[place]!.largestSequence < byAge[place - 1]!.smallestSequence,
      `segments ${byAge[place]!.id} and ${byAge[place - 1]!.id} hold different spans of the log`,
    );
  return byAge;
}

/** Neighbours, as places among the segments by age: `from` is the newest, `to` is behind the oldest. */
interface Picked {
  readonly from: number;
  readonly to: number;
  readonly level: number;
}

/** The lowest level first: it is the cheapest, and what every lookup begins with. */
function fullLevel(byAge: readonly ManifestFile[], options: PickOptions): Picked | undefined {
  const { fanOut = 4, inputsLimit = 8, busy } = options;
  assert(fanOut >= 2 && inputsLimit >= fanOut, "a merge takes two segments at least");
  let best: Picked | undefined;
  for (const run of levelRuns(byAge, busy)) {
    if (run.to - run.from < fanOut || (best !== undefined && best.level <= run.level)) continue;
    // The oldest of a longer run: their result then still stands behind the rest.
    best = { ...run, from: Math.max(run.from, run.to - inputsLimit) };
  }
  if (best === undefined) return undefined;
  const { from } = best;
  let { to } = best;
  let sizeBytes = sizeOf(byAge, from, to);
  while (to < byAge.length && !isBusy(byAge, to, busy) && 2 * byAge[to]!.sizeBytes <= sizeBytes)
    sizeBytes += byAge[to++]!.sizeBytes;
  return { from, to, level: levelAfter(byAge, { from, to }) };
}

/** Neighbours of one level of which none is busy. */
function levelRuns(byAge: readonly ManifestFile[], busy: PickOptions["busy"]): Picked[] {
  const runs: Picked[] = [];
  for (let from = 0, to = 0; from < byAge.length; from = to) {
    const { level } = byAge[from]!;
    to = from + 1;
    if (isBusy(byAge, from, busy)) continue;
    while (to < byAge.length && byAge[to]!.level === level && !isBusy(byAge, to, busy)) to++;
    runs.push({ from, to, level });
  }
  return runs;
}

/** Tombstones that are as many as makes it worth to rewrite what they may delete. */
function carriedTombstones(byAge: readonly ManifestFile[], options: PickOptions): Picked | undefined {
  const { tombstoneShare = 0.25, busy, lost } = options;
  for (let from = byAge.length - 1; from >= 0; from--) {
    const { tombstones, level } = byAge[from]!;
    const isLast = !overlapsOlder(byAge, { from, to: from + 1 }, lost);
    const to = Math.min(byAge.length, from + (isLast ? 1 : 2));
    const inputs = byAge.slice(from, to);
    if (tombstones === 0 || inputs.some((_, place) => isBusy(inputs, place, busy))) continue;
    // Of a damaged one all tombstones stay: alone it would be picked again and again.
    if (isLast && lost?.has(inputs[0]!.id) === true) continue;
    const entries = inputs.reduce((sum, file) => sum + file.entries, 0);
    if (tombstones >= tombstoneShare * entries) return { from, to, level: inputs.at(-1)?.level ?? level };
  }
  return undefined;
}

/** What expired long ago: rewriting leaves nothing in the segment that expires before now. */
function expired(byAge: readonly ManifestFile[], options: PickOptions): Picked | undefined {
  const { nowMs, expiringOf, expiredForMs = 3_600_000, busy } = options;
  if (nowMs === undefined || expiringOf === undefined) return undefined;
  const from = byAge.findIndex(({ id, entries }) => {
    const found = busy?.has(id) === true ? undefined : expiringOf(id);
    if (found === undefined || found.expiring < expiringShare * entries) return false;
    return found.earliestExpiryMs > 0 && found.earliestExpiryMs + expiredForMs <= nowMs;
  });
  return from === -1 ? undefined : { from, to: from + 1, level: byAge[from]!.level };
}

function compactionOf(
  byAge: readonly ManifestFile[],
  { from, to, level }: Picked,
  lost: PickOptions["lost"],
): PickedCompaction {
  return { inputs: byAge.slice(from, to), level, isBottom: !overlapsOlder(byAge, { from, to }, lost) };
}

/**
 * Whether some key between the smallest and the largest one of these may stand in an older segment, or may have stood
 * in one of which something was lost.
 */
function overlapsOlder(
  byAge: readonly ManifestFile[],
  { from, to }: Pick<Picked, "from" | "to">,
  lost: PickOptions["lost"],
): boolean {
  const inputs = byAge.slice(from, to);
  const smallest = inputs.map(({ smallestKey }) => smallestKey).reduce((a, b) => (compareKeys(a, b) < 0 ? a : b));
  const largest = inputs.map(({ largestKey }) => largestKey).reduce((a, b) => (compareKeys(a, b) > 0 ? a : b));
  return byAge
    .slice(to)
    .some(
      ({ id, smallestKey, largestKey }) =>
        lost?.has(id) === true || (compareKeys(smallestKey, largest) <= 0 && compareKeys(largestKey, smallest) >= 0),
    );
}

/** One above the newest, unless the last of them is of a higher level and was only taken in: then that one's. */
function levelAfter(byAge: readonly ManifestFile[], { from, to }: Pick<Picked, "from" | "to">): number {
  return Math.max(byAge[from]!.level + 1, byAge[to - 1]!.level);
}

function sizeOf(byAge: readonly ManifestFile[], from: number, to: number): number {
  return byAge.slice(from, to).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

function isBusy(byAge: readonly ManifestFile[], place: number, busy: PickOptions["busy"]): boolean {
  return busy?.has(byAge[place]!.id) === true;
}
