/**
 * Takes what a damaged segment has lost from the log, where the log still holds it.
 *
 * A lost run is healed only where that is complete beyond doubt: every sequence number that may have stood in it, from
 * the smallest to the largest of the damaged file, must lie within what the log holds without a gap. Then each entry of
 * the log with such a number and a position in the run either stood there or was hidden in that segment by a newer
 * version of its key, which is among them too: all of them together answer as the segment did.
 */

import { type Entry, latestSequence } from "../entry.ts";
import { compareKeys } from "../key.ts";
import { LostRanges, type LostRun } from "./lost-ranges.ts";

/** What the log holds, for one who knows that nothing is missing in it between these two numbers. */
export interface CommittedLog {
  readonly firstSequence: number;
  readonly lastSequence: number;
  /** All of it, in the order of the log. */
  entries(): AsyncIterable<Entry> | Iterable<Entry>;
}

export interface Healing {
  /** In the order of the store: to be written into the file that replaces the damaged one. */
  readonly healed: readonly Entry[];
  /** What is still lost when they are. */
  readonly lost: LostRanges;
}

export async function healFromLog(lost: LostRanges, log: CommittedLog): Promise<Healing> {
  const isWhole = (run: LostRun): boolean =>
    log.firstSequence <= run.smallestSequence && run.largestSequence <= log.lastSequence;
  const whole = lost.runs.filter(isWhole);
  if (whole.length === 0) return { healed: [], lost };
  const healed: Entry[] = [];
  for await (const entry of log.entries())
    if (whole.some((run) => mayHaveHeld(run, entry)))
      healed.push({ ...entry, key: entry.key.slice(), value: entry.value.slice() });
  healed.sort((a, b) => compareKeys(a.key, b.key) || b.sequence - a.sequence);
  return { healed, lost: new LostRanges(lost.runs.filter((run) => !isWhole(run))) };
}

function mayHaveHeld(run: LostRun, { key, sequence }: Entry): boolean {
  if (sequence < run.smallestSequence || sequence > run.largestSequence) return false;
  const begin = compareKeys(key, run.from);
  const end = compareKeys(key, run.to);
  const isAfterBegin = begin > 0 || (begin === 0 && sequence <= run.fromSequence);
  return isAfterBegin && (end < 0 || (end === 0 && run.toSequence !== latestSequence && sequence > run.toSequence));
}
