/**
 * A quantile of the last latencies. Exact over its window; sorted anew only now and then, for a delay that is a little
 * old does no harm.
 */
export class LatencyQuantile {
  readonly #quantile: number;
  readonly #samples: Float64Array;
  #count = 0;
  #value = 0;

  /** Of the last `windowSize` samples. */
  constructor(quantile: number, windowSize = 128) {
    this.#quantile = quantile;
    this.#samples = new Float64Array(windowSize);
  }

  /** How many samples there have been. */
  get count(): number {
    return this.#count;
  }

  add(latencyMs: number): void {
    this.#samples[this.#count % this.#samples.length] = latencyMs;
    this.#count++;
    // While there are few each is news; later one in sixteen is enough.
    if (this.#count <= 32 || this.#count % 16 === 0) this.#value = this.#measure();
  }

  /** The smallest sample that is not below the quantile's share of all; 0 without samples. */
  get valueMs(): number {
    return this.#value;
  }

  #measure(): number {
    const sorted = this.#samples.slice(0, Math.min(this.#count, this.#samples.length)).sort();
    return sorted[Math.max(0, Math.ceil(sorted.length * this.#quantile) - 1)]!;
  }
}
