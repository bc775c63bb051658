/** The public shape of a cell pool: options, job, statistics, events. */

import type { Clock } from "../base/index.ts";
import type { Enforcement, WaivableMeasure } from "./enforcement.ts";
import type { CellOutcome, Verdict, VerdictKind } from "./verdict.ts";

export interface CellPoolOptions {
  /** The handler module; it exports `handle` (see CellHandler). Imported before the first job of every cell. */
  readonly module: URL;
  /** How many cells may live at the same time. They are started on demand, the first one at once. */
  readonly cells: number;
  /** What one job may use beyond an idle cell: heap, buffers and WebAssembly memory, each and together. */
  readonly memoryLimitBytes: number;
  /** Processor time of one job. Default: no limit but the deadline. */
  readonly cpuLimitMs?: number;
  /** More flags for the cell's Node, after ours. */
  readonly execArgv?: readonly string[];
  /** The cell's whole environment; nothing is inherited. Default empty. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Folders the cell may read besides the packages of the handler and of Holdfast. */
  readonly readable?: readonly URL[];
  /** Measures to do without, where the handler cannot work under them. Listed as waived by `enforcement()`. */
  readonly waive?: readonly WaivableMeasure[];
  /** A cell is replaced after so many jobs. Default 256. */
  readonly recycleAfter?: number;
  /** How long a cell may take to become ready. Default 10 s. */
  readonly bootstrapTimeoutMs?: number;
  /** The largest payload either way. Default 256 MiB. */
  readonly payloadLimitBytes?: number;
  readonly clock?: Clock;
}

export interface CellJob {
  readonly kind: string;
  readonly payload: Uint8Array;
  /** From the moment a cell starts on the job; time in the queue does not count. */
  readonly timeoutMs: number;
  /** Aborting takes the job from the queue, or kills the cell that runs it. */
  readonly signal?: AbortSignal;
}

export interface CellPoolStats {
  readonly starting: number;
  readonly ready: number;
  readonly busy: number;
  readonly queued: number;
  /** Cells started, retired after their share of jobs, and ended in any other way, since the pool was made. */
  readonly spawned: number;
  readonly retired: number;
  readonly crashed: number;
  readonly succeeded: number;
  readonly verdicts: Readonly<Partial<Record<VerdictKind, number>>>;
}

export interface CellPoolEvents {
  /** A cell is warm. */
  readonly ready: { readonly pid: number; readonly bootMs: number };
  /** A job ended without success. */
  readonly verdict: { readonly jobKind: string; readonly verdict: Verdict; readonly durationMs: number };
  /** A cell's process is gone. */
  readonly exit: { readonly pid: number; readonly reason: string };
}

export interface CellPool extends AsyncDisposable {
  /** Resolves with an outcome, whatever the cell does. Rejects only on misuse: a bad argument or a disposed pool. */
  run(job: CellJob): Promise<CellOutcome>;
  stats(): CellPoolStats;
  /** What this platform holds a cell to, and what it cannot. */
  enforcement(): Promise<readonly Enforcement[]>;
  /** Subscribes; the returned function ends the subscription. */
  on<Name extends keyof CellPoolEvents>(name: Name, listener: (event: CellPoolEvents[Name]) => void): () => void;
}
