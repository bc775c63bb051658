/** What is said between the thread that has the store and the one that merges for it. Plain data, both ways. */

import type { WireError } from "../../base/index.ts";
import type { CompactionJob, CompactionOutcome, CompactionProgress } from "./job.ts";

export type ToWorker =
  | { readonly kind: "run"; readonly id: number; readonly job: CompactionJob }
  | { readonly kind: "abort"; readonly id: number };

export type FromWorker =
  | { readonly kind: "progress"; readonly id: number; readonly progress: CompactionProgress }
  | { readonly kind: "done"; readonly id: number; readonly outcome: CompactionOutcome }
  | { readonly kind: "failed"; readonly id: number; readonly error: WireError };

/**
 * The job in buffers of its own: a key that is a view of a larger buffer would take all of that buffer with it, once
 * for each key.
 */
export function withOwnBytes(job: CompactionJob): CompactionJob {
  return {
    ...job,
    inputs: job.inputs.map((input) => ({
      ...input,
      file: {
        ...input.file,
        smallestKey: input.file.smallestKey.slice(),
        largestKey: input.file.largestKey.slice(),
      },
      ...(input.lostKeys && {
        lostKeys: input.lostKeys.map(({ from, to }) => ({ from: from.slice(), to: to?.slice() })),
      }),
    })),
    ...(job.kappaChanges && {
      kappaChanges: job.kappaChanges.map((change) => ({ ...change, key: change.key.slice() })),
    }),
  };
}
