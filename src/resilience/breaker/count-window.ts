/** The window over the last so many calls. */

import { whole } from "./check-option.ts";
import { limitsOf, type Window, type WindowLimits, type WindowRule } from "./window.ts";

export interface CountWindowOptions extends WindowLimits {
  /** How many of the last calls: 1 to 65,536. */
  readonly calls: number;
}

/** Throws BREAKER_OPTION. */
export function countWindow(options: CountWindowOptions): WindowRule {
  const calls = whole("window's calls", options.calls, 1, 65_536);
  return { ...limitsOf(options), timed: false, create: () => new CountWindow(calls) };
}

const failedBit = 1;
const slowBit = 2;

class CountWindow implements Window {
  calls = 0;
  failures = 0;
  slow = 0;
  readonly #ring: Uint8Array;
  #next = 0;

  constructor(size: number) {
    this.#ring = new Uint8Array(size);
  }

  push(failed: boolean, slow: boolean): void {
    const ring = this.#ring;
    if (this.calls === ring.length) {
      const old = ring[this.#next]!;
      this.failures -= old & failedBit;
      this.slow -= (old & slowBit) >> 1;
    } else this.calls++;
    ring[this.#next] = (failed ? failedBit : 0) | (slow ? slowBit : 0);
    if (failed) this.failures++;
    if (slow) this.slow++;
    this.#next = this.#next + 1 === ring.length ? 0 : this.#next + 1;
  }

  expire(): void {
    // Calls leave by number, not by age.
  }

  clear(): void {
    this.calls = this.failures = this.slow = this.#next = 0;
  }

  /** One number a call, the oldest first: its failed bit and its slow bit. */
  dump(): number[] {
    const size = this.#ring.length;
    return Array.from(
      { length: this.calls },
      (_, place) => this.#ring[(this.#next - this.calls + place + size) % size]!,
    );
  }

  load(numbers: readonly number[]): boolean {
    this.clear();
    if (numbers.length > this.#ring.length) return false;
    if (!numbers.every((code) => Number.isInteger(code) && code >= 0 && code <= (failedBit | slowBit))) return false;
    for (const code of numbers) this.push((code & failedBit) !== 0, (code & slowBit) !== 0);
    return true;
  }
}
