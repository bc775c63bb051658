/**
 * A pool of cells around one handler module.
 *
 * Promises: every job gets exactly one outcome; a cell that ended in any abnormal way is replaced at once and never
 * sees another job; a module that cannot be loaded ends jobs with a "bootstrap" verdict after a few spaced attempts
 * instead of spawning for ever, and is tried again later; disposing leaves no process behind.
 */

import { fileURLToPath } from "node:url";
import { errorToWire, HoldfastError, systemClock, toHoldfastError } from "../base/index.ts";
import { Cell, type CellListener, type CellSetup } from "./cell.ts";
import {
  type Confinement,
  confinedCommand,
  describeEnforcement,
  type Enforcement,
  probePlatform,
} from "./enforcement.ts";
import { cellMain, readableFolders } from "./locate.ts";
import type { CellJob, CellPool, CellPoolEvents, CellPoolOptions, CellPoolStats } from "./options.ts";
import { RespawnBrake } from "./respawn-brake.ts";
import type { CellOutcome, Verdict, VerdictKind } from "./verdict.ts";

interface QueuedJob {
  readonly job: CellJob;
  readonly resolve: (outcome: CellOutcome) => void;
  readonly release: () => void;
}

type Listener = (event: never) => void;

const defaultRecycleAfter = 256;
const defaultBootstrapTimeoutMs = 10_000;
const defaultPayloadLimitBytes = 256 * 2 ** 20;
const longestTimeoutMs = 2 ** 31 - 1;

/** Makes a pool and starts its first cell; `run` may be called at once. */
export function createCellPool(options: CellPoolOptions): CellPool {
  checkOptions(options);
  return new Pool(options);
}

class Pool implements CellPool {
  readonly #options: CellPoolOptions;
  readonly #recycleAfter: number;
  readonly #payloadLimitBytes: number;
  readonly #brake: RespawnBrake;
  readonly #queue: QueuedJob[] = [];
  readonly #cells = new Set<Cell>();
  /** Replaced already. */
  readonly #retiring = new Set<Cell>();
  readonly #listeners = new Map<keyof CellPoolEvents, Set<Listener>>();
  readonly #confinement: Promise<Confinement>;
  readonly #setup: Promise<CellSetup>;
  readonly #verdicts: Partial<Record<VerdictKind, number>> = {};
  #launching = 0;
  #spawned = 0;
  #retired = 0;
  #crashed = 0;
  #succeeded = 0;
  #closed = false;
  #stopRetry: () => void = () => {};

  readonly #cellListener: CellListener = {
    ready: (cell, bootMs) => {
      this.#brake.succeeded();
      this.#emit("ready", { pid: cell.pid, bootMs });
      this.#pump();
    },
    idle: (cell) => {
      if (cell.jobsStarted >= this.#recycleAfter || cell.isWorn) this.#retire(cell);
      this.#pump();
    },
    gone: (cell, verdict, wasReady) => this.#afterGone(cell, verdict, wasReady),
  };

  constructor(options: CellPoolOptions) {
    this.#options = options;
    this.#recycleAfter = options.recycleAfter ?? defaultRecycleAfter;
    this.#payloadLimitBytes = options.payloadLimitBytes ?? defaultPayloadLimitBytes;
    this.#brake = new RespawnBrake(options.clock ?? systemClock);
    const folders = readableFolders(options.module, options.readable ?? []);
    this.#confinement = this.#confine(folders);
    this.#setup = this.#confinement.then((confinement) => this.#prepare(confinement));
    this.#launch();
  }

  run(job: CellJob): Promise<CellOutcome> {
    const misuse = this.#misuseOf(job);
    if (misuse !== undefined) return Promise.reject(misuse);
    const { promise, resolve } = Promise.withResolvers<CellOutcome>();
    const queued: QueuedJob = {
      job,
      resolve: (outcome) => {
        this.#count(job, outcome);
        resolve(outcome);
      },
      release: () => job.signal?.removeEventListener("abort", onAbort),
    };
    const onAbort = (): void => this.#withdraw(queued);
    if (job.signal?.aborted === true) {
      this.#refuse(queued, { kind: "cancelled", message: "the job was cancelled before it began", logTail: [] });
      return promise;
    }
    job.signal?.addEventListener("abort", onAbort, { once: true });
    this.#queue.push(queued);
    this.#pump();
    return promise;
  }

