import { beforeAll, describe, expect, it } from "vitest";
import { type VectorIndex, type VectorMetric, vectorIndex } from "./index.ts";
import { addAll, byId, clustered, nearest, recall } from "./testing/vectors.ts";

const metrics: readonly VectorMetric[] = ["cosine", "dot", "l2"];
const [count, dimension, k] = [6_000, 24, 10];
const drawn = clustered(count + 40, dimension, 1, 60);
const [vectors, queries] = [drawn.slice(0, count), drawn.slice(count)];

function built(metric: VectorMetric, more: { exactBelow?: number; quantisation?: "int8" } = {}): VectorIndex {
  const index = addAll(vectorIndex({ dimension, metric, exactBelow: 0, efConstruction: 80, ...more }), vectors);
  expect(index.step()).toEqual({ done: true, pending: 0 });
  return index;
}

describe("a search", () => {
  it.each(metrics)("S3: compares all where they are few, and finds exactly the nearest: %s", (metric) => {
    const index = addAll(vectorIndex({ dimension, metric }), vectors);
    for (const query of queries.slice(0, 10)) {
      const result = index.search(query, { k });
      expect(result).toMatchObject({ exact: true, visited: count });
      expect(recall([result], [nearest(metric, byId(vectors), query, k)])).toBe(1);
    }
    expect(index.step()).toEqual({ done: true, pending: 0 });
  });

  it.each(metrics)(
    "S3: through the graph finds nearly all of the nearest, for a fraction of the distances: %s",
    (metric) => {
      const truth = queries.map((query) => nearest(metric, byId(vectors), query, k));
      const index = built(metric);
      const found = queries.map((query) => index.search(query, { k, ef: 100 }));
      expect(recall(found, truth)).toBeGreaterThan(0.98);
      for (const { exact, visited } of found) {
        expect(exact).toBe(false);
        expect(visited).toBeLessThan(count / 2);
      }
      expect(index.verify().unreachable).toHaveLength(0);
      expect(index.verify().leastDegree).toBeGreaterThanOrEqual(16);
    },
  );

  it.each(metrics)("S3: by codes of a byte finds as much, and returns the distances of the vectors: %s", (metric) => {
    const truth = queries.map((query) => nearest(metric, byId(vectors), query, k));
    const index = built(metric, { quantisation: "int8" });
    const exact = addAll(vectorIndex({ dimension, metric }), vectors);
    const found = queries.map((query) => index.search(query, { k, ef: 100 }));
    expect(recall(found, truth)).toBeGreaterThan(0.98);
    for (const [place, { ids, distances }] of found.entries()) {
      const all = exact.search(queries[place]!, { k: 200 });
      for (const [at, id] of ids.entries()) expect(distances[at]).toBe(all.distances[all.ids.indexOf(id)]);
    }
  });

  it("S3: returns equal vectors by their ids, all of them", () => {
    const index = vectorIndex({ dimension: 4, metric: "l2", exactBelow: 0 });
    const same = Float32Array.of(1, 2, 3, 4);
    const ids = Array.from({ length: 300 }, (_, place) => (place * 7_919) % 1_000);
    for (const id of ids) index.add(id, same);
    index.step();
    expect(index.verify().unreachable).toHaveLength(0);
    const { ids: found } = index.search(same, { k: 300 });
    expect([...found]).toEqual(ids.toSorted((a, b) => a - b));
  });
});

describe("deleted vectors", () => {
  it("S3: are never returned and never in the way, even when nearly all are deleted", () => {
    const index = built("l2");
    const model = byId(vectors);
    for (const share of [0.1, 0.5, 0.9, 0.99]) {
      for (let id = 0; id < count; id++) if ((id * 0.618) % 1 < share && index.delete(id)) model.delete(id);
      const found = queries.map((query) => index.search(query, { k, ef: 100 }));
      for (const { ids } of found) {
        expect(ids).toHaveLength(k);
        for (const id of ids) expect(model.has(id)).toBe(true);
      }
      const truth = queries.map((query) => nearest("l2", model, query, k));
      expect(recall(found, truth)).toBeGreaterThan(0.98);
    }
  });
});

