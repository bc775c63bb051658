/**
 * One worker as the thread of the store sees it. Whatever ends it (a crash, its heap's limit) fails the tasks that it
 * had, and those alone: it is made anew by whoever needs another.
 */

import { Worker } from "node:worker_threads";
import { errorText, HoldfastError } from "../../base/index.ts";
import type { FromWorker, ToWorker } from "./worker-message.ts";

/** The entry of a worker: TypeScript beside the sources, JavaScript beside what was built of them. */
const workerMain = new URL(import.meta.url.endsWith(".ts") ? "./worker-main.ts" : "./worker-main.js", import.meta.url);

export interface WorkerThreadOptions {
  /** Of its JavaScript heap, in MB; default what Node chooses. Buffers do not count. */
  readonly heapLimitMb?: number | undefined;
  /** For tests: another program. */
  readonly main?: URL | undefined;
}

export interface WorkerTask {
  /** The process may end although this is under way. */
  readonly isBackground: boolean;
  hear(message: FromWorker): void;
  /** The worker ended, and surely writes no more: STORE_WORKER, retryable, or what it was terminated for. */
  fail(error: HoldfastError): void;
}

export class WorkerThread {
  readonly #worker: Worker;
  readonly #tasks = new Map<number, WorkerTask>();
  #lastId = 0;
  #isEnded = false;
  #cause: unknown;
  #reason: HoldfastError | undefined;

  constructor({ heapLimitMb, main = workerMain }: WorkerThreadOptions) {
    const limits = heapLimitMb === undefined ? {} : { resourceLimits: { maxOldGenerationSizeMb: heapLimitMb } };
    // What the program was started with is not for its workers: with `--input-type`, say, none would start.
    this.#worker = new Worker(main, { name: "holdfast-store", execArgv: [], ...limits });
    this.#worker.unref();
    this.#worker.on("message", (message: FromWorker) => this.#tasks.get(message.id)?.hear(message));
    this.#worker.on("messageerror", (error) => {
      this.#noteEnd(error);
      void this.#worker.terminate();
    });
    this.#worker.on("error", (error) => this.#noteEnd(error));
    this.#worker.on("exit", (code) => this.#end(code));
  }

  /** True from its end on: then it takes no more tasks. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  get isIdle(): boolean {
    return this.#tasks.size === 0;
  }

  /** The number that every message about this task carries. */
  begin(task: WorkerTask): number {
    const id = ++this.#lastId;
    this.#tasks.set(id, task);
    this.#hold();
    return id;
  }

  /** What still comes for it is not heard any more. */
  end(id: number): void {
    this.#tasks.delete(id);
    this.#hold();
  }

  send(message: ToWorker): void {
    this.#worker.postMessage(message);
  }

  /** What it still had to do fails with this error. */
  async terminate(reason?: HoldfastError): Promise<void> {
    this.#noteEnd(reason);
    this.#reason = reason;
    await this.#worker.terminate();
  }

  /** Whoever waits for a task is waited for by the process. */
  #hold(): void {
    const isAwaited = [...this.#tasks.values()].some(({ isBackground }) => !isBackground);
    if (isAwaited) this.#worker.ref();
    else this.#worker.unref();
  }

  #noteEnd(cause: unknown): void {
    this.#isEnded = true;
    this.#cause ??= cause;
  }

  /** Only now does it surely write no more. */
  #end(code: number): void {
    this.#noteEnd(new Error(`it ended with code ${code}`));
    for (const task of [...this.#tasks.values()]) task.fail(this.#reason ?? endedError(this.#cause));
  }
}

function endedError(cause: unknown): HoldfastError {
  return new HoldfastError("STORE_WORKER", `the worker that merges segments ended: ${errorText(cause)}`, {
    cause,
    retryable: true,
    hint: "Nothing was lost or changed. Where memory is short, merge in slices, or give the process more of it.",
  });
}
