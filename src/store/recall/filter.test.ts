import { describe, expect, it } from "vitest";
import { utf8, VirtualClock } from "../../base/index.ts";
import type { Metadata } from "../item/item.ts";
import { SearchFilters } from "./filter.ts";
import { MemoryVectorLayer } from "./memory-vector-layer.ts";
import { adoptVectorLayer } from "./segment-vector-layer.ts";
import type { RowFilter, VectorLayer } from "./vector-layer.ts";
import { VectorSectionBuilder } from "./vector-section.ts";

const settings = { dimension: 1, metric: "l2" } as const;
const filters = new SearchFilters();
const idOf = (place: number): string => `id ${String(place).padStart(6, "0")}`;

async function layerOf(count: number, clock: VirtualClock, metadata?: (place: number) => Metadata) {
  const builder = new VectorSectionBuilder({ settings, fileId: 1, exactBelow: 1_000_000 });
  for (let place = 0; place < count; place++) {
    const json = metadata?.(place);
    const metadataBytes = json === undefined ? undefined : utf8(JSON.stringify(json));
    builder.add({ id: idOf(place), sequence: 1, embedding: Float32Array.of(place), metadataBytes, expiryMs: 0 });
  }
  const sections = await builder.finish();
  return adoptVectorLayer({ ...sections, settings, fileId: 1, path: "1.segment", clock });
}

function search(layer: VectorLayer, filter: RowFilter, signal?: AbortSignal) {
  return layer.search(new Float32Array(1), { k: 3, ef: 3, atSequence: 9, nowMs: 0, filter, signal });
}

