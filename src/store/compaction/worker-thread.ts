/**
 * One worker as the thread of the store sees it. Whatever ends it (a crash, its heap's limit) fails the jobs that it
 * had, and those alone: it is made anew by whoever needs another.
 */

import { Worker } from "node:worker_threads";
import { addAbortCallback, errorFromWire, errorText, HoldfastError, removeAbortCallback } from "../../base/index.ts";
import type { CompactionJob, CompactionOutcome, CompactionProgress } from "./job.ts";
import { type FromWorker, type ToWorker, withOwnBytes } from "./worker-message.ts";

/** The entry of a worker: TypeScript beside the sources, JavaScript beside what was built of them. */
const workerMain = new URL(import.meta.url.endsWith(".ts") ? "./worker-main.ts" : "./worker-main.js", import.meta.url);

export interface WorkerThreadOptions {
  /** Of its JavaScript heap, in MB; default what Node chooses. Buffers do not count. */
  readonly heapLimitMb?: number | undefined;
  /** For tests: another program. */
  readonly main?: URL | undefined;
}

export interface WorkerRunOptions {
  readonly signal: AbortSignal;
  readonly onProgress?: ((progress: CompactionProgress) => void) | undefined;
  /** The process may end although this is under way. */
  readonly isBackground: boolean;
}

interface Run extends WorkerRunOptions {
  readonly resolve: (outcome: CompactionOutcome) => void;
  readonly reject: (error: unknown) => void;
}

export class WorkerThread {
  readonly #worker: Worker;
  readonly #runs = new Map<number, Run>();
  #lastId = 0;
  #isEnded = false;

  constructor({ heapLimitMb, main = workerMain }: WorkerThreadOptions) {
    const limits = heapLimitMb === undefined ? {} : { resourceLimits: { maxOldGenerationSizeMb: heapLimitMb } };
    this.#worker = new Worker(main, { name: "holdfast-store", ...limits });
    this.#worker.unref();
    this.#worker.on("message", (message: FromWorker) => this.#hear(message));
    this.#worker.on("messageerror", (error) => this.#end(error));
    this.#worker.on("error", (error) => this.#end(error));
    this.#worker.on("exit", (code) => this.#end(new Error(`it ended with code ${code}`)));
  }

  /** True from its end on: then it takes no more jobs. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  get isIdle(): boolean {
    return this.#runs.size === 0;
  }

  /**
   * After an abort it waits until the worker has taken its file away; a job that was done before it heard of the abort
   * is done. Throws STORE_WORKER, retryable, where the worker ended.
   */
  async run(job: CompactionJob, options: WorkerRunOptions): Promise<CompactionOutcome> {
    options.signal.throwIfAborted();
    const id = ++this.#lastId;
    const abort = (): void => this.#send({ kind: "abort", id });
    addAbortCallback(options.signal, abort);
    try {
      return await new Promise((resolve, reject) => {
        this.#runs.set(id, { ...options, resolve, reject });
        this.#hold();
        this.#send({ kind: "run", id, job: withOwnBytes(job) });
      });
    } finally {
      removeAbortCallback(options.signal, abort);
      this.#runs.delete(id);
      this.#hold();
    }
  }

  async terminate(): Promise<void> {
    this.#isEnded = true;
    await this.#worker.terminate();
  }

  #send(message: ToWorker): void {
    this.#worker.postMessage(message);
  }

  /** Whoever waits for a job is waited for by the process. */
  #hold(): void {
    const isAwaited = [...this.#runs.values()].some(({ isBackground }) => !isBackground);
    if (isAwaited) this.#worker.ref();
    else this.#worker.unref();
  }

  #hear(message: FromWorker): void {
    const run = this.#runs.get(message.id);
    if (run === undefined) return;
    if (message.kind === "progress") run.onProgress?.(message.progress);
    else if (message.kind === "done") run.resolve(message.outcome);
    else run.reject(run.signal.aborted ? run.signal.reason : errorFromWire(message.error));
  }

  #end(cause: unknown): void {
    this.#isEnded = true;
    for (const { reject } of this.#runs.values()) reject(endedError(cause));
  }
}

function endedError(cause: unknown): HoldfastError {
  return new HoldfastError("STORE_WORKER", `the worker that merges segments ended: ${errorText(cause)}`, {
    cause,
    retryable: true,
    hint: "Nothing was lost or changed. Where memory is short, merge in slices, or give the process more of it.",
  });
}
