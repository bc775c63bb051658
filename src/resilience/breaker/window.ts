/**
 * Windows over the last calls: how many there were, how many failed, how many were slow. O(1) an entry and free of
 * allocation. Both are exact for what they say they cover; nothing is rounded before it is compared.
 */

export interface Window {
  readonly calls: number;
  readonly failures: number;
  readonly slow: number;
  push(failed: boolean, slow: boolean, nowMs: number): void;
  /** Leaves out what is too old by now. */
  expire(nowMs: number): void;
  clear(): void;
  /** Whole numbers from which `load` makes the same window again. */
  dump(nowMs: number): number[];
  /** False where the numbers cannot be a window like this one; it is then empty. */
  load(numbers: readonly number[], nowMs: number): boolean;
}

const failedBit = 1;
const slowBit = 2;

/** The last `size` calls. */
export class CountWindow implements Window {
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

/**
 * The calls of the last `durationMs`, in steps of a bucket: with buckets of width w, number `floor(t / w)`, it covers
 * the present bucket and the `buckets - 1` before it. So a call stays for at least `durationMs - w` and less than
 * `durationMs`, however long nothing happened in between.
 */
export class TimeWindow implements Window {
  calls = 0;
  failures = 0;
  slow = 0;
  readonly #widthMs: number;
  /** Three counts a bucket: calls, failures, slow. Bucket n lies at n modulo the number of buckets. */
  readonly #counts: Uint32Array;
  #newest = Number.NEGATIVE_INFINITY;

  constructor(durationMs: number, buckets: number) {
    this.#widthMs = durationMs / buckets;
    this.#counts = new Uint32Array(buckets * 3);
  }

  push(failed: boolean, slow: boolean, nowMs: number): void {
    this.expire(nowMs);
    const at = this.#placeOf(this.#newest);
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
    this.#newest = present;
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
    this.#newest = Math.floor(nowMs / this.#widthMs);
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
