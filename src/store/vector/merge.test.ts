import { describe, expect, it } from "vitest";
import { adoptVectorIndex, mergeVectorIndexes, type VectorIndex, vectorIndex } from "./index.ts";
import { addAll, byId, clustered, nearest, recall } from "./testing/vectors.ts";

const dimension = 16;
const settings = { dimension, metric: "l2", exactBelow: 0, efConstruction: 60 } as const;
const queries = clustered(6_060, dimension, 1, 40).slice(6_000);
const k = 10;

function built(vectors: ReadonlyMap<number, Float32Array>): VectorIndex {
  const index = vectorIndex(settings);
  for (const [id, vector] of vectors) index.add(id, vector);
  index.step();
  return index;
}

type Truth = readonly (readonly number[])[];

function truthOf(model: ReadonlyMap<number, Float32Array>): Truth {
  return queries.map((query) => nearest("l2", model, query, k));
}

function recallOf(index: VectorIndex, truth: Truth, ef: number): number {
  const found = queries.map((query) => index.search(query, { k, ef }));
  for (const { ids } of found) expect([...ids].filter((id) => !index.has(id))).toEqual([]);
  return recall(found, truth);
}

describe("a merge", () => {
  it("S3: 200 in a row, each without 1 % and with as many new, lose no recall and no vector", () => {
    const [size, turns, change] = [1_000, 200, 10];
    const pool = clustered(size + turns * change, dimension, 1, 40);
    const model = new Map(pool.slice(0, size).entries());
    let index = built(model);
    for (let turn = 0; turn < turns; turn++) {
      // Spread over old and new alike: what lives longest has been through all merges.
      const gone = [...model.keys()].filter((_, place) => place % 100 === (turn * 37) % 100);
      for (const id of gone) model.delete(id);
      const fresh = new Map(
        pool
          .slice(size + turn * change, size + (turn + 1) * change)
          .map((vector, at) => [size + turn * change + at, vector]),
      );
      for (const [id, vector] of fresh) model.set(id, vector);
      index = mergeVectorIndexes([{ index, keep: (id) => model.has(id) }, { index: built(fresh) }]);
      expect(index.step()).toEqual({ done: true, pending: 0 });
      const { unreachable, leastDegree } = index.verify();
      expect(unreachable, `turn ${turn}`).toHaveLength(0);
      expect(leastDegree).toBeGreaterThanOrEqual(16);
    }
    expect([index.size, index.deleted]).toEqual([model.size, 0]);
    const fresh = built(model);
    expect(index.verify().meanDegree).toBeGreaterThan(fresh.verify().meanDegree * 0.95);
    const truth = truthOf(model);
    for (const ef of [10, 20, 64]) {
      expect(recallOf(index, truth, ef)).toBeGreaterThanOrEqual(recallOf(fresh, truth, ef) - 0.01);
    }
  });

  it.each([0.1, 0.4, 0.6, 0.95])("S3: without a share of %d of all loses no recall either", (share) => {
    const vectors = clustered(1_800, dimension, 1, 40);
    const index = built(byId(vectors));
    const model = new Map([...byId(vectors)].filter(([id]) => (id * 0.618) % 1 >= share));
    const merged = mergeVectorIndexes([{ index, keep: (id) => model.has(id) }]);
    merged.step();
    expect(merged.verify().unreachable).toHaveLength(0);
    const fresh = built(model);
    const truth = truthOf(model);
    for (const ef of [10, 64]) {
      expect(recallOf(merged, truth, ef)).toBeGreaterThanOrEqual(recallOf(fresh, truth, ef) - 0.01);
    }
  });

  it("S3: of whole clusters gone, and of the entry gone, still reaches all", () => {
    const vectors = clustered(2_000, dimension, 1, 40);
    const centre = vectors[0]!;
    const near = new Set(nearest("l2", byId(vectors), centre, 900));
    const model = new Map([...byId(vectors)].filter(([id]) => !near.has(id)));
    let index = built(byId(vectors));
    for (const id of near) index.delete(id);
    index = mergeVectorIndexes([{ index }]);
    index.step();
    expect(index.verify().unreachable).toHaveLength(0);
    expect(recallOf(index, truthOf(model), 64)).toBeGreaterThan(0.98);
  });

  it("S3: works in slices, searches exactly meanwhile, and leaves its parts as they are", () => {
    const vectors = clustered(1_200, dimension, 1, 40);
    const [first, second] = [built(byId(vectors.slice(0, 800))), built(byId(vectors.slice(800)))];
    for (let id = 0; id < 800; id += 8) first.delete(id);
    const before = [first.serialise(), second.serialise()];
    const merged = mergeVectorIndexes([{ index: first }, { index: second, idOf: (id) => id + 800 }]);
    const model = new Map([...byId(vectors)].filter(([id]) => id >= 800 || id % 8 !== 0));
    expect(() => merged.serialise()).toThrow("STORE_VECTOR_UNFINISHED");
    expect(merged.search(queries[0]!, { k }).exact).toBe(true);
    const truth = truthOf(model);
    expect(recallOf(merged, truth, 64)).toBe(1);
    let slices = 0;
    while (!merged.step({ items: 50 }).done) slices++;
    expect(slices).toBeGreaterThan(8);
    expect(merged.search(queries[0]!, { k }).exact).toBe(false);
    expect(recallOf(merged, truth, 64)).toBeGreaterThan(0.98);
    for (const [place, index] of [first, second].entries()) {
      expect(Buffer.compare(index.serialise(), before[place]!)).toBe(0);
    }
  });

  it("gives the same bytes each time, also where a part goes on meanwhile", () => {
    const vectors = clustered(900, dimension, 1, 40);
    const merge = (disturb: boolean): Uint8Array => {
      const index = built(byId(vectors));
      for (let id = 0; id < 900; id += 5) index.delete(id);
      const merged = mergeVectorIndexes([{ index }]);
      if (disturb) index.delete(1);
      merged.step();
      return merged.serialise();
    };
    expect(Buffer.compare(merge(false), merge(false))).toBe(0);
    expect(Buffer.compare(merge(false), merge(true))).toBe(0);
  });

  it("S3: survives a part that is added to and built on while its links are taken over", () => {
    const vectors = clustered(900, dimension, 1, 40);
    const index = built(byId(vectors));
    for (let id = 0; id < 900; id += 5) index.delete(id);
    const merged = mergeVectorIndexes([{ index }]);
    merged.step({ items: 20 });
    addAll(index, clustered(2_000, dimension, 1, 40).slice(900), 900);
    index.step();
    merged.step();
    // Adoption looks at every link, and at the level of what it leads to.
    expect(adoptVectorIndex(merged.serialise()).size).toBe(720);
    expect([merged.size, merged.verify().unreachable.length]).toEqual([720, 0]);
  });

  it("of nothing, of other vectors or of one id twice is refused; of empty ones it is empty", () => {
    const index = (dimension: number, id?: number) => {
      const made = vectorIndex({ dimension, metric: "l2" });
      if (id !== undefined) made.add(id, new Float32Array(dimension));
      return { index: made };
    };
    expect(() => mergeVectorIndexes([])).toThrow("STORE_VECTOR_OPTION");
    expect(() => mergeVectorIndexes([index(2), index(3)])).toThrow("STORE_VECTOR_OPTION");
    expect(() => mergeVectorIndexes([index(2, 1), index(2, 1)])).toThrow("STORE_VECTOR_DUPLICATE");
    expect(() => mergeVectorIndexes([{ ...index(2, 1), idOf: () => 0.5 }])).toThrow("STORE_VECTOR_OPTION");
    expect(mergeVectorIndexes([index(2), index(2)]).size).toBe(0);
    expect(mergeVectorIndexes([index(2, 1), index(2, 2)]).size).toBe(2);
  });
});
