/** Holdfast's own times to live and limits (SPEC R15, from Tezzeret), for `ttlCache({ name, ...ttlPresets.jobs })`. */

const second = 1_000;
const mebibyte = 2 ** 20;

/** All caches of a forge together take no more; shared out by whoever makes them. */
export const cacheLimitBytes = 4_096 * mebibyte;

export const ttlPresets = {
  compilations: { ttlMs: 1_800 * second, limitBytes: cacheLimitBytes },
  jobs: { ttlMs: 3_600 * second },
  artifacts: { ttlMs: 86_400 * second },
} as const;

export const sweepEveryMs = 300 * second;
