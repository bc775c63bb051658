import { describe, expect, it } from "vitest";
import { type Random, seededRandom, VirtualClock } from "../../base/index.ts";
import { SimDisk } from "../../disk/index.ts";
import { embeddingDistance } from "../recall/index.ts";
import type { Collection, CollectionReader, SearchHit, Store, StoreOptions } from "../store.ts";
import { openStore } from "./open-store.ts";

const dimension = 8;

interface Known {
  readonly embedding: Float32Array | undefined;
  readonly topic: number;
}

function vector(random: Random): Float32Array {
  return Float32Array.from({ length: dimension }, () => random() * 2 - 1);
}

async function opened(
  disk: SimDisk,
  options: Partial<StoreOptions> = {},
): Promise<{ store: Store; notes: Collection }> {
  const store = await openStore({
    ...{ disk, folder: "/store", background: "slices", clock: new VirtualClock(), memtableEntries: 50 },
    ...options,
  });
  return { store, notes: await store.collection("notes", { vectors: { dimension, metric: "cosine" } }) };
}

function nearest(model: ReadonlyMap<string, Known>, query: Float32Array, k: number, topic?: number): string[] {
  return [...model]
    .flatMap(([id, known]) =>
      known.embedding === undefined || (topic !== undefined && known.topic !== topic)
        ? []
        : { id, distance: embeddingDistance("cosine", query, known.embedding) },
    )
    .sort((a, b) => a.distance - b.distance)
    .slice(0, k)
    .map(({ id }) => id);
}

const ids = (hits: readonly SearchHit[]): string[] => hits.map(({ id }) => id);

async function expectRight(notes: CollectionReader, model: ReadonlyMap<string, Known>, random: Random): Promise<void> {
  const query = vector(random);
  const all = await notes.search(query, { k: 7 });
  expect(all.exact).toBe(true);
  expect(ids(all.hits)).toEqual(nearest(model, query, 7));
  const some = await notes.search(query, { k: 5, filter: "topic == 2" });
  expect(ids(some.hits)).toEqual(nearest(model, query, 5, 2));
}