describe("a filter", () => {
  let index: VectorIndex;
  beforeAll(() => {
    index = built("cosine", { exactBelow: 100 });
  });

  it.each([0.5, 0.01, 0.0001])("S3: with a share of %d of all matching gives k matches, or all there are", (share) => {
    const matches = (id: number): boolean => (id * 0.61803398875) % 1 < share;
    const model = new Map([...byId(vectors)].filter(([id]) => matches(id)));
    const bits = new Uint32Array(Math.ceil(count / 32));
    const bytes = new Uint8Array(Math.ceil(count / 8));
    for (const id of model.keys()) {
      bits[id >>> 5]! |= 1 << (id & 31);
      bytes[id >>> 3]! |= 1 << (id & 7);
    }
    const found = queries.map((query) => index.search(query, { k, ef: 64, filter: matches }));
    const truth = queries.map((query) => nearest("cosine", model, query, k));
    for (const [place, result] of found.entries()) {
      expect(result.ids).toHaveLength(Math.min(k, model.size));
      for (const id of result.ids) expect(matches(id)).toBe(true);
      expect(result.visited).toBeLessThanOrEqual(3 * Math.max(100, model.size));
      if (model.size <= 100) expect(result.exact).toBe(true);
      for (const filter of [bits, bytes]) expect(index.search(queries[place]!, { k, filter })).toEqual(result);
    }
    expect(recall(found, truth)).toBeGreaterThanOrEqual(model.size <= 100 ? 1 : 0.98);
  });

  it("S3: whose matches all lie far from the query still gives k of them, at no more than twice the full cost", () => {
    const [query] = queries;
    const far = new Set(nearest("cosine", byId(vectors), query!, count).slice(-2_500));
    const result = index.search(query!, { k, filter: (id) => far.has(id) });
    expect(result.ids).toHaveLength(k);
    expect(result.visited).toBeLessThanOrEqual(2 * far.size + 200);
    const model = new Map([...byId(vectors)].filter(([id]) => far.has(id)));
    expect(recall([result], [nearest("cosine", model, query!, k)])).toBe(1);
  });

  it("S3: that nothing matches finds nothing, and one shorter than the ids ends where it ends", () => {
    const [query] = queries;
    expect(index.search(query!, { k, filter: () => false }).ids).toHaveLength(0);
    expect(index.search(query!, { k, filter: new Uint32Array(0) }).ids).toHaveLength(0);
    expect([...index.search(query!, { k, filter: Uint8Array.of(0b101) }).ids].toSorted()).toEqual([0, 2]);
  });

  it("S3: as a bitmap means ids, also where these are not the rows", () => {
    const shuffled = vectorIndex({ dimension, metric: "cosine", exactBelow: 0 });
    for (const [place, vector] of vectors.slice(0, 500).entries()) shuffled.add((place * 7 + 3) % 500, vector);
    const ids = [5, 31, 32, 64, 499];
    const bits = new Uint32Array(16);
    for (const id of ids) bits[id >>> 5]! |= 1 << (id & 31);
    shuffled.delete(32);
    const { ids: found } = shuffled.search(queries[0]!, { k: 9, filter: bits });
    expect([...found].toSorted((a, b) => a - b)).toEqual([5, 31, 64, 499]);
  });

  it("S3: may itself ask the index", () => {
    const [query, other] = queries as [Float32Array, Float32Array];
    const filter = (id: number): boolean => id % 1_000 === 1 && index.search(other, { k: 1 }).ids.length === 1;
    expect(index.search(query, { k: 3, filter })).toEqual(
      index.search(query, { k: 3, filter: (id) => id % 1_000 === 1 }),
    );
  });

  it("S3: and deletions hold together", () => {
    const mixed = built("l2", { exactBelow: 50 });
    const model = byId(vectors);
    for (let id = 0; id < count; id += 2) if (mixed.delete(id)) model.delete(id);
    const filter = (id: number): boolean => id % 3 === 0;
    for (const id of model.keys()) if (!filter(id)) model.delete(id);
    const found = queries.map((query) => mixed.search(query, { k, filter }));
    const truth = queries.map((query) => nearest("l2", model, query, k));
    expect(recall(found, truth)).toBeGreaterThan(0.98);
  });
});
