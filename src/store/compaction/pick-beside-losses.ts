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
  const groups: ManifestFile[][] = [[]];
  for (const file of segmentsByAge(files)) {
    groups.at(-1)?.push(file);
    if (lost.has(file.id)) groups.push([]);
  }
  return groups.flatMap((group, place) => {
    const [only] = group;
    if (group.length === 1 && only !== undefined && lost.has(only.id)) return [];
    const picked = pickEverything(group, { lost });
    if (picked === undefined) return [];
    return [{ ...picked, isBottom: picked.isBottom && groups.slice(place + 1).every((older) => older.length === 0) }];
  });
}
