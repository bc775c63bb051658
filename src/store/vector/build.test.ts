import { describe, expect, it } from "vitest";
import { type Clock, systemClock, VirtualClock } from "../../base/index.ts";
import { vectorIndex } from "./index.ts";
import { addAll, byId, clustered, nearest, recall } from "./testing/vectors.ts";

const settings = { dimension: 16, metric: "l2", exactBelow: 0, efConstruction: 60 } as const;
const drawn = clustered(1_540, 16, 2);
const [vectors, queries] = [drawn.slice(0, 1_500), drawn.slice(1_500)];

/** Each look at it is one millisecond later than the last. */
function tickingClock(): Clock {
  let nowMs = 0;
  return { ...systemClock, monotonicMs: () => nowMs++ };
}

describe("building the graph", () => {
  it("S3: goes in slices of so many items, and searches are exact until more than half of it stands", () => {
    const index = addAll(vectorIndex(settings), vectors);
    const query = queries[0]!;
    const truth = nearest("l2", byId(vectors), query, 5);
    let slices = 0;
    for (let done = false; !done; slices++) {
      const linked = vectors.length - index.pending;
      const result = index.search(query, { k: 5 });
      expect(recall([result], [truth])).toBe(1);
      if (linked * 2 < vectors.length) expect(result.exact).toBe(true);
      const progress = index.step({ items: 100 });
      done = progress.done;
      expect(progress.pending).toBe(index.pending);
      expect(linked - (vectors.length - progress.pending)).toBeGreaterThanOrEqual(-100);
    }
    expect(slices).toBeGreaterThanOrEqual(15);
    expect(index.search(query, { k: 5 }).exact).toBe(false);
  });

  it("S3: stops at the first pause after its budget", () => {
    const index = addAll(vectorIndex(settings), vectors);
    expect(index.step({ budgetMs: 10, clock: tickingClock() })).toEqual({ done: false, pending: vectors.length - 10 });
    expect(index.step({ budgetMs: 0, clock: tickingClock() }).pending).toBe(vectors.length - 11);
    expect(index.step({ items: 0 }).pending).toBe(vectors.length - 11);
  });

  it("S3: the same additions give the same bytes, whole or in slices, with deletions after as before a slice", () => {
    const whole = addAll(vectorIndex(settings), vectors);
    whole.step();
    const sliced = addAll(vectorIndex({ ...settings, capacity: 5_000 }), vectors);
    while (!sliced.step({ items: 7 }).done) sliced.search(vectors[3]!, { k: 3 });
    expect(Buffer.compare(whole.serialise(), sliced.serialise())).toBe(0);
    const seeded = addAll(vectorIndex({ ...settings, seed: 1 }), vectors);
    seeded.step();
    expect(Buffer.compare(whole.serialise(), seeded.serialise())).not.toBe(0);
  });

  it("S3: gives way to the event loop between slices, and can be called off and gone on with", async () => {
    const index = addAll(vectorIndex(settings), vectors);
    const controller = new AbortController();
    let turns = 0;
    const timer = setInterval(() => ++turns === 3 && controller.abort(new Error("enough")), 0);
    await expect(index.build({ sliceMs: 2, signal: controller.signal })).rejects.toThrow("enough");
    expect(index.pending).toBeGreaterThan(0);
    await expect(index.build({ signal: AbortSignal.abort(new Error("before")) })).rejects.toThrow("before");
    turns = 10;
    await index.build({ sliceMs: 5 });
    clearInterval(timer);
    expect(turns).toBeGreaterThan(11);
    expect(index.step()).toEqual({ done: true, pending: 0 });
    expect(index.verify().unreachable).toHaveLength(0);
  });

  it("waits on the clock it is given", async () => {
    const index = addAll(vectorIndex(settings), vectors.slice(0, 50));
    const clock = new VirtualClock();
    // A virtual clock stands still within a slice: all is done in the first.
    await index.build({ clock });
    expect(index.pending).toBe(0);
  });

  it("S3: takes in additions while it runs, and all can be reached in the end", () => {
    const index = vectorIndex(settings);
    for (const [id, vector] of vectors.entries()) {
      index.add(id, vector);
      if (id % 3 === 0) index.step({ items: 2 });
      if (id % 10 === 9) index.delete(id - 5);
    }
    index.step();
    expect(index.verify().unreachable).toHaveLength(0);
    const model = new Map([...byId(vectors)].filter(([id]) => id % 10 !== 4));
    const found = queries.map((query) => index.search(query, { k: 10, ef: 100 }));
    expect(
      recall(
        found,
        queries.map((query) => nearest("l2", model, query, 10)),
      ),
    ).toBeGreaterThan(0.98);
  });

  it("S3: leaves no vector behind where the graph is as thin as can be", () => {
    // Two links a node, in far clusters: selection alone cuts many off.
    for (const seed of [1, 2, 3]) {
      const thin = vectorIndex({ dimension: 2, metric: "l2", exactBelow: 0, connectivity: 2, efConstruction: 4, seed });
      addAll(thin, clustered(3_000, 2, seed, 300)).step();
      const { unreachable, leastDegree } = thin.verify();
      expect(unreachable).toHaveLength(0);
      expect(leastDegree).toBeGreaterThanOrEqual(1);
    }
  });

  it("finds what is not linked yet beside what is", () => {
    const index = addAll(vectorIndex({ ...settings, exactBelow: 200 }), vectors.slice(0, 1_400));
    index.step();
    addAll(index, vectors.slice(1_400), 1_400);
    expect(index.pending).toBe(100);
    for (let id = 1_400; id < 1_500; id++) {
      const result = index.search(vectors[id]!, { k: 1 });
      expect([...result.ids]).toEqual([id]);
      expect(result.exact).toBe(false);
    }
  });
});
