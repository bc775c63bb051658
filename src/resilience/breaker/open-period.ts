/**
 * How long a breaker stays open, by two clocks of which neither can be trusted alone.
 *
 * The monotonic clock never jumps, but on Linux it stands still while the machine sleeps. The wall clock counts sleep,
 * but people and NTP set it. The period is over once the monotonic clock has counted all of it; or once twice of it has
 * passed by whichever clock moved more in each step between two looks. A wall clock that was set back counts as the
 * monotonic one; one that was set forward can only bring a trial call early, never delay one. So no jump and no suspend
 * makes the period more than double. (While nothing sleeps or jumps the second sum is at most twice the first.)
 */

import type { Clock } from "../../base/index.ts";

export class OpenPeriod {
  readonly durationMs: number;
  readonly #startMonotonicMs: number;
  #seenMonotonicMs: number;
  #seenWallMs: number;
  #longestMs = 0;

  /** `ageMs`: how long ago it began, where that was before now. */
  constructor(durationMs: number, clock: Clock, ageMs = 0) {
    this.durationMs = durationMs;
    this.#startMonotonicMs = this.#seenMonotonicMs = clock.monotonicMs() - ageMs;
    this.#seenWallMs = clock.nowMs() - ageMs;
  }

  /** By the monotonic clock; 0 once it is over. */
  remainingMs(clock: Clock): number {
    const monotonicMs = clock.monotonicMs();
    const wallMs = clock.nowMs();
    this.#longestMs += Math.max(monotonicMs - this.#seenMonotonicMs, wallMs - this.#seenWallMs);
    this.#seenMonotonicMs = monotonicMs;
    this.#seenWallMs = wallMs;
    const passedMs = monotonicMs - this.#startMonotonicMs;
    return passedMs >= this.durationMs || this.#longestMs >= 2 * this.durationMs ? 0 : this.durationMs - passedMs;
  }
}
