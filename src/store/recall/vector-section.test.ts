import { describe, expect, it } from "vitest";
import { HoldfastError, seededRandom, utf8 } from "../../base/index.ts";
import { checksumAt, viewOf } from "../little-endian.ts";
import type { VectorIndex } from "../vector/index.ts";
import { clustered } from "../vector/testing/vectors.ts";
import { SearchFilters } from "./filter.ts";
import { type AdoptVectorLayerOptions, adoptVectorLayer, type SegmentVectorLayer } from "./segment-vector-layer.ts";
import { LayeredRows, recallOf } from "./testing/layered-rows.ts";
import type { VectorRow } from "./vector-layer.ts";
import { VectorSectionBuilder, type VectorSections } from "./vector-section.ts";

const settings = { dimension: 4, metric: "l2" } as const;
const path = "7.segment";
const all = { k: 50, ef: 64, atSequence: 100, nowMs: 0, filter: undefined };
const filter = new SearchFilters().of("n >= 0");

function row(id: string, sequence: number, values?: readonly number[], expiryMs = 0): VectorRow {
  return {
    ...{ id, sequence, expiryMs },
    embedding: values === undefined ? undefined : Float32Array.from(values),
    metadataBytes: values === undefined ? undefined : utf8(JSON.stringify({ n: sequence, of: id })),
  };
}

const rows = [
  row("a", 9, [1, 0, 0, 0]),
  row("a", 4, [2, 0, 0, 0]),
  row("b", 8),
  row("b", 3, [3, 0, 0, 0], 50),
  row("c", 5, [4, 0, 0, 0], 60),
  row("\ufeff", 6, [5, 0, 0, 0]),
];

async function sectionsOf(list: readonly VectorRow[], exactBelow?: number): Promise<VectorSections> {
  const builder = new VectorSectionBuilder({ settings, fileId: 7, ...(exactBelow !== undefined && { exactBelow }) });
  for (const one of list) builder.add(one);
  return builder.finish();
}

function adopt(sections: VectorSections, more: Partial<AdoptVectorLayerOptions> = {}): Promise<SegmentVectorLayer> {
  return adoptVectorLayer({ ...sections, settings, fileId: 7, path, ...more });
}

/** What a layer answers to all that can be asked of these rows. */
async function answersOf(layer: SegmentVectorLayer): Promise<unknown> {
  const query = new Float32Array(4);
  const searches = [all, { ...all, atSequence: 5 }, { ...all, nowMs: 55 }, { ...all, filter }].map((options) =>
    layer.search(query, options),
  );
  const embeddings = ["a", "b", "c", "\ufeff", "d"].map((id) => layer.embeddingOf(id, 7));
  return { found: await Promise.all(searches), versions: [...layer.versions()], embeddings };
}

/** What it says, for a fault. */
async function outcome(work: Promise<SegmentVectorLayer>): Promise<unknown> {
  try {
    return await answersOf(await work);
  } catch (error) {
    if (!HoldfastError.is(error)) throw error;
    return error;
  }
}

function inOrder(list: readonly VectorRow[]): VectorRow[] {
  return [...list].sort((a, b) => Buffer.compare(utf8(a.id), utf8(b.id)) || b.sequence - a.sequence);
}

function signed(bytes: Uint8Array): Uint8Array {
  const view = viewOf(bytes);
  view.setUint32(56, checksumAt(7, 64, bytes.subarray(64)), true);
  view.setUint32(60, checksumAt(7, 0, bytes.subarray(0, 60)), true);
  return bytes;
}

