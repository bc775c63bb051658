/**
 * A clock that moves only when told to, so that hours of waiting are tested in milliseconds and a run is a seed.
 *
 * Its two readings can be set apart as real ones can: `jumpWall` is an operator or NTP setting the time, `suspend` is a
 * lid that was closed. Timers go by the monotonic reading, as the platform's do.
 */

import type { Clock } from "./clock.ts";
import { assert } from "./errors.ts";

interface Timer {
  readonly atMs: number;
  readonly callback: () => void;
}

export class VirtualClock implements Clock {
  #monotonicMs: number;
  #wallMs: number;
  /** By time, and in order of scheduling where times are equal. */
  readonly #timers: Timer[] = [];

  constructor(start: { readonly nowMs?: number; readonly monotonicMs?: number } = {}) {
    this.#wallMs = start.nowMs ?? Date.UTC(2026, 0, 1);
    this.#monotonicMs = start.monotonicMs ?? 0;
  }

  nowMs(): number {
    return this.#wallMs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  schedule(delayMs: number, callback: () => void): () => void {
    if (delayMs === Infinity) return () => {};
    const timer = { atMs: this.#monotonicMs + Math.max(0, delayMs), callback };
    this.#timers.splice(this.#placeAfter(timer.atMs), 0, timer);
    return () => {
      const place = this.#timers.indexOf(timer);
      if (place !== -1) this.#timers.splice(place, 1);
    };
  }

  /** How many timers wait. */
  get timers(): number {
    return this.#timers.length;
  }

  /** The wall clock alone is set forward, or back where `byMs` is negative. */
  jumpWall(byMs: number): void {
    this.#wallMs += byMs;
  }

  /** The machine sleeps: wall time passes, the monotonic reading and all timers stand still. */
  suspend(forMs: number): void {
    assert(forMs >= 0, "a suspend takes no negative time");
    this.#wallMs += forMs;
  }

  /** Moves on and calls what falls due, in order, without letting promises settle in between. */
  advanceSync(byMs: number): void {
    const endMs = this.#monotonicMs + byMs;
    while (this.#timers.length > 0 && this.#timers[0]!.atMs <= endMs) this.#fireNext();
    this.#moveTo(endMs);
  }

  /** Moves on and calls what falls due, in order; what is awaited meanwhile goes on before the next timer is called. */
  async advance(byMs: number): Promise<void> {
    const endMs = this.#monotonicMs + byMs;
    await settled();
    while (this.#timers.length > 0 && this.#timers[0]!.atMs <= endMs) {
      this.#fireNext();
      await settled();
    }
    this.#moveTo(endMs);
    await settled();
  }

  #fireNext(): void {
    const timer = this.#timers.shift()!;
    this.#moveTo(timer.atMs);
    timer.callback();
  }

  #moveTo(monotonicMs: number): void {
    assert(monotonicMs >= this.#monotonicMs, "time never goes back");
    this.#wallMs += monotonicMs - this.#monotonicMs;
    this.#monotonicMs = monotonicMs;
  }

  #placeAfter(atMs: number): number {
    let low = 0;
    let high = this.#timers.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#timers[middle]!.atMs <= atMs) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** After every promise that can go on has gone on. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
