/**
 * How strongly something is recalled: a mean of what is known about it, weighed.
 *
 *     score = Σ w·x / Σ w    over x in similarity, activation, κ
 *
 * Each x is from 0 to 1. A part that the query does not ask for (similarity without an embedding, activation without
 * anything on one's mind) is left out of both sums, so that scores of one query can be compared with a threshold.
 *
 *     similarity   cosine   1 - d / 2                  1 in the same direction, 0.5 at a right angle, 0 opposite
 *                  dot      (1 + p / (1 + |p|)) / 2    p = -d, the inner product: 0.5 where it is 0
 *                  l2       1 / (1 + √d)               1 in the same place, 0.5 at a distance of 1
 *                  0 where there is no embedding
 *     activation   a / the largest a of all candidates; 0 where it is not above 0
 *     κ            as it is
 *
 * Only operations that IEEE 754 fixes: the same candidates give the same scores, in the same order, on every engine.
 */

import { HoldfastError } from "../../base/index.ts";
import { compareText } from "../graph/edge.ts";
import type { VectorMetric } from "../vector/index.ts";

export interface RecallWeights {
  readonly similarity?: number | undefined;
  readonly activation?: number | undefined;
  readonly kappa?: number | undefined;
}

export interface RecallCandidate {
  readonly id: string;
  /** To the embedding that was asked for; undefined where the item has none. */
  readonly distance: number | undefined;
  /** From spreading; 0 where none came. */
  readonly activation: number;
  readonly kappa: number;
}

export interface RecallScore {
  readonly id: string;
  readonly score: number;
  readonly similarity: number;
  readonly activation: number;
  readonly kappa: number;
}

export interface RecallScoring {
  readonly metric: VectorMetric;
  readonly weights?: RecallWeights | undefined;
  /** What the query asks for. */
  readonly asks: { readonly similarity: boolean; readonly activation: boolean };
  /** The strongest so many. Default: all. */
  readonly k?: number;
}

/** 0 to 1, from a distance in the sense of the metric. */
export function similarityOf(metric: VectorMetric, distance: number): number {
  if (metric === "cosine") return within01(1 - distance / 2);
  if (metric === "l2") return 1 / (1 + Math.sqrt(Math.max(0, distance)));
  const product = 0 - distance;
  return within01((1 + product / (1 + Math.abs(product))) / 2);
}

/** The strongest first; of equal scores, by the ids' bytes. Throws STORE_RECALL for weights that are none. */
export function scoreRecall(candidates: readonly RecallCandidate[], scoring: RecallScoring): RecallScore[] {
  const { metric, asks, k = candidates.length } = scoring;
  const given = weightsOf(scoring.weights);
  const weights = {
    similarity: asks.similarity ? given.similarity : 0,
    activation: asks.activation ? given.activation : 0,
    kappa: given.kappa,
  };
  const total = weights.similarity + weights.activation + weights.kappa;
  const most = candidates.reduce((largest, { activation }) => Math.max(largest, activation), 0);
  const scores = candidates.map((candidate): RecallScore => {
    const { id, distance } = candidate;
    const similarity = asks.similarity && distance !== undefined ? similarityOf(metric, distance) : 0;
    const activation = asks.activation && candidate.activation > 0 ? candidate.activation / most : 0;
    const kappa = within01(candidate.kappa);
    const sum = weights.similarity * similarity + weights.activation * activation + weights.kappa * kappa;
    return { id, score: total === 0 ? 0 : sum / total, similarity, activation, kappa };
  });
  return scores.sort((a, b) => b.score - a.score || compareText(a.id, b.id)).slice(0, k);
}

function weightsOf({ similarity = 1, activation = 0.5, kappa = 0.25 }: RecallWeights = {}) {
  for (const [name, weight] of Object.entries({ similarity, activation, kappa })) {
    if (Number.isFinite(weight) && weight >= 0) continue;
    throw new HoldfastError("STORE_RECALL", `the weight of ${name} is ${String(weight)}`, {
      hint: "a finite number, 0 or more",
      details: { weight: name },
    });
  }
  return { similarity, activation, kappa };
}

function within01(value: number): number {
  return Math.min(1, Math.max(0, value));
}
