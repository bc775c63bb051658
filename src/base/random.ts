/**
 * The only home of chance. What needs it takes a `Random`, so that a run is a seed.
 */

/** A number in [0, 1). */
export type Random = () => number;

/** The platform's generator: fit for spreading load, not for secrets. */
export const systemRandom: Random = () => Math.random();

/** Numbers that depend on the seed (32 bits) alone, so that a run that fails can be had again. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    // A Weyl sequence, its bits mixed by two multiplications.
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  };
}
