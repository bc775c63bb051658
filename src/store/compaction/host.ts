/**
 * Where compactions run: in a worker thread, so that the event loop stays free while megabytes are merged, or in slices
 * of the caller's thread, where a run has to be the same each time.
 *
 * The worker is made with the first job, and let go when it had none for a while. It has a disk of its own, which can
 * only be the real one: with any other disk jobs run in slices, whatever was asked for.
 *
 * Jobs may run side by side as long as none of them has an input of another (see `pickCompaction`).
 */

import { join } from "node:path";
import { type Clock, HoldfastError, LinkedController, systemClock } from "../../base/index.ts";
import { type Disk, NodeDisk } from "../../disk/index.ts";
import { fileName } from "../manifest/names.ts";
import { temporaryPath } from "../segment/segment-writer.ts";
import type { SectionBuilder, SectionContext } from "./derived-sections.ts";
import { type CompactionJob, type CompactionOutcome, type CompactionProgress, runCompaction } from "./job.ts";
import { sectionBuilders } from "./section-builders.ts";
import { runInWorker, type WorkerRunOptions } from "./worker-run.ts";
import { WorkerSectionBuilder } from "./worker-sections.ts";
import { WorkerThread, type WorkerThreadOptions } from "./worker-thread.ts";

export interface CompactionHostOptions {
  readonly kind: "worker" | "slices";
  readonly disk: Disk;
  readonly clock?: Clock;
  /** How long a worker without jobs is kept. Default 10 s. */
  readonly idleMs?: number;
  readonly worker?: WorkerThreadOptions;
}

export interface HostRunOptions {
  readonly signal?: AbortSignal | undefined;
  /** Must not throw. */
  readonly onProgress?: ((progress: CompactionProgress) => void) | undefined;
  /** The process may end although this is under way: nobody waits for it. Default false. */
  readonly isBackground?: boolean;
}

export interface CompactionHost extends AsyncDisposable {
  /** Where jobs really run. */
  readonly kind: "worker" | "slices";
  /**
   * As `runCompaction`. Throws STORE_WORKER, retryable, where the worker ended; the next run gets a new one. Throws
   * STORE_CLOSED after `close`, and where it came while the job ran.
   */
  run(job: CompactionJob, options?: HostRunOptions): Promise<CompactionOutcome>;
  /**
   * Builders for one segment that is written on this thread, as in a flush, and that work where compactions do. They
   * throw STORE_WORKER as `run` does.
   */
  sectionBuilders(context: Omit<SectionContext, "inputs">): readonly SectionBuilder[];
  /** Aborts the jobs that run, and waits for them. Builders that are in use fail. */
  close(): Promise<void>;
}

export function compactionHost(options: CompactionHostOptions): CompactionHost {
  return new Host(options);
}

class Host implements CompactionHost {
  readonly kind: "worker" | "slices";
  readonly #options: CompactionHostOptions;
  readonly #clock: Clock;
  readonly #running = new Map<LinkedController, Promise<unknown>>();
  #thread: WorkerThread | undefined;
  #cancelIdle: (() => void) | undefined;
  #isClosed = false;

  constructor(options: CompactionHostOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.kind = options.kind === "worker" && options.disk instanceof NodeDisk ? "worker" : "slices";
  }

  async run(job: CompactionJob, options: HostRunOptions = {}): Promise<CompactionOutcome> {
    if (this.#isClosed) throw closedError();
    using linked = new LinkedController(options.signal);
    linked.signal.throwIfAborted();
    const { onProgress, isBackground = false } = options;
    const work =
      this.kind === "slices"
        ? runCompaction(this.#options.disk, job, { signal: linked.signal, onProgress })
        : this.#runInWorker(job, { signal: linked.signal, onProgress, isBackground });
    this.#running.set(linked, work);
    try {
      return await work;
    } finally {
      this.#running.delete(linked);
    }
  }

  sectionBuilders(context: Omit<SectionContext, "inputs">): readonly SectionBuilder[] {
    if (this.kind === "slices") return sectionBuilders(context);
    const thread = (): WorkerThread => this.#usableThread();
    return [new WorkerSectionBuilder({ thread, context, onEnd: (used) => this.#releaseWhenIdle(used) })];
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const linked of this.#running.keys()) linked.abort(closedError());
    await Promise.allSettled(this.#running.values());
    this.#cancelIdle?.();
    await this.#thread?.terminate(closedError());
    this.#thread = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #runInWorker(job: CompactionJob, options: WorkerRunOptions): Promise<CompactionOutcome> {
    const thread = this.#usableThread();
    try {
      return await runInWorker(thread, job, options);
    } catch (error) {
      if (thread.isEnded) await this.#removeOutput(job);
      throw error;
    } finally {
      this.#releaseWhenIdle(thread);
    }
  }

  #usableThread(): WorkerThread {
    if (this.#isClosed) throw closedError();
    this.#cancelIdle?.();
    if (this.#thread === undefined || this.#thread.isEnded) this.#thread = new WorkerThread(this.#options.worker ?? {});
    return this.#thread;
  }

  /** What a worker that ended left of its file, under either name: no manifest has it. */
  async #removeOutput({ folder, output }: CompactionJob): Promise<void> {
    const name = fileName({ id: output.fileId, kind: "segment" });
    for (const path of [temporaryPath({ folder, name }), join(folder, name)])
      await this.#options.disk.remove(path).catch(() => undefined);
  }

  #releaseWhenIdle(thread: WorkerThread): void {
    if (thread !== this.#thread || thread.isEnded || !thread.isIdle) return;
    this.#cancelIdle?.();
    const release = (): void => {
      if (thread !== this.#thread || !thread.isIdle) return;
      this.#thread = undefined;
      void thread.terminate();
    };
    this.#cancelIdle = this.#clock.schedule(this.#options.idleMs ?? 10_000, release, { background: true });
  }
}

function closedError(): HoldfastError {
  return new HoldfastError("STORE_CLOSED", "the store was closed while its segments were merged");
}
