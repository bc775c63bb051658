/**
 * What a sequence of uses does to the weights between what was used: spike-timing-dependent plasticity.
 *
 * For every use of b at most `windowMs` after a use of a, Δt later,
 *
 *     w(a, b) ← w + (1 − w) · A₊ · exp(−Δt / τ₊)      a came before b: what leads there becomes stronger
 *     w(b, a) ← w − w · A₋ · exp(−Δt / τ₋)            b did not come before a: weaker
 *
 * The exponential windows are those that Bi & Poo measured (J. Neurosci. 18, 1998) as Song, Miller & Abbott wrote them
 * (Nature Neurosci. 3, 2000), whose ratio A₋ / A₊ = 1.05 is the default, too. The factors 1 − w and w are soft bounds
 * (Gütig, Aharonov, Rotter & Sompolinsky, J. Neurosci. 23, 2003, with μ = 1; Gerstner et al., Neuronal Dynamics, 2014,
 * ch. 19): a weight stays within 0 to 1 whatever happens. Time goes a thousand times slower here than in a cortex: an
 * agent's steps take seconds. A use makes pairs with the few uses before it only, so that the work is linear in their
 * number.
 *
 * Each step is a straight line in w, and so is their sequence: w ← α w + β. So all pairs are gone through before any
 * weight is known, and the same line serves each edge from a to b, whatever its weight.
 */

import type { NremOptions } from "./report.ts";
import type { Uses } from "./use-log.ts";

/** w ← alpha · w + beta. */
export interface WeightLine {
  readonly alpha: number;
  readonly beta: number;
}

/** Lines by the places of source and target in `uses.items`. */
export class PairEffects {
  readonly #items: number;
  readonly #places = new Map<number, number>();
  /** source · items + target, by place. */
  #keys = new Float64Array(256);
  #alphas = new Float64Array(256);
  #betas = new Float64Array(256);

  constructor(items: number) {
    this.#items = items;
  }

  get size(): number {
    return this.#places.size;
  }

  /** Everything that the use at this place does together with those before it. */
  learn(uses: Uses, use: number, options: Required<NremOptions>): void {
    const target = uses.indexes[use]!;
    let pairs = 0;
    for (let earlier = use - 1; earlier >= 0 && pairs < options.pairsPerUse; earlier--) {
      const elapsedMs = uses.timesMs[use]! - uses.timesMs[earlier]!;
      if (elapsedMs > options.windowMs) return;
      const source = uses.indexes[earlier]!;
      if (source === target) continue;
      pairs++;
      this.#strengthen(source, target, options.strengthening * Math.exp(-elapsedMs / options.strengtheningMs));
      this.#weaken(target, source, options.weakening * Math.exp(-elapsedMs / options.weakeningMs));
    }
  }

  /** By source and then by target, in the order of their places. */
  *bySource(): Generator<{ readonly source: number; readonly lines: ReadonlyMap<number, WeightLine> }> {
    const keys = this.#keys.slice(0, this.#places.size).sort();
    for (let from = 0; from < keys.length; ) {
      const source = Math.floor(keys[from]! / this.#items);
      const lines = new Map<number, WeightLine>();
      for (; from < keys.length && Math.floor(keys[from]! / this.#items) === source; from++) {
        const place = this.#places.get(keys[from]!)!;
        lines.set(keys[from]! % this.#items, { alpha: this.#alphas[place]!, beta: this.#betas[place]! });
      }
      yield { source, lines };
    }
  }

  #strengthen(source: number, target: number, part: number): void {
    const place = this.#placeOf(source, target);
    this.#alphas[place]! *= 1 - part;
    this.#betas[place] = this.#betas[place]! * (1 - part) + part;
  }

  #weaken(source: number, target: number, part: number): void {
    const place = this.#placeOf(source, target);
    this.#alphas[place]! *= 1 - part;
    this.#betas[place]! *= 1 - part;
  }

  #placeOf(source: number, target: number): number {
    const key = source * this.#items + target;
    const known = this.#places.get(key);
    if (known !== undefined) return known;
    const place = this.#places.size;
    this.#places.set(key, place);
    if (place === this.#alphas.length) {
      this.#keys = doubled(this.#keys);
      this.#alphas = doubled(this.#alphas);
      this.#betas = doubled(this.#betas);
    }
    this.#keys[place] = key;
    this.#alphas[place] = 1;
    this.#betas[place] = 0;
    return place;
  }
}

function doubled(numbers: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> {
  const longer = new Float64Array(numbers.length * 2);
  longer.set(numbers);
  return longer;
}