describe("searching a store", () => {
  it("S3: finds what is nearest over memory and segments, while all is written, merged and opened again", async () => {
    const disk = new SimDisk();
    let { store, notes } = await opened(disk);
    const random = seededRandom(5);
    const model = new Map<string, Known>();
    for (let turn = 0; turn < 1_200; turn++) {
      const id = `k${Math.floor(random() * 150)}`;
      const topic = Math.floor(random() * 4);
      if (random() < 0.15) {
        model.delete(id);
        await notes.delete(id);
      } else {
        const embedding = random() < 0.15 ? undefined : vector(random);
        model.set(id, { embedding, topic });
        await notes.put(id, { metadata: { topic }, ...(embedding === undefined ? {} : { embedding }) });
      }
      if (turn % 40 === 0) await expectRight(notes, model, random);
      if (turn % 400 === 399) {
        await store.close();
        ({ store, notes } = await opened(disk));
      }
      if (turn % 250 === 0) await store.compact();
    }
    await expectRight(notes, model, random);
    await store.close();
  });

  it("S3: searches a snapshot as it was, even one that was never searched before all was merged", async () => {
    const { store, notes } = await opened(new SimDisk());
    const random = seededRandom(6);
    const model = new Map<string, Known>();
    const put = async (id: string): Promise<void> => {
      const known = { embedding: vector(random), topic: 1 };
      model.set(id, known);
      await notes.put(id, { embedding: known.embedding, metadata: { topic: 1 } });
    };
    for (let place = 0; place < 120; place++) await put(`k${place}`);
    using snapshot = store.snapshot();
    const before = new Map(model);
    for (let place = 0; place < 120; place += 2) await put(`k${place}`);
    for (let place = 0; place < 30; place++) {
      model.delete(`k${place}`);
      await notes.delete(`k${place}`);
    }
    await store.compact();
    await expectRight(snapshot.collection("notes"), before, random);
    await expectRight(notes, model, random);
    await store.compact();
    await expectRight(snapshot.collection("notes"), before, random);
  });

  it("S3: misses no write that comes while the first searches read the vectors", async () => {
    const disk = new SimDisk();
    const first = await opened(disk);
    const random = seededRandom(8);
    const model = new Map<string, Known>();
    for (let place = 0; place < 150; place++) {
      model.set(`k${place}`, { embedding: vector(random), topic: 2 });
      await first.notes.put(`k${place}`, { embedding: model.get(`k${place}`)!.embedding!, metadata: { topic: 2 } });
    }
    await first.store.compact();
    await first.store.close();
    const { store, notes } = await opened(disk, { memtableEntries: 10_000 });
    const query = vector(random);
    let isDone = false;
    const searches = Promise.all([1, 2, 3].map(() => notes.search(query, { k: 5 }))).finally(() => (isDone = true));
    // In as many turns as it takes, and some more.
    for (let turn = 0; turn < 150 && (!isDone || turn < 100); turn++) {
      const embedding = vector(random);
      model.set(`k${turn}`, { embedding, topic: 2 });
      await notes.put(`k${turn}`, { embedding, metadata: { topic: 2 } }, { durability: "visible" });
    }
    await searches;
    for (let turn = 0; turn < 20; turn++) await expectRight(notes, model, random);
    await store.close();
  });

  it("S3: refuses an embedding that does not fit, before anything is written", async () => {
    const { store, notes } = await opened(new SimDisk());
    const plain = await store.collection("plain");
    await expect(plain.put("a", { embedding: new Float32Array(8) })).rejects.toMatchObject({
      code: "STORE_COLLECTION",
    });
    await expect(notes.put("a", { embedding: new Float32Array(7).fill(1) })).rejects.toMatchObject({
      code: "STORE_VECTOR_DIMENSION",
    });
    await expect(notes.put("a", { embedding: new Float32Array(8) })).rejects.toMatchObject({
      code: "STORE_VECTOR_ZERO",
    });
    await expect(notes.search(new Float32Array(8).fill(Number.NaN))).rejects.toMatchObject({
      code: "STORE_VECTOR_VALUE",
    });
    await expect(notes.search(new Float32Array(8).fill(1), { filter: "topic = 1" })).rejects.toMatchObject({
      code: "POLICY_SYNTAX",
    });
    await expect(store.collection("notes", { vectors: { dimension: 9, metric: "cosine" } })).rejects.toMatchObject({
      code: "STORE_COLLECTION",
    });
    expect(await notes.get("a")).toBe(undefined);
    await store.close();
  });

  it("S3: recalls by likeness, by what is linked to what is on one's mind, and by κ", async () => {
    const { store, notes } = await opened(new SimDisk());
    const at = (place: number): Float32Array =>
      Float32Array.from({ length: dimension }, (_, axis) => (axis === place ? 1 : 0));
    await notes.put("tea", {
      embedding: at(0),
      edges: [{ type: "with", target: "cake" }],
      metadata: { topic: "food" },
    });
    await notes.put("coffee", {
      embedding: Float32Array.of(0.9, 0.1, 0, 0, 0, 0, 0, 0),
      kappa: 0.1,
      metadata: { topic: "food" },
    });
    await notes.put("cake", { embedding: at(3), metadata: { topic: "food" } });
    await notes.put("train", { embedding: at(5), kappa: 0.9, metadata: { topic: "travel" } });
    const byLikeness = await notes.recall({ embedding: at(0), k: 2, weights: { kappa: 0 } });
    expect(byLikeness.map(({ item }) => item.id)).toEqual(["tea", "coffee"]);
    const byLink = await notes.recall({ from: ["tea"], k: 3 });
    expect(byLink.map(({ item }) => item.id)).toEqual(["cake"]);
    const both = await notes.recall({ embedding: at(0), from: ["tea"], k: 3, weights: { activation: 2 } });
    expect(both[0]).toMatchObject({ item: { id: "cake" }, activation: 1, similarity: 0.5 });
    const byKappa = await notes.recall({ embedding: at(7), k: 1, filter: "topic == 'travel'", weights: { kappa: 1 } });
    expect(byKappa).toMatchObject([{ item: { id: "train" }, kappa: expect.closeTo(0.9, 5) }]);
    await store.close();
  });
});
