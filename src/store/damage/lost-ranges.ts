/**
 * What a damaged segment has lost: runs of its order of which nobody knows any more what stood there. They stay with
 * the file that was written in its place, in the manifest value `lost.FILE`, and with every file that is merged from
 * it.
 *
 * A run goes from one position of the order to another. A position is a key and a sequence number, and within a key the
 * newest version comes first: so what may be lost of the key `from` is its versions up to `fromSequence`, of the key
 * `to` those above `toSequence`, and of the keys between them every version. Either number is `latestSequence` where
 * the key alone says it, as for the separators of a block index.
 *
 * Whether a version that was found is the newest one up to some number, although such a run covers its key, follows
 * from three things that are known for certain:
 *
 *   - positions: between it and that number there must be a position that was lost;
 *   - numbers: what was lost has a sequence number between the smallest and the largest of the damaged file, so
 *     anything above the largest is newer than all that was lost, and nothing below the smallest is hidden by it;
 *   - one version a key: where the damaged file had as many keys as entries, a version of the key that is known to be
 *     from that file (a tombstone from its sidecar) is the only one that it had.
 *
 * Everything else is in doubt, and a reader must say so: the lost version may have been newer than all others.
 */

import { HoldfastError, hexOf } from "../../base/index.ts";
import { latestSequence } from "../entry.ts";
import { boundsOf, compareKeys, type KeyRange } from "../key.ts";
import type { LostRange } from "../store.ts";

export interface LostRun {
  readonly from: Uint8Array;
  readonly fromSequence: number;
  readonly to: Uint8Array;
  readonly toSequence: number;
  /** Of the damaged file: nothing that was lost lies outside. */
  readonly smallestSequence: number;
  readonly largestSequence: number;
  /** The damaged file had one version of each of its keys. */
  readonly isOneVersion: boolean;
  /** Where the damage was. */
  readonly path: string;
  readonly offset: number;
}

export class LostRanges {
  static readonly none: LostRanges = new LostRanges([]);
  /** By where they begin. Those of one file are apart; those of files that were merged may overlap. */
  readonly runs: readonly LostRun[];

  constructor(runs: readonly LostRun[]) {
    this.runs = runs.toSorted((a, b) => compareKeys(a.from, b.from) || b.fromSequence - a.fromSequence);
  }

  get isEmpty(): boolean {
    return this.runs.length === 0;
  }

  /** Both, for a file that is merged from two. */
  with(other: LostRanges): LostRanges {
    if (other.isEmpty) return this;
    return this.isEmpty ? other : new LostRanges([...this.runs, ...other.runs]);
  }

  /**
   * The runs which may have held a version of the key that is newer than the one that was found (`found` is its
   * sequence number; undefined where none was) and not newer than `atSequence`.
   */
  inDoubt(key: Uint8Array, found: number | undefined, atSequence: number = latestSequence): LostRun[] {
    const doubts: LostRun[] = [];
    for (const run of this.runs) {
      if (compareKeys(run.from, key) > 0) break;
      if (mayHoldNewer(run, key, found ?? 0, atSequence)) doubts.push(run);
    }
    return doubts;
  }

  /** The runs that may have held keys of this range, in its order. */
  within(range: KeyRange): LostRun[] {
    const { from, to } = boundsOf(range);
    return this.runs.filter((run) => {
      const end = compareKeys(run.to, from);
      const endsBefore = end < 0 || (end === 0 && run.toSequence === latestSequence);
      return !endsBefore && (to === undefined || compareKeys(run.from, to) < 0);
    });
  }

  /** For people and programs outside; keys in hexadecimal. */
  described(): LostRange[] {
    return this.runs.map(({ from, to, path, offset }) => ({ from: hexOf(from), to: hexOf(to), path, offset }));
  }
}

function mayHoldNewer(run: LostRun, key: Uint8Array, found: number, atSequence: number): boolean {
  const end = compareKeys(key, run.to);
  if (end > 0) return false;
  const { smallestSequence, largestSequence } = run;
  if (run.isOneVersion && found >= smallestSequence && found <= largestSequence) return false;
  const isFirst = compareKeys(key, run.from) === 0;
  const upTo = Math.min(atSequence, largestSequence, isFirst ? run.fromSequence : latestSequence);
  const above = Math.max(found, smallestSequence - 1, end === 0 ? run.toSequence : 0);
  return upTo > above;
}

/** What a reader throws in place of an answer that may be wrong. */
export function lostError(run: LostRun): HoldfastError {
  const { path, offset } = run;
  const [from, to] = [hexOf(run.from), hexOf(run.to)];
  return new HoldfastError(
    "STORE_LOST",
    `what stood between ${keyText(run.from)} and ${keyText(run.to)} was lost: ${path} is damaged at offset ${offset}`,
    {
      hint:
        "Write it anew, restore the store from a backup, or take the loss as it is " +
        "(holdfast store accept-loss): then older versions count that are still there.",
      details: { from, to, path, offset },
    },
  );
}

/** A key as far as it is text. */
function keyText(key: Uint8Array): string {
  return JSON.stringify(Buffer.from(key).toString("utf8").replaceAll("\0", " "));
}
