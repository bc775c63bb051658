/**
 * The forge: jobs that nothing kills.
 *
 * `submit` returns when the job is accepted durably; from then on it survives anything, and `resume` after a restart
 * carries unfinished jobs on in the order of their acceptance. A job is what it compiles: the same model, options,
 * strategy and toolchain are one job, however often they come, and a finished one is delivered from what is stored.
 */

import { type Clock, HoldfastError, systemClock, toHoldfastError, untilAborted } from "../base/index.ts";
import { type Disk, NodeDisk } from "../disk/index.ts";
import { type CellPool, type CellPoolOptions, createCellPool } from "../sandbox/index.ts";
import type { DurabilityWarning } from "../wal/index.ts";
import { hashHex } from "./content-hash.ts";
import { takeOverJournal } from "./earlier-journal.ts";
import { ForgeEvents, type ForgeListener, type JobState } from "./events.ts";
import { ForgeStore } from "./forge-store.ts";
import { closedError, type JobResult, JobRun, type UnitCells } from "./job-run.ts";
import type { JobEntry } from "./ledger.ts";
import { defaultStrategy, type Strategy } from "./strategy.ts";
import type { ArtifactFile, Toolchain } from "./toolchain.ts";

export interface ForgeOptions {
  readonly stateDir: string;
  readonly toolchain: Toolchain;
  /** Units compiled at the same time, each in a process of its own. */
  readonly cells: number;
  readonly disk?: Disk;
  readonly clock?: Clock;
  /** Deadline of one attempt at one unit. Default 60 s. */
  readonly unitTimeoutMs?: number;
  /** Takes the place of the strategy's time budget. */
  readonly budgetMs?: number;
  /** More options for the cells. */
  readonly cellOptions?: Partial<Omit<CellPoolOptions, "module" | "cells" | "memoryLimitBytes">>;
  /** Takes the place of the cell pool. */
  readonly createCells?: (options: CellPoolOptions) => UnitCells & AsyncDisposable;
}

export interface JobRequest {
  readonly model: Uint8Array;
  /** For people; the job's identity does not depend on it. */
  readonly name: string;
  /** The toolchain's own options, encoded. Default none. */
  readonly options?: Uint8Array;
  readonly strategy?: Strategy;
  /** Try a job again that is finished but degraded, rather than delivering what there is. Default false. */
  readonly retryDegraded?: boolean;
}

export interface JobHandle {
  readonly id: string;
  readonly name: string;
  /** Rejects with the job's error, or with FORGE_CLOSED. The signal ends the waiting, not the job. */
  result(options?: { readonly signal?: AbortSignal }): Promise<JobResult>;
}

export interface JobSummary {
  readonly id: string;
  readonly name: string;
  readonly strategy: Strategy;
  readonly state: JobState;
  readonly acceptedMs: number;
  readonly finishedMs: number | undefined;
  readonly units: number;
  readonly eagerUnits: number;
  readonly files: readonly { readonly path: string; readonly hash: string; readonly sizeBytes: number }[];
  readonly failure: HoldfastError | undefined;
}

interface ActiveJob {
  readonly id: string;
  readonly input: { readonly model: Uint8Array; readonly options: Uint8Array } | undefined;
  readonly result: PromiseWithResolvers<JobResult>;
}

const defaultUnitTimeoutMs = 60_000;
const bytesPerMb = 2 ** 20;

/**
 * Opens the state folder, made where missing, and reads what it says of jobs. Another holder is refused with
 * DISK_LOCKED. What an earlier version kept in the folder is taken over.
 */
export async function openForge(options: ForgeOptions): Promise<Forge> {
  if (!Number.isInteger(options.cells) || options.cells < 1) {
    throw new HoldfastError("FORGE_BAD_OPTION", `cells is ${options.cells}; it must be a whole number of at least 1`);
  }
  const disk = options.disk ?? new NodeDisk();
  const clock = options.clock ?? systemClock;
  const where = { stateDir: options.stateDir, disk, clock };
  const store = await ForgeStore.open(where);
  try {
    await takeOverJournal(where, store);
    return new Forge(options, { clock, store });
  } catch (error) {
    await store[Symbol.asyncDispose]();
    throw error;
  }
}

interface Parts {
  readonly clock: Clock;
  readonly store: ForgeStore;
}

export class Forge implements AsyncDisposable {
  readonly #options: ForgeOptions;
  readonly #parts: Parts;
  readonly #events = new ForgeEvents();
  readonly #closing = new AbortController();
  readonly #active = new Map<string, ActiveJob>();
  readonly #submitting = new Map<string, Promise<JobHandle>>();
  #pool: { readonly memoryMb: number; readonly cells: UnitCells & AsyncDisposable } | undefined;
  #runner: Promise<void> | undefined;

