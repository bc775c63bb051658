/** What a collection takes as an embedding, and how far two of them are apart. */

import { type VectorMetric, vectorIndex } from "../vector/index.ts";
import { checkVector, settingsOf } from "../vector/options.ts";
import type { VectorSettings } from "./vector-layer.ts";

/**
 * Before it goes into the log, for what is there must fit. Throws STORE_VECTOR_DIMENSION, STORE_VECTOR_VALUE (not
 * finite, or too long), STORE_VECTOR_ZERO (cosine only), and STORE_VECTOR_OPTION for settings that are none.
 */
export function checkEmbedding(embedding: Float32Array, settings: VectorSettings): void {
  const { dimension, metric } = settings;
  checkVector(embedding, settingsOf({ dimension, metric }));
}

/** As an index measures it, but for the last bits. Both have the same length. */
export function embeddingDistance(metric: VectorMetric, a: Float32Array, b: Float32Array): number {
  let [dot, aa, bb, squared] = [0, 0, 0, 0];
  for (let place = 0; place < a.length; place++) {
    const [left, right] = [a[place]!, b[place]!];
    dot += left * right;
    aa += left * left;
    bb += right * right;
    squared += (left - right) * (left - right);
  }
  if (metric === "l2") return squared;
  return metric === "dot" ? 0 - dot : 1 - dot / Math.sqrt(aa * bb);
}

/** What an index of so many rows takes in memory, with its graph where it has one. */
export function indexMemoryBytes(settings: VectorSettings, rows: number, hasGraph: boolean): number {
  const vectorBytes = Math.ceil(settings.dimension / 16) * 64;
  const codeBytes = settings.quantisation === "int8" ? Math.ceil(settings.dimension / 16) * 16 + 16 : 0;
  // 2M links of four bytes on the lowest level, about M / (M - 1) × 4 above it, levels and starts; then ids and table.
  const graphBytes = hasGraph ? 128 + 5 + 5 : 0;
  return rows * (vectorBytes + codeBytes + graphBytes + 4 + 12);
}

/** An index over a collection's embeddings. */
export function emptyIndex(settings: VectorSettings, exactBelow: number, capacity = 64) {
  const { dimension, metric, quantisation = "none" } = settings;
  return vectorIndex({ dimension, metric, quantisation, exactBelow, capacity });
}
