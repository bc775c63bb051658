import { describe, expect, it } from "vitest";
import { utf8 } from "../../base/index.ts";
import { clustered } from "../vector/testing/vectors.ts";
import { checkEmbedding, embeddingDistance } from "./embedding.ts";
import { hideOlder, hideOlderNow } from "./hide.ts";
import { MemoryVectorLayer } from "./memory-vector-layer.ts";
import { searchLayers } from "./search.ts";
import { LayeredRows } from "./testing/layered-rows.ts";
import type { VectorLayer } from "./vector-layer.ts";

const settings = { dimension: 2, metric: "l2" } as const;

function layerOf(...rows: readonly (readonly [id: string, sequence: number, x?: number])[]): MemoryVectorLayer {
  const layer = new MemoryVectorLayer({ settings });
  for (const [id, sequence, x] of rows) {
    const embedding = x === undefined ? undefined : Float32Array.of(x, 0);
    layer.add({ id, sequence, embedding, metadataBytes: utf8("{}"), expiryMs: 0 });
  }
  return layer;
}

async function found(layers: readonly VectorLayer[], atSequence = 100): Promise<string[]> {
  const options = { k: 20, ef: 64, atSequence, nowMs: 0, filter: undefined };
  const { hits } = await searchLayers(layers, new Float32Array(2), options);
  return hits.map(({ id, sequence }) => id + sequence);
}

describe("embeddings in memory", () => {
  it("S3: are compared one by one, at any number", async () => {
    const rows = new LayeredRows({ dimension: 6, metric: "dot", quantisation: "int8" }, 100);
    const vectors = clustered(12_050, 6, 1);
    for (const [place, vector] of vectors.slice(0, 12_000).entries()) rows.write(`id ${place}`, vector);
    for (const query of vectors.slice(12_000, 12_010)) {
      const { hits, exact } = await rows.search(rows.pin(), { query, k: 10 });
      expect(exact).toBe(true);
      expect(hits.map(({ id }) => id)).toEqual(rows.nearest(rows.sequence, { query, k: 10 }).map(({ id }) => id));
    }
  });

  it("S1: of one commit that writes an id twice, the last is there and the first never was", async () => {
    const layer = layerOf(["a", 1, 1], ["a", 1, 2], ["b", 1, 3], ["b", 1]);
    expect(await found([layer])).toEqual(["a1"]);
    expect(layer.embeddingOf("a", 1)).toEqual(Float32Array.of(2, 0));
    expect([layer.embeddingOf("b", 1), layer.embeddingOf("a", 0), layer.embeddingOf("c", 1)]).toEqual([
      ...[undefined, undefined, undefined],
    ]);
  });

  it("S3: what does not fit leaves the layer as it was", () => {
    const layer = layerOf(["a", 1, 1]);
    const wrong = { id: "a", sequence: 2, embedding: Float32Array.of(1), metadataBytes: undefined, expiryMs: 0 };
    expect(() => layer.add(wrong)).toThrow("STORE_VECTOR_DIMENSION");
    expect([layer.rows, [...layer.versions()]]).toEqual([1, [["a", 1]]]);
    expect(() => layer.add({ ...wrong, sequence: 0, embedding: undefined })).toThrow("order of their commits");
  });

  it("S3: an embedding can be checked before it is written", () => {
    const cosine = { dimension: 2, metric: "cosine" } as const;
    checkEmbedding(Float32Array.of(1, 0), cosine);
    expect(() => checkEmbedding(Float32Array.of(1), cosine)).toThrow("STORE_VECTOR_DIMENSION");
    expect(() => checkEmbedding(Float32Array.of(0, 0), cosine)).toThrow("STORE_VECTOR_ZERO");
    expect(() => checkEmbedding(Float32Array.of(0, Number.NaN), cosine)).toThrow("STORE_VECTOR_VALUE");
    expect(() => checkEmbedding(Float32Array.of(0), { ...cosine, dimension: 0 })).toThrow("STORE_VECTOR_OPTION");
  });

  it.each(["cosine", "dot", "l2"] as const)("S3: %s is measured alone as in a search", async (metric) => {
    const [query, ...vectors] = clustered(20, 5, 3);
    const layer = new MemoryVectorLayer({ settings: { dimension: 5, metric } });
    for (const [place, embedding] of vectors.entries()) {
      layer.add({ id: `${place}`, sequence: 1, embedding, metadataBytes: undefined, expiryMs: 0 });
    }
    const { hits } = await layer.search(query!, { k: 19, ef: 19, atSequence: 1, nowMs: 0, filter: undefined });
    for (const hit of hits) {
      expect(embeddingDistance(metric, query!, vectors[Number(hit.id)]!)).toBeCloseTo(hit.distance, 4);
    }
  });
});

