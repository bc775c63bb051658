/**
 * Keeps a pool from starting processes for ever when none can start.
 *
 * After each failed start the next one waits twice as long. After the third in a row there is no hope for now: jobs are
 * refused at once until a rest is over, then one attempt decides again.
 */

import type { Clock } from "../base/index.ts";
import type { Verdict } from "./verdict.ts";

const firstWaitMs = 50;
const hopelessAfter = 3;
const restMs = 5_000;
const longestRestMs = 60_000;

export class RespawnBrake {
  readonly #clock: Clock;
  #failures = 0;
  #notBeforeMs = 0;
  #probing = false;
  #last: Verdict | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How long the next start has to wait; 0 when it may happen now. */
  waitMs(): number {
    if (this.#failures === 0) return 0;
    if (this.#probing) return firstWaitMs;
    return Math.max(0, this.#notBeforeMs - this.#clock.monotonicMs());
  }

  /** The verdict for jobs while there is no hope. */
  givenUp(): Verdict | undefined {
    return this.#failures >= hopelessAfter ? this.#last : undefined;
  }

  /** A start was made; while failures stand, it is the only one. */
  attempted(): void {
    this.#probing = this.#failures > 0;
  }

  failed(verdict: Verdict): void {
    this.#probing = false;
    this.#failures++;
    this.#last = verdict;
    const hopeless = this.#failures - hopelessAfter;
    const waitMs = hopeless < 0 ? firstWaitMs * 2 ** this.#failures : Math.min(restMs * 2 ** hopeless, longestRestMs);
    this.#notBeforeMs = this.#clock.monotonicMs() + waitMs;
  }

  succeeded(): void {
    this.#failures = 0;
    this.#probing = false;
    this.#last = undefined;
  }
}
