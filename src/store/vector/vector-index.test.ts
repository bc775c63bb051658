import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HoldfastError } from "../../base/index.ts";
import { mergeVectorIndexes, type VectorMetric, vectorIndex, vectorLimits } from "./index.ts";
import { distance, nearest } from "./testing/vectors.ts";

const metrics: readonly VectorMetric[] = ["cosine", "dot", "l2"];

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(HoldfastError);
    expect((error as HoldfastError).hint).toBeTruthy();
    return (error as HoldfastError).code;
  }
  return "none";
}

describe("an index", () => {
  // A grid of small whole numbers: distances are exact, and ties are many.
  const element = fc.integer({ min: -3, max: 3 });
  const operation = fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant("add"), id: fc.nat(60), vector: fc.array(element) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("delete"), id: fc.nat(60) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("step"), items: fc.nat(20) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("merge"), odd: fc.boolean() }) },
  );

  it.each(["dot", "l2"] as const)("S3: answers as a list of vectors would, whatever is done to it: %s", (metric) => {
    const settings = { dimension: 3, metric, exactBelow: 0, connectivity: 4, efConstruction: 20 } as const;
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 80 }), fc.nat(9), (operations, k) => {
        let index = vectorIndex(settings);
        const model = new Map<number, Float32Array>();
        for (const entry of operations) {
          if (entry.kind === "add" && "vector" in entry) {
            const vector = Float32Array.from({ length: 3 }, (_, place) => entry.vector[place] ?? 0);
            if (model.has(entry.id)) expect(codeOf(() => index.add(entry.id, vector))).toBe("STORE_VECTOR_DUPLICATE");
            else index.add(entry.id, vector);
            if (!model.has(entry.id)) model.set(entry.id, vector);
          } else if (entry.kind === "delete" && "id" in entry) {
            expect(index.delete(entry.id)).toBe(model.delete(entry.id));
          } else if ("items" in entry) {
            index.step({ items: entry.items });
          } else if ("odd" in entry) {
            const keep = (id: number): boolean => id % 5 > 0 || entry.odd;
            for (const id of model.keys()) if (!keep(id)) model.delete(id);
            index = mergeVectorIndexes([{ index, keep }]);
          }
        }
        const query = Float32Array.of(1, -1, 2);
        const expected = nearest(metric, model, query, k + 1);
        // With so few vectors a beam of 64 sees all that can be reached: also the graph's answer is the whole truth.
        for (const isBuilt of [false, true]) {
          if (isBuilt) index.step();
          const { ids, distances } = index.search(query, { k: k + 1 });
          expect([...ids]).toEqual(expected);
          expect([...distances]).toEqual(expected.map((id) => Math.fround(distance(metric, query, model.get(id)!))));
        }
        expect(index.size).toBe(model.size);
        expect(index.verify().unreachable).toHaveLength(0);
      }),
      { numRuns: 150, seed: 11 },
    );
  });

  it("returns the same id only once after it was deleted and added anew, with its new vector", () => {
    const index = vectorIndex({ dimension: 2, metric: "l2" });
    index.add(4, Float32Array.of(0, 0));
    index.add(5, Float32Array.of(9, 9));
    expect(index.delete(4)).toBe(true);
    expect([index.has(4), index.delete(4), index.vectorOf(4)]).toEqual([false, false, undefined]);
    index.add(4, Float32Array.of(5, 5));
    expect(index.search(Float32Array.of(0, 0), { k: 5 })).toMatchObject({
      ids: Uint32Array.of(4, 5),
      distances: Float32Array.of(50, 162),
    });
    expect([index.size, index.deleted]).toEqual([2, 1]);
  });

  it("takes ids of 32 bits, and vectors of one number", () => {
    const index = vectorIndex({ dimension: 1, metric: "dot" });
    for (const id of [0, 2 ** 32 - 1, 2 ** 31]) index.add(id, Float32Array.of((id % 97) + 1));
    expect(index.search(Float32Array.of(1), { k: 3 }).ids).toHaveLength(3);
    expect(index.has(2 ** 32 - 1)).toBe(true);
  });

  it("keeps unit vectors for the cosine, however long or short they came", () => {
    const index = vectorIndex({ dimension: 2, metric: "cosine" });
    index.add(0, Float32Array.of(3e-30, 4e-30));
    index.add(1, Float32Array.of(3e17, -4e17));
    expect(index.vectorOf(0)).toEqual(Float32Array.of(0.6, 0.8));
    const { ids, distances } = index.search(Float32Array.of(6, 8), { k: 2 });
    expect([...ids]).toEqual([0, 1]);
    expect(distances[0]).toBeCloseTo(0, 6);
    expect(distances[1]).toBeCloseTo(1 + 0.28, 6);
  });

  it("is empty where nothing is in it, or all has been deleted", () => {
    for (const metric of metrics) {
      const index = vectorIndex({ dimension: 3, metric, exactBelow: 0 });
      const query = Float32Array.of(1, 2, 3);
      expect(index.search(query, { k: 1 }).ids).toHaveLength(0);
      index.add(1, query);
      index.step();
      index.delete(1);
      expect(index.search(query, { k: 1 })).toMatchObject({ ids: new Uint32Array(0), exact: true });
      expect(index.verify()).toMatchObject({ leastDegree: 0, unreachable: new Uint32Array(0) });
    }
  });
});

