/** A compaction in a worker, for a caller here. */

import { addAbortCallback, errorFromWire, removeAbortCallback } from "../../base/index.ts";
import type { CompactionJob, CompactionOutcome, CompactionProgress } from "./job.ts";
import { withOwnBytes } from "./worker-message.ts";
import type { WorkerThread } from "./worker-thread.ts";

export interface WorkerRunOptions {
  readonly signal: AbortSignal;
  readonly onProgress?: ((progress: CompactionProgress) => void) | undefined;
  readonly isBackground: boolean;
}

/**
 * After an abort it waits until the worker has taken its file away; a job that was done before it heard of the abort
 * is done. Throws STORE_WORKER, retryable, where the worker ended.
 */
export async function runInWorker(
  thread: WorkerThread,
  job: CompactionJob,
  { signal, onProgress, isBackground }: WorkerRunOptions,
): Promise<CompactionOutcome> {
  signal.throwIfAborted();
  let id = 0;
  const abort = (): void => thread.send({ kind: "abort", id });
  addAbortCallback(signal, abort);
  try {
    return await new Promise((resolve, reject) => {
      id = thread.begin({
        isBackground,
        fail: reject,
        hear: (message) => {
          if (message.kind === "progress") onProgress?.(message.progress);
          else if (message.kind === "done") resolve(message.outcome);
          else if (message.kind === "failed") reject(signal.aborted ? signal.reason : errorFromWire(message.error));
        },
      });
      thread.send({ kind: "run", id, job: withOwnBytes(job) });
    });
  } finally {
    removeAbortCallback(signal, abort);
    thread.end(id);
  }
}
