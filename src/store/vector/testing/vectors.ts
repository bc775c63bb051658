/** Vectors from a seed, and the answers that an index is held against: plain loops in f64. */
import { type Random, seededRandom } from "../../../base/index.ts";
import type { VectorIndex, VectorMetric, VectorSearchResult } from "../index.ts";

export function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** Around a few centres, as embeddings lie. More of the same seed begin with the same. */
export function clustered(count: number, dimension: number, seed: number, clusters = 20): Float32Array[] {
  const random = seededRandom(seed);
  const centres = Array.from({ length: clusters }, () =>
    Float32Array.from({ length: dimension }, () => normal(random)),
  );
  return Array.from({ length: count }, () => {
    const centre = centres[Math.floor(random() * clusters)]!;
    return centre.map((value) => value + 0.5 * normal(random));
  });
}

export function distance(metric: VectorMetric, a: Float32Array, b: Float32Array): number {
  let [dot, aa, bb, squared] = [0, 0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    dot += a[i]! * b[i]!;
    aa += a[i]! * a[i]!;
    bb += b[i]! * b[i]!;
    squared += (a[i]! - b[i]!) ** 2;
  }
  if (metric === "l2") return squared;
  return metric === "dot" ? 0 - dot : 1 - dot / Math.sqrt(aa * bb);
}

/** Ids of the k nearest of `vectors`, whose ids are the keys. */
export function nearest(
  metric: VectorMetric,
  vectors: ReadonlyMap<number, Float32Array>,
  query: Float32Array,
  k: number,
): number[] {
  return [...vectors]
    .map(([id, vector]) => ({ id, distance: distance(metric, query, vector) }))
    .sort((a, b) => a.distance - b.distance || a.id - b.id)
    .slice(0, k)
    .map(({ id }) => id);
}

/** The share of what should have been found that was. */
export function recall(found: readonly VectorSearchResult[], expected: readonly (readonly number[])[]): number {
  let [hits, total] = [0, 0];
  for (const [place, ids] of expected.entries()) {
    const known = new Set(ids);
    total += ids.length;
    for (const id of found[place]!.ids) if (known.has(id)) hits++;
  }
  return total === 0 ? 1 : hits / total;
}

export function addAll(index: VectorIndex, vectors: readonly Float32Array[], firstId = 0): VectorIndex {
  for (const [place, vector] of vectors.entries()) index.add(firstId + place, vector);
  return index;
}

export function byId(vectors: readonly Float32Array[]): Map<number, Float32Array> {
  return new Map(vectors.entries());
}