describe("bad input", () => {
  const index = vectorIndex({ dimension: 3, metric: "cosine" });
  const good = Float32Array.of(1, 2, 3);

  it("S3: is refused with a code, and leaves the index as it was", () => {
    const vectors: [Float32Array, string][] = [
      [Float32Array.of(1, 2), "STORE_VECTOR_DIMENSION"],
      [[1, 2, 3] as unknown as Float32Array, "STORE_VECTOR_DIMENSION"],
      [Float32Array.of(1, Number.NaN, 3), "STORE_VECTOR_VALUE"],
      [Float32Array.of(1, 2, Number.NEGATIVE_INFINITY), "STORE_VECTOR_VALUE"],
      [Float32Array.of(1e30, 0, 0), "STORE_VECTOR_VALUE"],
      [Float32Array.of(0, -0, 0), "STORE_VECTOR_ZERO"],
    ];
    for (const [vector, code] of vectors) {
      expect(codeOf(() => index.add(1, vector))).toBe(code);
      expect(codeOf(() => index.search(vector, { k: 1 }))).toBe(code);
    }
    expect([index.size, index.deleted, index.pending, index.has(1)]).toEqual([0, 0, 0, false]);
    for (const id of [-1, 0.5, 2 ** 32, Number.NaN]) {
      expect(codeOf(() => index.add(id, good))).toBe("STORE_VECTOR_OPTION");
    }
  });

  it("S3: of searches is refused with what is allowed", () => {
    for (const options of [{ k: 0 }, { k: 1.5 }, { k: vectorLimits.k + 1 }, { k: 1, ef: 0 }, { k: 1, ef: 1e9 }]) {
      expect(codeOf(() => index.search(good, options))).toBe("STORE_VECTOR_OPTION");
    }
    for (const step of [{ budgetMs: -1 }, { budgetMs: Number.NaN }, { items: Number.NaN }]) {
      expect(codeOf(() => index.step(step))).toBe("STORE_VECTOR_OPTION");
    }
    const filter = [1, 2] as unknown as Uint8Array;
    expect(codeOf(() => index.search(good, { k: 1, filter }))).toBe("STORE_VECTOR_OPTION");
  });

  it("of options is refused, and a vector of zeros only where it has no meaning", () => {
    const bad: object[] = [
      { dimension: 0 },
      { dimension: 65_537 },
      { metric: "manhattan" },
      { connectivity: 1 },
      { efConstruction: 5 },
      { quantisation: "int4" },
      { exactBelow: -1 },
      { seed: 0.5 },
      { capacity: -1 },
      { kernels: "fast" },
    ];
    for (const options of bad) {
      expect(codeOf(() => vectorIndex({ dimension: 3, metric: "l2", ...options }))).toBe("STORE_VECTOR_OPTION");
    }
    expect(codeOf(() => vectorIndex({ dimension: 65_536, metric: "l2", capacity: 20_000 }))).toBe("STORE_VECTOR_FULL");
    const zeros = vectorIndex({ dimension: 3, metric: "l2" });
    zeros.add(1, new Float32Array(3));
    expect([...zeros.search(good, { k: 1 }).distances]).toEqual([14]);
  });
});
