/** What the forge tells those who watch. Events are for people and dashboards; the store is what is true. */

import type { Verdict } from "../sandbox/index.ts";
import type { Strategy } from "./strategy.ts";

export type JobState = "accepted" | "running" | "done" | "degraded" | "failed";

/** "budget": the job's time was used up. "emergency": the strategy compiles nothing. */
export interface UnitVerdict {
  readonly kind: Verdict["kind"] | "budget" | "emergency";
  readonly message: string;
  readonly signal?: string;
  readonly exitCode?: number;
  readonly errorCode?: string;
  readonly logTail?: readonly string[];
}

export type ForgeEvent =
  | { readonly type: "jobAccepted"; readonly jobId: string; readonly name: string; readonly strategy: Strategy }
  | { readonly type: "jobPlanned"; readonly jobId: string; readonly units: number; readonly cached: number }
  | {
      readonly type: "unitStarted";
      readonly jobId: string;
      readonly hash: string;
      readonly name: string;
      readonly attempt: number;
    }
  | {
      readonly type: "unitFinished";
      readonly jobId: string;
      readonly hash: string;
      readonly name: string;
      /** undefined where the attempt succeeded. */
      readonly verdict: UnitVerdict | undefined;
      readonly fromCache: boolean;
      readonly attempt: number;
      readonly durationMs: number;
    }
  | {
      readonly type: "unitFellBack";
      readonly jobId: string;
      readonly hash: string;
      readonly name: string;
      readonly attempts: number;
      readonly verdict: UnitVerdict;
    }
  | { readonly type: "jobFinished"; readonly jobId: string; readonly status: JobState; readonly durationMs: number };

export type ForgeListener = (event: ForgeEvent) => void;

export class ForgeEvents {
  readonly #listeners = new Set<ForgeListener>();

  /** The returned function ends the subscription. */
  subscribe(listener: ForgeListener): () => void {
    const own: ForgeListener = (event) => listener(event);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  emit(event: ForgeEvent): void {
    for (const listener of [...this.#listeners]) listener(event);
  }
}
