/**
 * Long work over many rows, in slices: after some milliseconds, or some thousand rows where the clock stands still, all
 * others get a turn of the event loop.
 */

import type { Clock } from "../../base/index.ts";

const sliceMs = 4;
const rowsInSlice = 4_096;

export class Slices {
  readonly #clock: Clock;
  #endMs: number;
  #rows = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#endMs = clock.monotonicMs() + sliceMs;
  }

  /** After each row, or a few that cost little: true where it is time for `pause`. */
  isSpent(rows = 1): boolean {
    this.#rows += rows;
    return this.#rows >= rowsInSlice || this.#clock.monotonicMs() >= this.#endMs;
  }

  /** Resolves in the next turn, with which a new slice begins. Rejects with the signal's reason once that aborted. */
  async pause(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    await new Promise((resolve) => void setImmediate(resolve));
    signal?.throwIfAborted();
    this.#rows = 0;
    this.#endMs = this.#clock.monotonicMs() + sliceMs;
  }
}
