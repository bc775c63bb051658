/**
 * How a job in a cell ended.
 *
 * A job that does not succeed gets a verdict that says which of the many deaths it was, because what to do next depends
 * on it: a deadline may deserve a second try, a segmentation fault a quarantine, a bootstrap failure a look at the
 * installation. Nothing is folded into "worker exited unexpectedly".
 */

import type { WireError } from "../base/index.ts";

export type VerdictKind =
  /** A signal that nobody here sent: a crash, an operator, or the kernel's out-of-memory killer. */
  | "signal"
  /** V8 gave up: the JavaScript heap reached its limit. */
  | "heap-limit"
  /** Buffers or WebAssembly memory reached the limit on private memory; the allocation failed. */
  | "data-limit"
  /** The resident size went over the limit and the watchdog killed the cell. */
  | "memory-watchdog"
  /** The job ran past `timeoutMs`, counted from its start, not from its queueing. */
  | "deadline"
  /** The job used more processor time than the cell may. */
  | "cpu-limit"
  /** The process ended with a code other than 0 before it replied. */
  | "exit"
  /** The cell broke the protocol: bad frame, unasked reply, closed channel, or exit 0 without a reply. */
  | "protocol"
  /** The handler threw; `error` holds what. */
  | "error"
  /** The caller gave up, or the pool was disposed of. */
  | "cancelled"
  /** No cell could be started: the handler module failed to load, or the process died before it was ready. */
  | "bootstrap";

export interface Verdict {
  readonly kind: VerdictKind;
  readonly signal?: NodeJS.Signals;
  readonly exitCode?: number;
  readonly message: string;
  /** What the handler threw, or why the handler module did not load. */
  readonly error?: WireError;
  /** The last lines the cell wrote to stdout and stderr during this job, oldest first; at most 50. */
  readonly logTail: readonly string[];
  /** The last phase the handler reported; absent where it reported none. */
  readonly phase?: string;
  /** The process that ended; absent where the job never reached one. */
  readonly pid?: number;
}

export type CellOutcome =
  | { readonly ok: true; readonly payload: Uint8Array; readonly durationMs: number }
  | { readonly ok: false; readonly verdict: Verdict; readonly durationMs: number };
