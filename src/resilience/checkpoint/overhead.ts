/**
 * What checkpoints cost: each instant counts for exactly one of checkpointing, work, or neither, checkpointing first.
 * Work that goes on beside a checkpoint is not counted as work, so the ratio is rather too high than too low.
 */

import type { Clock } from "../../base/index.ts";

export class Overhead {
  readonly #clock: Clock;
  #atMs: number;
  #working = 0;
  #checkpointing = 0;
  #workMs = 0;
  #checkpointMs = 0;
  #otherMs = 0;
  #isWorkTimed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#atMs = clock.monotonicMs();
  }

  /** Ends with the returned function. */
  beginWork(): () => void {
    this.#isWorkTimed = true;
    this.#move();
    this.#working++;
    return () => {
      this.#move();
      this.#working--;
    };
  }

  beginCheckpoint(): () => void {
    this.#move();
    this.#checkpointing++;
    return () => {
      this.#move();
      this.#checkpointing--;
    };
  }

  /** Where work was never timed, all time that was not spent on checkpoints counts as work. */
  read(): { readonly checkpointMs: number; readonly workMs: number; readonly overheadRatio: number } {
    this.#move();
    const workMs = this.#isWorkTimed ? this.#workMs : this.#otherMs;
    const checkpointMs = this.#checkpointMs;
    return { checkpointMs, workMs, overheadRatio: workMs === 0 ? 0 : checkpointMs / workMs };
  }

  #move(): void {
    const now = this.#clock.monotonicMs();
    const passed = now - this.#atMs;
    this.#atMs = now;
    if (this.#checkpointing > 0) this.#checkpointMs += passed;
    else if (this.#working > 0) this.#workMs += passed;
    else this.#otherMs += passed;
  }
}
