/**
 * What a breaker admits after it has closed: a growing share of the calls, so that a dependency that has just come back
 * is not met by all who waited for it. Admission is spread evenly, not drawn: of 100 calls a share of 0.1 admits 10.
 */

export class Ramp {
  readonly #shares: readonly number[];
  readonly #stepMs: number;
  readonly #startMs: number;
  #step = -1;
  #credit = 0;

  /** Shares in (0, 1], one a step; `startMs` by the monotonic clock. */
  constructor(shares: readonly number[], stepMs: number, startMs: number) {
    this.#shares = shares;
    this.#stepMs = stepMs;
    this.#startMs = startMs;
  }

  isOver(nowMs: number): boolean {
    return this.elapsedMs(nowMs) >= this.#stepMs * this.#shares.length;
  }

  /** The share admitted now. */
  share(nowMs: number): number {
    return this.#shares[this.#stepAt(nowMs)] ?? 1;
  }

  /** The first call of every step is admitted, however few there are. */
  admits(nowMs: number): boolean {
    const step = this.#stepAt(nowMs);
    const share = this.share(nowMs);
    if (step !== this.#step) {
      this.#step = step;
      this.#credit = 1 - share;
    }
    this.#credit += share;
    // A tenth added ten times is a little less than one.
    if (this.#credit < 1 - 1e-9) return false;
    this.#credit -= 1;
    return true;
  }

  /** Until the next step. */
  retryAfterMs(nowMs: number): number {
    return this.#stepMs - (this.elapsedMs(nowMs) % this.#stepMs);
  }

  elapsedMs(nowMs: number): number {
    return nowMs - this.#startMs;
  }

  #stepAt(nowMs: number): number {
    return Math.floor(this.elapsedMs(nowMs) / this.#stepMs);
  }
}
