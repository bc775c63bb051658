/** Vectors around Gaussian centres, from a seed, and the true neighbours of the queries among them. */
import { seededRandom } from "../../src/base/index.ts";
import { vectorIndex } from "../../src/store/index.ts";

export interface DataSet {
  readonly name: string;
  readonly vectors: readonly Float32Array[];
  readonly queries: readonly Float32Array[];
  /** For each query the ids of the k nearest, by comparing all. */
  readonly truth: readonly ReadonlySet<number>[];
}

const vectorsInCluster = 50;

/** Centres and distances from them are normal with a variance of 1 in each dimension. */
export function dataSet(count: number, dimension: number, queryCount: number, k: number): DataSet {
  const random = seededRandom(count + dimension);
  let spare: number | undefined;
  const normal = (): number => {
    if (spare !== undefined) {
      const value = spare;
      spare = undefined;
      return value;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - random()));
    const angle = 2 * Math.PI * random();
    spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  };
  const clusters = Math.ceil(count / vectorsInCluster);
  const centres = Array.from({ length: clusters }, () => Float32Array.from({ length: dimension }, normal));
  const draw = (): Float32Array => {
    const centre = centres[Math.floor(random() * clusters)]!;
    return centre.map((value) => value + normal());
  };
  const vectors = Array.from({ length: count }, draw);
  const queries = Array.from({ length: queryCount }, draw);
  const all = vectorIndex({ dimension, metric: "l2", capacity: count, exactBelow: count });
  for (const [id, vector] of vectors.entries()) all.add(id, vector);
  const truth = queries.map((query) => new Set(all.search(query, { k }).ids));
  return { name: `${count.toLocaleString("en")} × ${dimension}`, vectors, queries, truth };
}
