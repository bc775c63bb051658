/**
 * Everything into as few segments as there may be, for a compaction that somebody asks for.
 *
 * A segment of which something was lost stands before all older ones as a barrier, and a merge with these would have to
 * leave out what they hold under the lost keys: a block of damage would take with it whatever lies between its first
 * and its last key, for good. So it is merged with newer ones only, and what is older stays by itself until the loss is
 * accepted.
 */

import type { ManifestFile } from "../manifest/state.ts";
import { type PickedCompaction, pickEverything, segmentsByAge } from "./pick.ts";

/** The newest first. Takes the files of a state in any order. */
export function pickBesideLosses(files: Iterable<ManifestFile>, lost: ReadonlySet<number>): PickedCompaction[] {
  return besideLosses(files, lost, (group) => {
    const [only] = group;
    if (group.length === 1 && only !== undefined && lost.has(only.id)) return [];
    const picked = pickEverything(group, { lost });
    return picked === undefined ? [] : [picked];
  });
}

/** What `pick` picks of each group of files that may be merged with one another: the newest first. */
export function besideLosses(
  files: Iterable<ManifestFile>,
  lost: ReadonlySet<number>,
  pick: (group: readonly ManifestFile[]) => readonly PickedCompaction[],
): PickedCompaction[] {
  const groups: ManifestFile[][] = [[]];
  for (const file of segmentsByAge(files)) {
    groups.at(-1)?.push(file);
    if (lost.has(file.id)) groups.push([]);
  }
  return groups.flatMap((group, place) => {
    const isOldest = groups.slice(place + 1).every((older) => older.length === 0);
    return pick(group).map((picked) => ({ ...picked, isBottom: picked.isBottom && isOldest }));
  });
}
