import { describe, expect, it } from "vitest";
import { type RecallCandidate, scoreRecall, similarityOf } from "./recall-score.ts";

const both = { similarity: true, activation: true };

function candidate(id: string, distance: number | undefined, activation = 0, kappa = 0): RecallCandidate {
  return { id, distance, activation, kappa };
}

describe("the score of a recall", () => {
  it("S3: takes a distance of each metric to 0 … 1, the nearer the more", () => {
    expect([0, 1, 2].map((distance) => similarityOf("cosine", distance))).toEqual([1, 0.5, 0]);
    expect([0, 1, 9].map((distance) => similarityOf("l2", distance))).toEqual([1, 0.5, 0.25]);
    expect([-1, 0, 1].map((distance) => similarityOf("dot", distance))).toEqual([0.75, 0.5, 0.25]);
    for (const metric of ["cosine", "dot", "l2"] as const) {
      for (const distance of [-1e37, -1e-9, 3, 1e37]) {
        const similarity = similarityOf(metric, distance);
        expect(similarity >= 0 && similarity <= 1).toBe(true);
      }
    }
  });

  it("S3: is the weighed mean of similarity, activation and κ", () => {
    const candidates = [candidate("a", 0.5, 2, 0.5), candidate("b", 0, 4, 1), candidate("c", undefined, -1, 0)];
    const weights = { similarity: 2, activation: 1, kappa: 1 };
    expect(scoreRecall(candidates, { metric: "cosine", weights, asks: both })).toEqual([
      { id: "b", score: 1, similarity: 1, activation: 1, kappa: 1 },
      { id: "a", score: (2 * 0.75 + 0.5 + 0.5) / 4, similarity: 0.75, activation: 0.5, kappa: 0.5 },
      { id: "c", score: 0, similarity: 0, activation: 0, kappa: 0 },
    ]);
    const [first] = scoreRecall([candidate("a", 2, 1, 0)], { metric: "cosine", asks: both });
    expect(first!.score).toBe(0.5 / 1.75);
  });

  it("S3: leaves out what was not asked for", () => {
    const scored = (similarity: boolean, activation: boolean): number =>
      scoreRecall([candidate("a", 0, 3, 0)], { metric: "l2", asks: { similarity, activation } })[0]!.score;
    expect([scored(true, false), scored(false, true), scored(false, false)]).toEqual([1 / 1.25, 0.5 / 0.75, 0]);
    const none = { metric: "l2", weights: { kappa: 0 }, asks: { similarity: false, activation: false } } as const;
    expect(scoreRecall([candidate("b", 0), candidate("a", 1)], none).map(({ id, score }) => [id, score])).toEqual([
      ["a", 0],
      ["b", 0],
    ]);
  });

  it("S3: puts what is equal in the order of the ids' bytes, and gives the first k", () => {
    const candidates = ["😀", "b", "\uffee", "a"].map((id) => candidate(id, 1));
    const scoring = { metric: "l2", asks: both, k: 3 } as const;
    expect(scoreRecall(candidates, scoring).map(({ id }) => id)).toEqual(["a", "b", "\uffee"]);
    expect(scoreRecall(candidates.reverse(), scoring).map(({ id }) => id)).toEqual(["a", "b", "\uffee"]);
    expect(scoreRecall([], scoring)).toEqual([]);
  });

  it("refuses weights that are none", () => {
    for (const kappa of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => scoreRecall([], { metric: "l2", weights: { kappa }, asks: both })).toThrow("STORE_RECALL");
    }
  });
});