  stats(): CellPoolStats {
    const inState = (state: Cell["state"]): number => [...this.#cells].filter((cell) => cell.state === state).length;
    return {
      starting: this.#launching + inState("starting"),
      ready: inState("ready"),
      busy: inState("busy"),
      queued: this.#queue.length,
      spawned: this.#spawned,
      retired: this.#retired,
      crashed: this.#crashed,
      succeeded: this.#succeeded,
      verdicts: { ...this.#verdicts },
    };
  }

  async enforcement(): Promise<readonly Enforcement[]> {
    return describeEnforcement(await this.#confinement, this.#options.cpuLimitMs);
  }

  on<Name extends keyof CellPoolEvents>(name: Name, listener: (event: CellPoolEvents[Name]) => void): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#stopRetry();
    const message = "the pool was disposed of";
    for (const queued of this.#queue.splice(0)) this.#refuse(queued, { kind: "cancelled", message, logTail: [] });
    for (const cell of this.#cells) cell.kill({ kind: "cancelled", message });
    await Promise.all([...this.#cells].map((cell) => cell.whenGone));
  }

  /** Gives waiting jobs to ready cells, and starts as many cells as there is work for. */
  #pump(): void {
    if (this.#closed) return;
    for (const cell of this.#cells) {
      if (this.#queue.length === 0) return;
      if (cell.state === "ready") this.#dispatch(cell);
    }
    const { starting, queued } = this.stats();
    const room = this.#options.cells - this.#living();
    const wanted = Math.min(queued - starting, room);
    if (wanted <= 0) return;
    for (let count = 0; count < wanted && this.#brake.waitMs() === 0; count++) this.#launch();
    if (this.#living() === 0) this.#afterRefusedLaunch(this.#brake.waitMs());
  }

  #living(): number {
    let living = this.#launching;
    for (const cell of this.#cells) if (cell.state !== "ending" && cell.state !== "gone") living++;
    return living;
  }

  /** No cell lives and none may be started yet: wait for the next attempt, or say that there is no hope for now. */
  #afterRefusedLaunch(waitMs: number): void {
    const failure = this.#brake.givenUp();
    if (failure !== undefined) {
      for (const queued of this.#queue.splice(0)) this.#refuse(queued, failure);
      return;
    }
    this.#stopRetry();
    this.#stopRetry = (this.#options.clock ?? systemClock).schedule(waitMs, () => this.#pump());
  }

  #dispatch(cell: Cell): void {
    const queued = this.#queue.shift();
    if (queued === undefined) return;
    queued.release();
    void cell.run(queued.job).then(queued.resolve);
  }

  #launch(): void {
    this.#launching++;
    this.#brake.attempted();
    void this.#setup.then((setup) => {
      this.#launching--;
      if (!this.#closed) this.#start(setup);
    });
  }

  #start(setup: CellSetup): void {
    this.#spawned++;
    try {
      this.#cells.add(new Cell(setup, this.#cellListener));
    } catch (failure) {
      const error = errorToWire(toHoldfastError(failure, "CELL_SPAWN"));
      const message = `the cell could not be started: ${error.message}`;
      this.#brake.failed({ kind: "bootstrap", message, error, logTail: [] });
      this.#pump();
    }
  }

  #retire(cell: Cell): void {
    this.#retired++;
    this.#retiring.add(cell);
    cell.kill({ kind: "cancelled", message: "the cell was retired" });
    this.#replace();
  }

  /** Starts one cell in the place of one that had work, where there is room. */
  #replace(): void {
    if (!this.#closed && this.#living() < this.#options.cells && this.#brake.waitMs() === 0) this.#launch();
  }

  #afterGone(cell: Cell, verdict: Verdict, wasReady: boolean): void {
    this.#cells.delete(cell);
    this.#emit("exit", { pid: cell.pid, reason: verdict.message });
    if (this.#closed) return;
    if (!wasReady) this.#brake.failed(verdict);
    if (verdict.kind !== "cancelled") this.#crashed++;
    const retired = this.#retiring.delete(cell);
    // A cell that had work is replaced at once; one that died idle or unborn only when there is work, or it would go
    // on for ever.
    if (wasReady && cell.jobsStarted > 0 && !retired) this.#replace();
    this.#pump();
  }

  #withdraw(queued: QueuedJob): void {
    const place = this.#queue.indexOf(queued);
    if (place < 0) return;
    this.#queue.splice(place, 1);
    this.#refuse(queued, { kind: "cancelled", message: "the job was cancelled before it began", logTail: [] });
  }

  #refuse(queued: QueuedJob, verdict: Verdict): void {
    queued.release();
    queued.resolve({ ok: false, verdict, durationMs: 0 });
  }

  #count({ kind: jobKind }: CellJob, outcome: CellOutcome): void {
    if (outcome.ok) {
      this.#succeeded++;
      return;
    }
    const { verdict, durationMs } = outcome;
    this.#verdicts[verdict.kind] = (this.#verdicts[verdict.kind] ?? 0) + 1;
    this.#emit("verdict", { jobKind, verdict, durationMs });
  }

  /** Listeners are called after the pool's own work: what they throw is theirs. */
  #emit<Name extends keyof CellPoolEvents>(name: Name, event: CellPoolEvents[Name]): void {
    for (const listener of this.#listeners.get(name) ?? []) queueMicrotask(() => listener(event as never));
  }

  #misuseOf({ payload, timeoutMs }: CellJob): HoldfastError | undefined {
    if (this.#closed) return new HoldfastError("CELL_POOL_CLOSED", "the cell pool was disposed of and takes no job");
    if (!(timeoutMs > 0 && timeoutMs <= longestTimeoutMs)) {
      return new HoldfastError(
        "CELL_ARGUMENT",
        `timeoutMs must be between 0 and ${longestTimeoutMs}, not ${timeoutMs}`,
      );
    }
    if (payload.length <= this.#payloadLimitBytes) return undefined;
    const message = `a payload of ${payload.length} bytes is over the pool's limit of ${this.#payloadLimitBytes}`;
    return new HoldfastError("CELL_ARGUMENT", message, { hint: "raise payloadLimitBytes or send less" });
  }

  async #confine(folders: readonly string[]): Promise<Confinement> {
    const { memoryLimitBytes, cpuLimitMs, waive } = this.#options;
    const platform = await probePlatform();
    const lifetimeMs = cpuLimitMs === undefined ? undefined : cpuLimitMs * this.#recycleAfter + 10_000;
    return {
      platform,
      waived: new Set(waive),
      memoryLimitBytes,
      cpuLifetimeSeconds: lifetimeMs === undefined ? undefined : Math.ceil(lifetimeMs / 1_000),
      readableFolders: folders,
    };
  }

  #prepare(confinement: Confinement): CellSetup {
    const { module, execArgv, environment, memoryLimitBytes, cpuLimitMs, bootstrapTimeoutMs, clock } = this.#options;
    const entry = [fileURLToPath(cellMain), module.href, String(this.#payloadLimitBytes)];
    return {
      command: confinedCommand(confinement, [...(execArgv ?? []), ...entry]),
      environment: environment ?? {},
      platform: confinement.platform,
      memoryLimitBytes,
      limitsData: !confinement.waived.has("data"),
      cpuLimitMs,
      payloadLimitBytes: this.#payloadLimitBytes,
      bootstrapTimeoutMs: bootstrapTimeoutMs ?? defaultBootstrapTimeoutMs,
      clock: clock ?? systemClock,
    };
  }
}

function checkOptions({ cells, memoryLimitBytes, recycleAfter, cpuLimitMs }: CellPoolOptions): void {
  const bad = (what: string): HoldfastError => new HoldfastError("CELL_ARGUMENT", `the cell pool's ${what}`);
  if (!Number.isInteger(cells) || cells < 1) throw bad(`"cells" must be a whole number from 1, not ${cells}`);
  if (!(memoryLimitBytes >= 2 ** 24)) throw bad(`"memoryLimitBytes" must be at least 16 MiB, not ${memoryLimitBytes}`);
  if (recycleAfter !== undefined && !(recycleAfter >= 1)) throw bad(`"recycleAfter" must be at least 1`);
  if (cpuLimitMs !== undefined && !(cpuLimitMs > 0)) throw bad(`"cpuLimitMs" must be more than 0`);
}
