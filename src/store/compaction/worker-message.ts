/** What is said between the thread that has the store and the one that works for it. Plain data, both ways. */

import type { WireError } from "../../base/index.ts";
import type { Entry } from "../entry.ts";
import type { DerivedSection, SectionContext } from "./derived-sections.ts";
import type { CompactionJob, CompactionOutcome, CompactionProgress } from "./job.ts";

/** A task is a compaction (`run`), or the sections of one segment (`build`, then `entries`, then `finish`). */
export type ToWorker =
  | { readonly kind: "run"; readonly id: number; readonly job: CompactionJob }
  | ({ readonly kind: "build"; readonly id: number } & Omit<SectionContext, "inputs">)
  | { readonly kind: "entries"; readonly id: number; readonly entries: readonly Entry[] }
  | { readonly kind: "finish"; readonly id: number }
  | { readonly kind: "abort"; readonly id: number };

export type FromWorker =
  | { readonly kind: "progress"; readonly id: number; readonly progress: CompactionProgress }
  | { readonly kind: "done"; readonly id: number; readonly outcome: CompactionOutcome }
  /** One message of entries is worked off. */
  | { readonly kind: "taken"; readonly id: number }
  | { readonly kind: "sections"; readonly id: number; readonly sections: readonly DerivedSection[] }
  | { readonly kind: "failed"; readonly id: number; readonly error: WireError };

/**
 * The job in buffers of its own: a key that is a view of a larger buffer would take all of that buffer with it, once
 * for each key.
 */
export function withOwnBytes(job: CompactionJob): CompactionJob {
  const inputs = job.inputs.map(({ file, lostKeys, ...rest }) => ({
    ...rest,
    file: { ...file, smallestKey: file.smallestKey.slice(), largestKey: file.largestKey.slice() },
    ...(lostKeys && { lostKeys: lostKeys.map(({ from, to }) => ({ from: from.slice(), to: to?.slice() })) }),
  }));
  const kappaChanges = job.kappaChanges?.map((change) => ({ ...change, key: change.key.slice() }));
  return { ...job, inputs, ...(kappaChanges && { kappaChanges }) };
}

/** The entry in buffers of its own, for the same reason. */
export function entryWithOwnBytes(entry: Entry): Entry {
  return { ...entry, key: entry.key.slice(), value: entry.value.slice() };
}
