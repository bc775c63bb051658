/** The window over the calls of the last stretch of time. */

import { above, whole } from "./check-option.ts";
import { limitsOf, type Window, type WindowLimits, type WindowRule } from "./window.ts";

export interface TimeWindowOptions extends WindowLimits {
  /** How long a call counts. */
  readonly durationMs: number;
  /** Into how many steps the time is cut: 2 to 1,024, default 10. */
  readonly buckets?: number | undefined;
}

/** Throws BREAKER_OPTION. */
export function timeWindow(options: TimeWindowOptions): WindowRule {
  const durationMs = above("window's durationMs", options.durationMs);
  const buckets = whole("window's buckets", options.buckets ?? 10, 2, 1_024);
  return { ...limitsOf(options), timed: true, create: () => new TimeWindow(durationMs, buckets) };
}

/**
 * The calls of the last `durationMs`, in steps of a bucket: with buckets of width w, number `floor(t / w)`, it covers
 * the present bucket and the `buckets - 1` before it. So a call stays for at least `durationMs - w` and less than
 * `durationMs`, however long nothing happened in between.
 */
class TimeWindow implements Window {
  calls = 0;
  failures = 0;
  slow = 0;
  readonly #widthMs: number;
  /** Three counts a bucket: calls, failures, slow. Bucket n lies at n modulo the number of buckets. */
  readonly #counts: Uint32Array;
  #newest = Number.NEGATIVE_INFINITY;
  /** Where the newest bucket lies. */
  #newestPlace = 0;

  constructor(durationMs: number, buckets: number) {
    this.#widthMs = durationMs / buckets;
    this.#counts = new Uint32Array(buckets * 3);
  }

  push(failed: boolean, slow: boolean, nowMs: number): void {
    if (Math.floor(nowMs / this.#widthMs) > this.#newest) this.expire(nowMs);
    const at = this.#newestPlace;
    this.#counts[at]!++;
    this.calls++;
    if (failed) {
      this.#counts[at + 1]!++;
      this.failures++;
    }
    if (slow) {
      this.#counts[at + 2]!++;
      this.slow++;
    }
  }

  expire(nowMs: number): void {
    const present = Math.floor(nowMs / this.#widthMs);
    if (present <= this.#newest) return;
    const buckets = this.#counts.length / 3;
    if (present - this.#newest >= buckets) this.clear();
    else for (let bucket = this.#newest + 1; bucket <= present; bucket++) this.#empty(bucket);
    this.#moveTo(present);
  }

  clear(): void {
    this.#counts.fill(0);
    this.calls = this.failures = this.slow = 0;
  }

  /** Four numbers a bucket that has calls: its age in buckets, calls, failures, slow. */
  dump(nowMs: number): number[] {
    this.expire(nowMs);
    const numbers: number[] = [];
    for (let age = this.#counts.length / 3 - 1; age >= 0; age--) {
      const at = this.#placeOf(this.#newest - age);
      if (this.#counts[at]! > 0) numbers.push(age, ...this.#counts.subarray(at, at + 3));
    }
    return numbers;
  }

  load(numbers: readonly number[], nowMs: number): boolean {
    this.clear();
    this.#moveTo(Math.floor(nowMs / this.#widthMs));
    const buckets = this.#counts.length / 3;
    if (numbers.length % 4 !== 0 || numbers.length > buckets * 4) return false;
    if (!numbers.every((number) => Number.isInteger(number) && number >= 0 && number < 2 ** 32)) return false;
    for (let place = 0; place < numbers.length; place += 4) {
      const [age, calls, failures, slow] = numbers.slice(place, place + 4) as [number, number, number, number];
      const at = this.#placeOf(this.#newest - age);
      if (age >= buckets || failures > calls || slow > calls || this.#counts[at]! > 0) {
        this.clear();
        return false;
      }
      this.#counts.set([calls, failures, slow], at);
      this.calls += calls;
      this.failures += failures;
      this.slow += slow;
    }
    return true;
  }

  #moveTo(bucket: number): void {
    this.#newest = bucket;
    this.#newestPlace = this.#placeOf(bucket);
  }

  #empty(bucket: number): void {
    const at = this.#placeOf(bucket);
    const counts = this.#counts;
    this.calls -= counts[at]!;
    this.failures -= counts[at + 1]!;
    this.slow -= counts[at + 2]!;
    counts[at] = counts[at + 1] = counts[at + 2] = 0;
  }

  #placeOf(bucket: number): number {
    const buckets = this.#counts.length / 3;
    return (((bucket % buckets) + buckets) % buckets) * 3;
  }
}