describe("a filter", () => {
  it("S3: is a rule over the metadata, in which what is missing or of another type does not match", () => {
    const passes = (rule: string, metadata?: Metadata): boolean => filters.of(rule).passes(metadata, "x");
    const tea: Metadata = { topic: "tea", size: 3, of: { deep: [1], name: "n" }, nothing: null };
    expect(passes("topic == 'tea' && size > 2", tea)).toBe(true);
    expect(passes("topic == 'tea' && size > 3", tea)).toBe(false);
    expect(passes("of.name == 'n'", tea)).toBe(true);
    for (const rule of ["sort == 1", "size == 3 && sort == 1", "!(sort == 1)", "of.deep == 1", "nothing == 1"]) {
      expect(passes(rule, tea), rule).toBe(false);
    }
    for (const rule of ["of.deep.length == 1", "size.x == 1", "topic > 2", "toString == 1"]) {
      expect(passes(rule, tea), rule).toBe(false);
    }
    expect([passes("topic == 'tea'"), passes("1 < 2")]).toEqual([false, true]);
  });

  it("S3: does not need a name that the rule does not come to", () => {
    const passes = (rule: string): boolean => filters.of(rule).passes({ yes: true, no: false }, "x");
    for (const rule of ["yes || gone", "!(no && gone)", "(no && gone) == false", "xor(yes, no && gone)"]) {
      expect(passes(rule), rule).toBe(true);
    }
    expect(passes("not(no && gone) && gone")).toBe(false);
    expect(passes("no && gone")).toBe(false);
  });

  it("S3: that is no rule is told as the policy language tells it", () => {
    expect(() => filters.of("topic ==")).toThrow("POLICY_SYNTAX");
    expect(() => filters.of("1 + 2")).toThrow("POLICY_TYPE");
    expect(() => filters.of("1 < 'a'")).toThrow("POLICY_TYPE");
  });

  it("is the same object each time, for so many rules and for each function", () => {
    const few = new SearchFilters(2);
    const first = few.of("a > 1");
    expect(few.of("a > 1")).toBe(first);
    few.of("a > 2");
    few.of("a > 3");
    expect(few.of("a > 1")).not.toBe(first);
    const one = (): boolean => true;
    expect(few.of(one)).toBe(few.of(one));
    expect(few.of(one)).not.toBe(few.of(() => true));
  });

  it("S3: may be a function, of which only true counts, and not what it throws", async () => {
    const layer = await layerOf(10, new VirtualClock(), (place) => ({ place }));
    const found = async (filter: (metadata: Metadata | undefined, id: string) => boolean) =>
      (await search(layer, filters.of(filter))).hits.map(({ id }) => id);
    expect(await found((metadata, id) => Number(metadata?.["place"]) > 3 && id !== idOf(5))).toEqual(
      [4, 6, 7].map(idOf),
    );
    expect(await found(() => JSON.parse("{"))).toEqual([]);
    expect(await found(() => JSON.parse("1"))).toEqual([]);
  });

  it("S3: is asked about each row once, by all who wait together, and about later ones then", async () => {
    const layer = new MemoryVectorLayer({ settings });
    const asked: string[] = [];
    const filter = filters.of((_, id) => asked.push(id) > 0);
    const add = (place: number): void =>
      layer.add({
        id: idOf(place),
        sequence: 1,
        embedding: Float32Array.of(place),
        metadataBytes: undefined,
        expiryMs: 0,
      });
    for (let place = 0; place < 6_000; place++) add(place);
    const both = [search(layer, filter), search(layer, filter)];
    add(6_000);
    for (const { hits } of await Promise.all(both)) expect(hits.map(({ id }) => id)).toEqual([0, 1, 2].map(idOf));
    add(6_001);
    await search(layer, filter);
    expect(asked).toEqual(Array.from({ length: 6_002 }, (_, place) => idOf(place)));
  });

  it("S7: over 200,000 rows lets the event loop run every few milliseconds", async () => {
    const clock = new VirtualClock();
    const layer = await layerOf(200_000, clock);
    let [turns, inTurn, most] = [0, 0, 0];
    let running = true;
    const turn = (): void => {
      turns++;
      inTurn = 0;
      if (running) setImmediate(turn);
    };
    setImmediate(turn);
    const slow = filters.of(() => {
      // As if each row took 20 µs.
      if (++inTurn % 50 === 0) clock.advanceSync(1);
      most = Math.max(most, inTurn);
      return true;
    });
    await search(layer, slow);
    // 4 ms, and the row that ends them.
    expect(most).toBeLessThanOrEqual(250);
    expect(turns).toBeGreaterThan(800);
    turns = 0;
    await search(
      layer,
      filters.of(() => true),
    );
    running = false;
    expect(turns).toBeGreaterThan(40);
  });

  it("waits no longer than its caller does, and the others get their answer", async () => {
    const layer = await layerOf(20_000, new VirtualClock());
    const filter = filters.of((_, id) => id !== idOf(0));
    const stop = new AbortController();
    const given = search(layer, filter, stop.signal);
    const other = search(layer, filter);
    stop.abort("enough");
    await expect(given).rejects.toBe("enough");
    expect((await other).hits.map(({ id }) => id)).toEqual([1, 2, 3].map(idOf));
    await expect(search(layer, filter, stop.signal)).rejects.toBe("enough");
  });

  it("S7: makes a layer keep parsed metadata up to a limit only, and answers the same beyond", async () => {
    const long = "x".repeat(30_000);
    const layer = await layerOf(400, new VirtualClock(), (place) => ({ place, long }));
    const before = layer.memoryBytes;
    for (const bound of [0, 390]) {
      const { hits } = await search(layer, filters.of(`place >= ${bound} && long != ''`));
      expect(hits.map(({ id }) => id)).toEqual([bound, bound + 1, bound + 2].map(idOf));
    }
    expect(layer.memoryBytes - before).toBeGreaterThan(2 ** 20);
    expect(layer.memoryBytes - before).toBeLessThan(2 ** 25);
  });

  it("S8: meets metadata that is no JSON with an error that says where", async () => {
    const builder = new VectorSectionBuilder({ settings, fileId: 1 });
    builder.add({ id: "a", sequence: 1, embedding: Float32Array.of(1), metadataBytes: utf8("{no"), expiryMs: 0 });
    const layer = await adoptVectorLayer({ ...(await builder.finish()), settings, fileId: 1, path: "1.segment" });
    await expect(search(layer, filters.of("a > 1"))).rejects.toMatchObject({
      code: "STORE_SEGMENT_CORRUPT",
      details: { path: "1.segment", section: "rows" },
    });
  });
});