describe("layers", () => {
  it("S3: are told what is newer at once or in slices, twice and in any order, and answer the same", async () => {
    const older = (): MemoryVectorLayer => layerOf(["a", 1, 1], ["b", 2, 2], ["c", 3, 3], ["a", 4, 4]);
    const newer = layerOf(["b", 5, 5], ["a", 6], ["b", 7]);
    const told = [older(), older(), older()] as const;
    hideOlderNow(newer, [told[0]]);
    await hideOlder(newer, [told[1], told[2]]);
    for (const [id, sequence] of [...newer.versions()].reverse()) told[2].hide(id, sequence);
    for (const layer of told) {
      expect(await found([newer, layer])).toEqual(["c3"]);
      expect(await found([newer, layer], 6)).toEqual(["c3", "b5"]);
      expect(await found([newer, layer], 5)).toEqual(["c3", "a4", "b5"]);
      expect(await found([newer, layer], 4)).toEqual(["b2", "c3", "a4"]);
      expect(await found([newer, layer], 2)).toEqual(["a1", "b2"]);
    }
    await expect(hideOlder(newer, [told[0]], { signal: AbortSignal.abort("enough") })).rejects.toBe("enough");
  });

  it("S7: are told in slices, in which others get their turn", async () => {
    const rows = Array.from({ length: 20_000 }, (_, place) => [`${place}`, place + 1] as const);
    let turns = 0;
    const count = (): void => {
      turns++;
      setImmediate(count).unref();
    };
    setImmediate(count).unref();
    await hideOlder(layerOf(...rows), [layerOf(["a", 0, 1])]);
    expect(turns).toBeGreaterThan(2);
  });

  it("S3: are searched for 1 to 16,384, in whole numbers, and not beyond the end of a signal", async () => {
    const layer = layerOf(["a", 1, 1]);
    const search = (k: number, ef = 64, signal?: AbortSignal) =>
      searchLayers([layer], new Float32Array(2), { k, ef, atSequence: 1, nowMs: 0, filter: undefined, signal });
    expect((await search(16_384)).hits).toHaveLength(1);
    for (const k of [0, 16_385, 1.5]) await expect(search(k)).rejects.toMatchObject({ code: "STORE_VECTOR_OPTION" });
    await expect(search(1, 0)).rejects.toMatchObject({ code: "STORE_VECTOR_OPTION" });
    await expect(search(1, 64, AbortSignal.abort("enough"))).rejects.toBe("enough");
  });

  it("S3: hold ties in the order of the ids' bytes, also where a tie does not end within k", async () => {
    const ids = Array.from({ length: 100 }, (_, place) => `${(place * 37) % 100}`);
    const layer = layerOf(...ids.map((id) => [id, 1, 1] as const));
    const options = { k: 7, ef: 7, atSequence: 1, nowMs: 0, filter: undefined };
    const { hits } = await layer.search(new Float32Array(2), options);
    expect(hits.map(({ id }) => id)).toEqual(ids.sort().slice(0, 7));
  });
});