  constructor(options: ForgeOptions, parts: Parts) {
    this.#options = options;
    this.#parts = parts;
  }

  /** Subscribes to events; the returned function ends the subscription. */
  subscribe(listener: ForgeListener): () => void {
    return this.#events.subscribe(listener);
  }

  /** What of the state folder's file system puts its promises in doubt (W7). */
  get warnings(): readonly DurabilityWarning[] {
    return this.#parts.store.warnings;
  }

  /** Every job, in the order of acceptance. */
  jobs(): readonly JobSummary[] {
    return this.#parts.store.ledger.jobs().map((job) => {
      const { id, name, strategy, state, acceptedMs, finishedMs, units, files, failure } = job;
      return { id, name, strategy, state, acceptedMs, finishedMs, units, eagerUnits: job.eager.size, files, failure };
    });
  }

  /** Accepts a job durably. What was accepted before is the same job: it is joined, or delivered. */
  async submit(request: JobRequest): Promise<JobHandle> {
    this.#refuseWhenClosed();
    const options = request.options ?? new Uint8Array(0);
    const strategy = request.strategy ?? defaultStrategy;
    const { name, version } = this.#options.toolchain;
    const modelHash = hashHex(request.model);
    const optionsHash = hashHex(options);
    const id = hashHex(JSON.stringify([name, version, strategy, modelHash, optionsHash]));
    const submitting = this.#submitting.get(id);
    if (submitting !== undefined) return await submitting;
    const accepted = this.#accept(id, { ...request, options, strategy }, modelHash, optionsHash);
    this.#submitting.set(id, accepted);
    try {
      return await accepted;
    } finally {
      this.#submitting.delete(id);
    }
  }

  /** Carries on every job that was accepted and is not finished, in order. */
  resume(): readonly JobHandle[] {
    this.#refuseWhenClosed();
    const unfinished = this.#parts.store.ledger
      .jobs()
      .filter((job) => job.state === "accepted" || job.state === "running");
    return unfinished.map((job) => this.#handleOf(job, this.#active.get(job.id) ?? this.#activate(job, undefined)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    await Promise.allSettled(this.#submitting.values());
    await this.#runner;
    for (const job of this.#active.values()) job.result.reject(closedError());
    await this.#pool?.cells[Symbol.asyncDispose]();
    await this.#parts.store[Symbol.asyncDispose]();
  }

  async #accept(
    id: string,
    request: JobRequest & { readonly options: Uint8Array; readonly strategy: Strategy },
    modelHash: string,
    optionsHash: string,
  ): Promise<JobHandle> {
    const { store } = this.#parts;
    const known = store.ledger.job(id);
    const active = this.#active.get(id);
    if (known !== undefined && active !== undefined) return this.#handleOf(known, active);
    const input = { model: request.model, options: request.options };
    if (known?.state === "accepted" || known?.state === "running")
      return this.#handleOf(known, this.#activate(known, input));
    if (known?.state === "done" || (known?.state === "degraded" && request.retryDegraded !== true)) {
      const delivered = await this.#deliver(known);
      if (delivered !== undefined) return finishedHandle(known, delivered);
    }
    const { name: toolchainName, version: toolchainVersion } = this.#options.toolchain;
    const { name, strategy } = request;
    const value = {
      jobId: id,
      name: name.toWellFormed(),
      modelHash,
      optionsHash,
      strategy,
      toolchainName,
      toolchainVersion,
    };
    await store.accept(value, [request.model, request.options]);
    this.#events.emit({ type: "jobAccepted", jobId: id, name, strategy });
    const job = store.ledger.job(id);
    if (job === undefined) throw new HoldfastError("FORGE_BAD_RECORD", `the job ${id} was accepted and is not known`);
    return this.#handleOf(job, this.#activate(job, input));
  }

  /** The files of a finished job; undefined where one of them is missing or damaged. */
  async #deliver(job: JobEntry): Promise<JobResult | undefined> {
    const files: ArtifactFile[] = [];
    for (const { path, hash } of job.files) {
      const bytes = await this.#parts.store.bytes("artifacts", hash);
      if (bytes === undefined) return undefined;
      files.push({ path, bytes });
    }
    const status = job.state === "done" ? "done" : "degraded";
    const { id: jobId, units, durationMs } = job;
    return { jobId, status, files, units, eager: [...job.eager.values()], durationMs, fromCache: true };
  }

  #activate(job: JobEntry, input: ActiveJob["input"]): ActiveJob {
    const active: ActiveJob = { id: job.id, input, result: Promise.withResolvers() };
    active.result.promise.catch(() => undefined);
    this.#active.set(job.id, active);
    this.#runner ??= this.#runJobs();
    return active;
  }

  #handleOf(job: JobEntry, active: ActiveJob): JobHandle {
    return { id: job.id, name: job.name, result: (options) => untilAborted(active.result.promise, options?.signal) };
  }

  /** One job at a time, in order; its units share the cells. */
  async #runJobs(): Promise<void> {
    await Promise.resolve();
    for (const active of this.#active.values()) {
      if (this.#closing.signal.aborted) break;
      try {
        active.result.resolve(await this.#runJob(active));
      } catch (error) {
        active.result.reject(error);
      }
      this.#active.delete(active.id);
    }
    this.#runner = undefined;
  }

  async #runJob(active: ActiveJob): Promise<JobResult> {
    const { store } = this.#parts;
    const job = store.ledger.job(active.id);
    if (job === undefined) throw new HoldfastError("FORGE_BAD_RECORD", `the job ${active.id} is not known`);
    job.state = "running";
    try {
      const { model, options } = active.input ?? (await this.#storedInput(job));
      return await new JobRun(this.#runContext(), job).run(model, options);
    } catch (cause) {
      job.state = "accepted";
      const error = toHoldfastError(cause, "FORGE_FAILED");
      if (isPassing(error)) throw error;
      const { code, rawMessage: message, hint } = error;
      await store.note(job.id, {
        case: "jobFailed",
        value: { jobId: job.id, code, message: message.toWellFormed(), hint: hint?.toWellFormed() ?? "" },
      });
      this.#events.emit({ type: "jobFinished", jobId: job.id, status: "failed", durationMs: 0 });
      throw error;
    }
  }

  async #storedInput(job: JobEntry): Promise<{ model: Uint8Array; options: Uint8Array }> {
    const { name, version } = this.#options.toolchain;
    if (job.toolchainName !== name || job.toolchainVersion !== version) {
      const then = `${job.toolchainName} ${job.toolchainVersion}`;
      throw new HoldfastError(
        "FORGE_TOOLCHAIN_CHANGED",
        `the job "${job.name}" was accepted for ${then}, not ${name} ${version}`,
        {
          hint: "Submit the model again.",
        },
      );
    }
    const [model, options] = await Promise.all([
      this.#parts.store.bytes("inputs", job.modelHash),
      this.#parts.store.bytes("inputs", job.optionsHash),
    ]);
    if (model === undefined || options === undefined) {
      throw new HoldfastError("FORGE_INPUT_LOST", `the stored input of the job "${job.name}" is missing or damaged`, {
        hint: "Submit the model again, and check the disk.",
      });
    }
    return { model, options };
  }

  #runContext() {
    const { cells, toolchain, budgetMs, unitTimeoutMs = defaultUnitTimeoutMs } = this.#options;
    const closing = this.#closing.signal;
    const cellsFor = (memoryMb: number): UnitCells => this.#cellsFor(memoryMb);
    return { ...this.#parts, events: this.#events, toolchain, unitTimeoutMs, budgetMs, cells, cellsFor, closing };
  }

  /** Cells are kept warm between jobs of the same limit. */
  #cellsFor(memoryMb: number): UnitCells {
    if (this.#pool?.memoryMb === memoryMb) return this.#pool.cells;
    const before = this.#pool?.cells;
    // No job of the pool before is under way: jobs run one at a time.
    if (before !== undefined) void before[Symbol.asyncDispose]();
    const { cells, cellOptions, createCells, toolchain } = this.#options;
    const memoryLimitBytes = Math.floor((memoryMb * bytesPerMb) / cells);
    const options: CellPoolOptions = { ...cellOptions, module: toolchain.cellModule, cells, memoryLimitBytes };
    const made: UnitCells & AsyncDisposable = createCells?.(options) ?? poolOf(options);
    this.#pool = { memoryMb, cells: made };
    return made;
  }

  #refuseWhenClosed(): void {
    if (this.#closing.signal.aborted) throw new HoldfastError("FORGE_CLOSED", "the forge is closed");
  }
}

function poolOf(options: CellPoolOptions): CellPool {
  return createCellPool(options);
}

/** Failures of the moment, not of the job: it stays accepted and can be carried on. */
function isPassing(error: HoldfastError): boolean {
  if (error.code === "FORGE_CLOSED" || error.code === "FORGE_NOT_DURABLE") return true;
  return ["DISK_", "WAL_", "STORE_"].some((prefix) => error.code.startsWith(prefix));
}

function finishedHandle(job: JobEntry, result: JobResult): JobHandle {
  return { id: job.id, name: job.name, result: (options) => untilAborted(Promise.resolve(result), options?.signal) };
}
