/**
 * From the death of a cell to a verdict.
 *
 * The order matters: what the parent meant to do, then the engine's last words, then the signal, then the code. An exit
 * code is the least of the witnesses; a cell that has lost its mind can end with 0.
 */

import type { WireError } from "../base/index.ts";
import type { LastWords } from "./log-tail.ts";
import type { Verdict, VerdictKind } from "./verdict.ts";

/** Why the parent killed a cell; recorded before the kill. */
export interface Intent {
  readonly kind: VerdictKind;
  readonly message: string;
  readonly error?: WireError;
}

export interface Death {
  readonly pid: number | undefined;
  readonly intent: Intent | undefined;
  readonly signal: NodeJS.Signals | undefined;
  readonly exitCode: number | undefined;
  readonly lastWords: LastWords | undefined;
  readonly logTail: readonly string[];
  readonly phase: string | undefined;
  /** False where the cell never became ready. */
  readonly wasReady: boolean;
}

export function verdictOfDeath(death: Death): Verdict {
  const cause = causeOfDeath(death);
  const bootstrap = !death.wasReady && cause.kind !== "cancelled" && cause.kind !== "bootstrap";
  return {
    kind: bootstrap ? "bootstrap" : cause.kind,
    message: bootstrap ? `the cell ended before it was ready: ${cause.message}` : cause.message,
    logTail: death.logTail,
    ...(cause.error === undefined ? {} : { error: cause.error }),
    ...(death.signal === undefined ? {} : { signal: death.signal }),
    ...(death.exitCode === undefined ? {} : { exitCode: death.exitCode }),
    ...(death.phase === undefined ? {} : { phase: death.phase }),
    ...(death.pid === undefined ? {} : { pid: death.pid }),
  };
}

function causeOfDeath(death: Death): Intent {
  if (death.intent !== undefined && died(death.intent, death)) return death.intent;
  const { signal, exitCode, lastWords } = death;
  if (signal !== undefined) return causeOfSignal(signal, lastWords);
  if (exitCode === 0) return { kind: "protocol", message: "the cell ended with code 0 and without a reply" };
  if (exitCode === 13) return { kind: "exit", message: "the cell ended with code 13: a top-level await never settled" };
  return { kind: "exit", message: `the cell ended with code ${exitCode ?? "unknown"} and without a reply` };
}

/** Whether the intent is what happened: a cell that crashed just before our kill crashed, unless it had said why. */
function died(intent: Intent, { signal, exitCode }: Death): boolean {
  const ours = signal === "SIGKILL" || (signal === undefined && exitCode === undefined);
  const certain = intent.kind === "cancelled" || intent.kind === "protocol" || intent.kind === "bootstrap";
  return ours || certain || intent.error !== undefined;
}

function causeOfSignal(signal: NodeJS.Signals, lastWords: LastWords | undefined): Intent {
  if (signal === "SIGXCPU") return { kind: "cpu-limit", message: "the cell used up the processor time of its life" };
  if (signal === "SIGKILL") {
    const message = "the cell was killed from outside: by an operator, or by the kernel when memory ran out";
    return { kind: "signal", message };
  }
  if (lastWords === "heap") return { kind: "heap-limit", message: "the JavaScript heap reached its limit" };
  if (lastWords === "data") {
    return { kind: "data-limit", message: "the engine could not allocate: the limit on private memory was reached" };
  }
  return { kind: "signal", message: `the cell died of ${signal}` };
}
