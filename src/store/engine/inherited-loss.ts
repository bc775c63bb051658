/** What was lost of segments stays with the segments that are merged from them: the engine's part of it. */

import type { CompactionInput } from "../compaction/job.ts";
import { decodeLost, encodeLost, lostValueName } from "../damage/lost-codec.ts";
import type { LostRanges, LostRun } from "../damage/lost-ranges.ts";
import { latestSequence } from "../entry.ts";
import { compareKeys, type KeyBounds, keyAfter } from "../key.ts";
import type { ManifestFile, ManifestState } from "../manifest/state.ts";

/** Of which files something was lost. */
export function lostFiles({ files, values }: ManifestState): ReadonlySet<number> {
  return new Set([...files.keys()].filter((id) => values.has(lostValueName(id))));
}

export function inputOf(file: ManifestFile, { values }: ManifestState): CompactionInput {
  const lost = values.get(lostValueName(file.id));
  return lost === undefined ? { file } : { file, lost, lostKeys: decodeLost(lost).runs.map(keysOf) };
}

/** The part of the edit of a merge. */
export function lossValues(
  inputs: readonly ManifestFile[],
  output: ManifestFile | undefined,
  lost: LostRanges,
): Record<string, string | null> {
  if (lost.isEmpty) return {};
  const gone = inputs.map(({ id }) => [lostValueName(id), null] as const);
  return { ...Object.fromEntries(gone), ...(output && { [lostValueName(output.id)]: encodeLost(lost) }) };
}

/**
 * As the manifest is to name it: with the bounds of all inputs. Whoever passes a file over by its bounds must not pass
 * over what was lost between them.
 */
export function coveringLosses(file: ManifestFile, inputs: readonly ManifestFile[]): ManifestFile {
  return inputs.reduce(
    (all, input) => ({
      ...all,
      smallestKey: compareKeys(input.smallestKey, all.smallestKey) < 0 ? input.smallestKey : all.smallestKey,
      largestKey: compareKeys(input.largestKey, all.largestKey) > 0 ? input.largestKey : all.largestKey,
      smallestSequence: Math.min(input.smallestSequence, all.smallestSequence),
      largestSequence: Math.max(input.largestSequence, all.largestSequence),
    }),
    file,
  );
}

function keysOf({ from, to, toSequence }: LostRun): KeyBounds {
  return { from, to: toSequence === latestSequence ? to : keyAfter(to) };
}
