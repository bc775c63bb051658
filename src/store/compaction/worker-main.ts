/**
 * The thread that merges: takes jobs as they come, several side by side, each with files of its own. It keeps nothing
 * between jobs, so that it can end at any time.
 *
 * A failure is sent back. A broken invariant is not: it ends the thread, and the other side hears of that.
 */

import { parentPort } from "node:worker_threads";
import { AssertionFailure, assert, errorToWire, toHoldfastError } from "../../base/index.ts";
import { NodeDisk } from "../../disk/index.ts";
import { type CompactionJob, runCompaction } from "./job.ts";
import type { FromWorker, ToWorker } from "./worker-message.ts";

assert(parentPort !== null, "this module is the main one of a worker");
const port = parentPort;
const disk = new NodeDisk();
const running = new Map<number, AbortController>();

function send(message: FromWorker): void {
  port.postMessage(message);
}

async function run(id: number, job: CompactionJob): Promise<void> {
  const controller = new AbortController();
  running.set(id, controller);
  try {
    const { signal } = controller;
    const outcome = await runCompaction(disk, job, {
      signal,
      onProgress: (progress) => send({ kind: "progress", id, progress }),
    });
    send({ kind: "done", id, outcome });
  } catch (error) {
    if (error instanceof AssertionFailure) throw error;
    send({ kind: "failed", id, error: errorToWire(toHoldfastError(error, "STORE_WORKER")) });
  } finally {
    running.delete(id);
  }
}

port.on("message", (message: ToWorker) => {
  if (message.kind === "abort") running.get(message.id)?.abort();
  else void run(message.id, message.job);
});
