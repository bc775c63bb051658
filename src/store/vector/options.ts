/** What an index can be told, within which limits, and what it says to input outside of them. */
import { HoldfastError } from "../../base/index.ts";

/**
 * What "near" means; a smaller distance is nearer.
 *
 * - `cosine`: 1 - cosine of the angle, 0 to 2. Vectors are kept at length 1; a zero vector has no angle and is refused.
 * - `dot`: the negative inner product.
 * - `l2`: the square of the Euclidean distance.
 */
export type VectorMetric = "cosine" | "dot" | "l2";

/** In the order of their numbers in a file. */
export const vectorMetrics: readonly VectorMetric[] = ["cosine", "dot", "l2"];

export interface VectorIndexOptions {
  /** Numbers a vector has, 1 to 65,536. */
  readonly dimension: number;
  readonly metric: VectorMetric;
  /** M of the paper: links a new node makes, 2 to 128. The lowest level holds up to twice as many. Default 16. */
  readonly connectivity?: number;
  /** Candidates that are looked at for a new node's links, up to 4,096. Default 200. */
  readonly efConstruction?: number;
  /**
   * `int8`: search compares codes of one byte a number, then the candidates' f32 vectors. A quarter of the memory
   * traffic for a quarter more memory. Default `none`.
   */
  readonly quantisation?: "none" | "int8";
  /** Up to this many vectors (or matches of a filter) are compared one by one: exact, no graph. Default 10,000. */
  readonly exactBelow?: number;
  /** Together with the ids says which nodes stand on higher levels. 32 bits. Default 0. */
  readonly seed?: number;
  /** How many vectors memory is taken for at once; it grows beyond by itself. Default 64. */
  readonly capacity?: number;
  /** `javascript` does without WebAssembly; the answers are the same, bit for bit. Default: what the engine has. */
  readonly kernels?: "simd" | "javascript";
}

export interface IndexSettings {
  readonly dimension: number;
  readonly metric: VectorMetric;
  readonly connectivity: number;
  readonly efConstruction: number;
  readonly quantisation: "none" | "int8";
  readonly exactBelow: number;
  readonly seed: number;
}

export const vectorLimits = {
  dimension: 65_536,
  connectivity: 128,
  efConstruction: 4_096,
  k: 16_384,
  ef: 65_536,
  /** Of the squared length: products and squared distances of two such vectors are finite in f32. */
  squaredLength: 1e37,
} as const;

export function settingsOf(options: VectorIndexOptions): IndexSettings {
  const { dimension, metric, quantisation = "none", exactBelow = 10_000, seed = 0, kernels } = options;
  const { connectivity = 16, efConstruction = Math.max(200, connectivity), capacity = 1 } = options;
  wholeNumber("dimension", dimension, 1, vectorLimits.dimension);
  oneOf("metric", metric, vectorMetrics);
  oneOf("quantisation", quantisation, ["none", "int8"]);
  if (kernels !== undefined) oneOf("kernels", kernels, ["simd", "javascript"]);
  wholeNumber("connectivity", connectivity, 2, vectorLimits.connectivity);
  wholeNumber("efConstruction", efConstruction, connectivity, vectorLimits.efConstruction);
  wholeNumber("exactBelow", exactBelow, 0, 2 ** 32 - 1);
  wholeNumber("seed", seed, 0, 2 ** 32 - 1);
  wholeNumber("capacity", capacity, 0, 2 ** 32 - 2);
  return { dimension, metric, connectivity, efConstruction, quantisation, exactBelow, seed };
}

function oneOf(name: string, value: unknown, allowed: readonly string[]): void {
  if (typeof value === "string" && allowed.includes(value)) return;
  throw new HoldfastError("STORE_VECTOR_OPTION", `${name} is ${JSON.stringify(value) ?? String(value)}`, {
    hint: `one of ${allowed.join(", ")}`,
    details: { option: name },
  });
}

/** Throws STORE_VECTOR_OPTION unless `value` is a whole number from `least` to `most`. */
export function wholeNumber(name: string, value: unknown, least: number, most: number): void {
  if (typeof value === "number" && Number.isInteger(value) && value >= least && value <= most) return;
  throw new HoldfastError("STORE_VECTOR_OPTION", `${name} is ${String(value)}`, {
    hint: `a whole number from ${least} to ${most}`,
    details: { option: name, least, most },
  });
}

/** Throws STORE_VECTOR_OPTION unless `value` is a number from 0 to infinity. */
export function amount(name: string, value: unknown): void {
  if (typeof value === "number" && value >= 0) return;
  throw new HoldfastError("STORE_VECTOR_OPTION", `${name} is ${String(value)}`, {
    hint: "0 or more, or Infinity",
    details: { option: name },
  });
}

/**
 * The squared length of a vector that may go in. Throws STORE_VECTOR_DIMENSION, STORE_VECTOR_VALUE (not finite, or so
 * long that distances would overflow), STORE_VECTOR_ZERO (cosine only).
 */
export function checkVector(vector: Float32Array, settings: Pick<IndexSettings, "dimension" | "metric">): number {
  if (!(vector instanceof Float32Array) || vector.length !== settings.dimension) {
    const given = vector instanceof Float32Array ? `${vector.length} numbers` : `no Float32Array`;
    throw new HoldfastError("STORE_VECTOR_DIMENSION", `the vector has ${given}, the index ${settings.dimension}`, {
      hint: `give a Float32Array of length ${settings.dimension}`,
      details: { dimension: settings.dimension },
    });
  }
  let squared = 0;
  for (let i = 0; i < vector.length; i++) squared += vector[i]! * vector[i]!;
  if (!(squared <= vectorLimits.squaredLength)) {
    const place = vector.findIndex((value) => !Number.isFinite(value));
    const what = place < 0 ? `its squared length is ${squared}` : `element ${place} is ${vector[place]}`;
    throw new HoldfastError("STORE_VECTOR_VALUE", `the vector cannot be compared: ${what}`, {
      hint: `finite numbers, with a squared length of at most ${vectorLimits.squaredLength}`,
      details: { place },
    });
  }
  if (settings.metric === "cosine" && squared === 0) {
    throw new HoldfastError("STORE_VECTOR_ZERO", "a vector of zeros has no angle", {
      hint: "leave it out, or use the metric l2",
    });
  }
  return squared;
}