describe("the sections of a segment", () => {
  it("S2: give back what went in, with what its own versions hide", async () => {
    const layer = await adopt(await sectionsOf(rows));
    expect(layer.rows).toBe(5);
    expect([...layer.versions()]).toEqual(rows.map(({ id, sequence }) => [id, sequence]));
    const found = async (atSequence: number, nowMs = 0) =>
      (await layer.search(new Float32Array(4), { ...all, atSequence, nowMs })).hits.map((hit) => hit.id + hit.sequence);
    expect(await found(100)).toEqual(["a9", "c5", "\ufeff6"]);
    expect(await found(7)).toEqual(["a4", "b3", "c5", "\ufeff6"]);
    expect(await found(3)).toEqual(["b3"]);
    expect(await found(7, 50)).toEqual(["a4", "c5", "\ufeff6"]);
    expect(layer.embeddingOf("b", 100)).toBeUndefined();
    expect(layer.embeddingOf("b", 7)).toEqual(Float32Array.of(3, 0, 0, 0));
    layer.hide("a", 20);
    layer.hide("a", 12);
    layer.hide("nobody", 1);
    layer.hide("x".repeat(2_000), 1);
    expect([await found(100), await found(11)]).toEqual([
      ["c5", "\ufeff6"],
      ["a9", "c5", "\ufeff6"],
    ]);
  });

  it("S2: of deletions alone, and of none, are sections too", async () => {
    for (const list of [[row("a", 2), row("b", 1)], []]) {
      const layer = await adopt(await sectionsOf(list));
      expect([layer.rows, [...layer.versions()].length]).toEqual([0, list.length]);
      expect(await layer.search(new Float32Array(4), all)).toEqual({ hits: [], exact: true });
    }
  });

  it("S2: are the same bytes for the same rows", async () => {
    const [first, second] = [await sectionsOf(rows), await sectionsOf(rows)];
    expect(Buffer.compare(first.rows, second.rows)).toBe(0);
    expect(Buffer.compare(first.index, second.index)).toBe(0);
  });

  it("S8: with any byte changed are refused with path and offset, or answer the same", async () => {
    const whole = await sectionsOf(rows);
    const right = await answersOf(await adopt(whole));
    for (const name of ["rows", "index"] as const) {
      for (let at = 0; at < whole[name].length; at++) {
        const bytes = whole[name].slice();
        bytes[at]! ^= 1 << (at % 8);
        const said = await outcome(adopt({ ...whole, [name]: bytes }));
        if (!HoldfastError.is(said)) expect(said).toEqual(right);
        else if (said.code !== "STORE_VERSION") {
          expect([said.code, said.details["path"]]).toEqual(["STORE_SEGMENT_CORRUPT", path]);
          expect(said.details["offset"]).toBeGreaterThanOrEqual(0);
        }
      }
      for (let length = 0; length < whole[name].length; length += 13) {
        const said = await outcome(adopt({ ...whole, [name]: whole[name].slice(0, length) }));
        expect(HoldfastError.is(said) && said.code).toBe("STORE_SEGMENT_CORRUPT");
      }
    }
  });

  it("S8: changed and signed anew, are refused or answer something, and lead nowhere else", async () => {
    const whole = await sectionsOf(rows);
    const random = seededRandom(3);
    let refused = 0;
    for (let at = 8; at < whole.rows.length; at++) {
      const bytes = whole.rows.slice();
      bytes[at] = Math.floor(random() * 256);
      const said = await outcome(adopt({ ...whole, rows: signed(bytes) }));
      if (HoldfastError.is(said)) {
        expect(["STORE_SEGMENT_CORRUPT", "STORE_VERSION"]).toContain(said.code);
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(100);
  });

  it("S8: with ids out of order are refused, though all checksums are right", async () => {
    for (const [at, letter] of [
      [0, "b"],
      [3, "0"],
    ] as const) {
      const whole = await sectionsOf(["a", "c", "e", "g"].map((id, place) => row(id, 9 - place)));
      whole.rows[whole.rows.length - 4 + at] = letter.charCodeAt(0) + (at === 0 ? 2 : 0);
      await expect(adopt({ ...whole, rows: signed(whole.rows) })).rejects.toMatchObject({
        code: "STORE_SEGMENT_CORRUPT",
        details: { section: "rows", offset: whole.rows.length - 4 + Math.max(1, at) },
      });
    }
  });

  it("S8: with two vectors of one row, or one of none, are refused, though all checksums are right", async () => {
    for (const wrong of [0, 4]) {
      const whole = await sectionsOf(["a", "c", "e", "g"].map((id, place) => row(id, 9 - place, [1, 2, 3, 4])));
      const at = 64 + 4 * 8;
      viewOf(whole.rows).setUint32(at + 4, wrong, true);
      await expect(adopt({ ...whole, rows: signed(whole.rows) })).rejects.toMatchObject({
        code: "STORE_SEGMENT_CORRUPT",
        details: { section: "rows", offset: at + 4 },
      });
    }
  });

  it("S8: of another segment, of another collection, or one of each, are refused", async () => {
    const whole = await sectionsOf(rows);
    const other = await sectionsOf(rows.slice(0, 3));
    for (const work of [
      adopt(whole, { fileId: 8 }),
      adopt(whole, { settings: { ...settings, dimension: 5 } }),
      adopt(whole, { settings: { ...settings, metric: "dot" } }),
      adopt({ rows: whole.rows, index: other.index }),
    ]) {
      await expect(work).rejects.toMatchObject({ code: "STORE_SEGMENT_CORRUPT" });
    }
    const error = await outcome(adopt({ ...whole, rows: whole.rows.slice(8) }, { rowsOffset: 4_096 }));
    expect(error).toMatchObject({ details: { path, offset: 4_096, section: "rows" } });
  });

  it("S2: have a graph above the bound only, which the caller builds", async () => {
    const vectors = clustered(300, 4, 1);
    for (const [exactBelow, exact] of [
      [300, true],
      [200, false],
    ] as const) {
      const builder = new VectorSectionBuilder({ settings, fileId: 7, exactBelow });
      for (const [place, vector] of vectors.entries()) builder.add(row(`${1_000 + place}`, 1, [...vector]));
      const pending: number[] = [];
      const build = async (index: VectorIndex): Promise<void> => {
        pending.push(index.pending);
        await index.build();
      };
      const layer = await adopt(await builder.finish({ build }), { exactBelow });
      expect(pending).toEqual([exact ? 0 : 300]);
      expect((await layer.search(vectors[0]!, { ...all, k: 5 })).exact).toBe(exact);
    }
  });

  it("S2: are adopted from bytes anywhere in a buffer", async () => {
    const whole = await sectionsOf(rows);
    const shifted = (bytes: Uint8Array, by: number): Uint8Array => {
      const buffer = Buffer.alloc(bytes.length + by + 5, 0xff);
      buffer.set(bytes, by);
      return buffer.subarray(by, by + bytes.length);
    };
    const right = await answersOf(await adopt(whole));
    for (const by of [1, 4, 8]) {
      const layer = await adopt({ rows: shifted(whole.rows, by), index: shifted(whole.index, by) });
      expect(await answersOf(layer)).toEqual(right);
    }
  });

  it("stops where the signal says so, before and during the build and the adoption", async () => {
    const sections = await sectionsOf(rows);
    const builder = new VectorSectionBuilder({ settings, fileId: 7 });
    await expect(builder.finish({ signal: AbortSignal.abort("enough") })).rejects.toBe("enough");
    const stop = new AbortController();
    const build = async (): Promise<void> => stop.abort("now");
    await expect(builder.finish({ signal: stop.signal, build })).rejects.toBe("now");
    await expect(adopt(sections, { signal: AbortSignal.abort("enough") })).rejects.toBe("enough");
    const later = new AbortController();
    const work = adopt(sections, { signal: later.signal });
    later.abort("later");
    await expect(work).rejects.toBe("later");
  });
});

describe("merged sections", () => {
  it("S4: hold the same whether the merged layers are given, some of them, or none", async () => {
    const random = seededRandom(8);
    const exactBelow = 20;
    const vectors = clustered(400, 4, 9);
    const versions = Array.from({ length: 400 }, (_, place): VectorRow => {
      const id = `id ${Math.floor(random() * 150)}`;
      return row(id, place + 1, random() < 0.2 ? undefined : [...vectors[place]!], random() < 0.1 ? 50 : 0);
    });
    const inputs: SegmentVectorLayer[] = [];
    for (let from = 300; from >= 0; from -= 100) {
      const sections = await sectionsOf(inOrder(versions.slice(from, from + 100)), exactBelow);
      inputs.push(await adopt(sections, { exactBelow }));
    }
    const living = inOrder(versions.filter(() => random() < 0.8));
    const layers: SegmentVectorLayer[] = [];
    for (const given of [[], inputs, inputs.slice(1, 3)]) {
      const builder = new VectorSectionBuilder({ settings, fileId: 7, exactBelow, inputs: given });
      for (const one of living) builder.add(one);
      expect(builder.rows).toBe(living.length);
      layers.push(await adopt(await builder.finish(), { exactBelow }));
    }
    const [plain, ...others] = layers;
    let found = 0;
    expect([...plain!.versions()]).toEqual(living.map(({ id, sequence }) => [id, sequence]));
    for (const layer of others) {
      expect([layer.rows, [...layer.versions()]]).toEqual([plain!.rows, [...plain!.versions()]]);
      expect(layer.index.verify().unreachable).toHaveLength(0);
      for (let turn = 0; turn < 100; turn++) {
        const [query, atSequence, id] = [vectors[turn]!, Math.floor(random() * 401), `id ${turn}`];
        expect(layer.embeddingOf(id, atSequence)).toEqual(plain!.embeddingOf(id, atSequence));
        // Of the hundred and more that are visible some ten: these are compared one by one, and so the answer is exact.
        const few = new SearchFilters().of((_, one) => one.endsWith(`${turn % 10}`) && one.length > 4);
        const options = { k: 5, ef: 64, atSequence, nowMs: turn, filter: few };
        const answer = await layer.search(query, options);
        expect(answer).toEqual(await plain!.search(query, options));
        expect(answer.exact).toBe(true);
        found += answer.hits.length;
      }
    }
    expect(found).toBeGreaterThan(300);
  });

  it("S4: 200 generations with 1 % deleted find as much as a fresh build, and reach all that lives", async () => {
    const [size, turns, change] = [3_000, 200, 30];
    const dimension = 12;
    const live = new LayeredRows({ dimension, metric: "l2" }, 500);
    const vectors = clustered(size + turns * change + 60, dimension, 2, 40);
    let next = 0;
    const present: string[] = [];
    const put = (): void => {
      present.push(`id ${(next * 7_919) % 100_003}`);
      live.write(present.at(-1)!, vectors[next++]);
    };
    for (let place = 0; place < size; place++) put();
    await live.flush();
    const random = seededRandom(4);
    for (let turn = 0; turn < turns; turn++) {
      for (let place = 0; place < change; place++) {
        const at = Math.floor(random() * present.length);
        live.write(present[at]!);
        present[at] = present.at(-1)!;
        present.pop();
        put();
      }
      await live.flush();
      await live.compact(0, 2);
    }
    const { index } = live.segment(0);
    expect([live.segments, index.size, index.pending, index.deleted]).toEqual([1, size, 0, 0]);
    expect(index.verify().unreachable).toHaveLength(0);
    expect(index.search(vectors[0]!, { k: 10 }).exact).toBe(false);
    const fresh = new LayeredRows({ dimension, metric: "l2" }, 500);
    for (const one of live.seen(live.sequence)) fresh.write(one.id, one.embedding);
    await fresh.flush();
    for (const ef of [10, 30]) {
      const questions = vectors.slice(-60).map((query) => ({ query, k: 10 }));
      const [merged, anew] = [await recallOf(live, questions, ef), await recallOf(fresh, questions, ef)];
      expect(merged).toBeGreaterThanOrEqual(anew - 0.01);
    }
  }, 120_000);
});
