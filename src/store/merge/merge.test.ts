import { describe, expect, it } from "vitest";
import { hexOf, seededRandom, utf8, utf8Text } from "../../base/index.ts";
import type { CursorSource } from "../cursor.ts";
import { type Entry, isGone, latestSequence } from "../entry.ts";
import { compareKeys } from "../key.ts";
import { Memtable } from "../memtable/memtable.ts";
import { compareEntries, plainEntry, randomEntry, randomKey, tombstone, VersionModel } from "../testing/model.ts";
import { opened, written } from "../testing/segments.ts";
import { gathered } from "../testing/walk.ts";
import { compactEntries } from "./compaction.ts";
import { type LookupSource, lookUp } from "./lookup.ts";
import { Scan, scanEntries } from "./scan.ts";

type Source = CursorSource & LookupSource;

/** As a store would have it: the newest in a memtable, older runs in segments, the newest of them first. */
async function layered(
  seed: number,
  count: number,
  distinct: number,
): Promise<{ sources: Source[]; model: VersionModel }> {
  const random = seededRandom(seed);
  const model = new VersionModel();
  const sources: Source[] = [];
  let table = new Memtable();
  for (let sequence = 1; sequence <= count; sequence++) {
    const entry = randomEntry(random, randomKey(random, distinct), sequence);
    table.put(entry);
    model.put(entry);
    if (sequence % Math.ceil(count / 5) !== 0 || sequence === count) continue;
    const entries = await gathered(compactEntries([table], { snapshots: everySequence(sequence), isBottom: false }));
    sources.unshift(
      await opened(await written(entries, { fileId: sequence }), { cacheBytes: seed % 2 === 0 ? 0 : 2 ** 20 }),
    );
    table = new Memtable();
  }
  sources.unshift(table);
  return { sources, model };
}

const everySequence = (last: number): number[] => Array.from({ length: last }, (_, place) => place + 1);

describe("a merged scan", () => {
  it.each([1, 2, 3, 4])(
    "S1: shows what the list of all versions shows, at any sequence number (seed %i)",
    async (seed) => {
      const count = 500;
      const { sources, model } = await layered(seed, count, seed * 60);
      expect(sources).toHaveLength(5);
      const random = seededRandom(seed + 50);
      const pick = (): Uint8Array | undefined => (random() < 0.6 ? randomKey(random, seed * 60) : undefined);
      for (let turn = 0; turn < 80; turn++) {
        const range = { from: pick(), to: pick(), prefix: pick()?.subarray(0, 3), reverse: random() < 0.5 };
        const at = { atSequence: 1 + Math.floor(random() * count), nowMs: Math.floor(random() * 1_000) };
        const limit = random() < 0.3 ? Math.floor(random() * 20) : undefined;
        const batchLimit = 1 + Math.floor(random() * 30);
        const seen = await gathered(scanEntries(sources, { ...range, ...at, limit, batchLimit }));
        expect(seen).toEqual(model.scan(range, at).slice(0, limit));
      }
      for (let turn = 0; turn < 300; turn++) {
        const key = randomKey(random, seed * 60 + 20);
        const atSequence = Math.floor(random() * (count + 1));
        expect(await lookUp(sources, key, atSequence)).toEqual(model.get(key, atSequence));
      }
    },
  );

  it("S1: of 300 sources is in order", async () => {
    const tables = Array.from({ length: 300 }, () => new Memtable());
    const random = seededRandom(8);
    const model = new VersionModel();
    for (let sequence = 1; sequence <= 1_500; sequence++) {
      const entry = plainEntry(utf8(String(Math.floor(random() * 900))), sequence);
      tables[Math.floor(random() * tables.length)].put(entry);
      model.put(entry);
    }
    for (const reverse of [false, true])
      expect(await gathered(scanEntries(tables, { reverse }))).toEqual(model.scan({ reverse }));
  });

  it("S1: is synchronous while everything is in memory", () => {
    const table = new Memtable();
    for (let sequence = 1; sequence <= 600; sequence++) table.put(plainEntry(utf8(String(sequence)), sequence));
    using scan = new Scan([table.cursor()], {});
    const counts: number[] = [];
    for (;;) {
      const batch = scan.nextBatch();
      if (batch instanceof Promise) throw new Error("a promise for what is in memory");
      if (batch.length === 0) break;
      counts.push(batch.length);
    }
    expect(counts).toEqual([256, 256, 88]);
  });

  it("S1: of nothing, or of an empty range, is empty", async () => {
    expect(await gathered(scanEntries([]))).toEqual([]);
    expect(await gathered(scanEntries([new Memtable()]))).toEqual([]);
    const table = new Memtable();
    table.put(plainEntry(utf8("m"), 1));
    for (const reverse of [false, true]) {
      expect(await gathered(scanEntries([table], { from: utf8("n"), to: utf8("a"), reverse }))).toEqual([]);
      expect(await gathered(scanEntries([table], { from: utf8("m"), to: utf8("m"), reverse }))).toEqual([]);
      expect(await gathered(scanEntries([table], { prefix: Uint8Array.of(0xff, 0xff), reverse }))).toEqual([]);
    }
    const segment = await opened(await written([plainEntry(utf8("m"), 1)]));
    for (const reverse of [false, true])
      expect(await gathered(segment.scan({ from: utf8("n"), to: utf8("a"), reverse }))).toEqual([]);
  });

  it("S1: lets others run, though everything is in memory; so does a compaction", async () => {
    const table = new Memtable();
    for (let sequence = 1; sequence <= 20_000; sequence++) table.put(plainEntry(utf8(String(sequence)), sequence));
    for (const walk of [scanEntries([table]), compactEntries([table], { snapshots: [], isBottom: true })]) {
      let turns = 0;
      let isOver = false;
      const count = (): void => {
        turns++;
        if (!isOver) setImmediate(count);
      };
      setImmediate(count);
      for await (const _ of walk);
      isOver = true;
      expect(turns).toBeGreaterThan(3);
    }
  });

  it("S8: of sources that fail at once and later fails once, and leaves no failure unheard", async () => {
    const failing = (advance: () => void | Promise<void>): CursorSource => ({
      cursor: () => ({ ...new Memtable().cursor(), entry: () => plainEntry(utf8("a"), 1), advance, close: () => {} }),
    });
    const later = failing(async () => {
      await new Promise((resolve) => setImmediate(resolve));
      throw new Error("later");
    });
    const atOnce = failing(() => {
      throw new Error("at once");
    });
    await expect(gathered(scanEntries([later, atOnce, later]))).rejects.toThrow("at once");
    await new Promise((resolve) => setTimeout(resolve, 20));
  });

  it("S1: a prefix of the highest bytes ends with the keys", async () => {
    const table = new Memtable();
    const keys = [[0xfe], [0xff], [0xff, 0x01], [0xff, 0xff], [0xff, 0xff, 0x00]];
    for (const [place, key] of keys.entries()) table.put(plainEntry(Uint8Array.from(key), place + 1));
    const seen = await gathered(scanEntries([table], { prefix: Uint8Array.of(0xff) }));
    expect(seen.map(({ key }) => [...key])).toEqual(keys.slice(1));
  });
});

describe("a compaction", () => {
  it.each([1, 2, 3])("S1: changes nothing for any living snapshot, nor for readers of now (seed %i)", async (seed) => {
    const { sources, model } = await layered(seed, 250, 40);
    const random = seededRandom(seed + 70);
    for (let turn = 0; turn < 6; turn++) {
      const snapshots = everySequence(250).filter(() => random() < turn * 0.015);
      const nowMs = turn % 2 === 0 ? 0 : 500;
      const isBottom = turn % 3 === 0;
      const dropped: Entry[] = [];
      const onDropped = (entry: Entry): void => void dropped.push(entry);
      const kept = await gathered(compactEntries(sources, { snapshots, isBottom, nowMs, onDropped }));
      expect(kept).toEqual(kept.toSorted(compareEntries));
      const after = new VersionModel();
      after.entries.push(...kept);
      for (const atSequence of [...snapshots, latestSequence]) {
        const at = { atSequence, nowMs: 500 };
        expect(after.scan({}, at)).toEqual(model.scan({}, at));
        // Above older runs a tombstone still hides them; at the bottom only where something is there to hide.
        if (!isBottom) for (const { key } of model.entries) expectAlike(after, model, key, atSequence, nowMs);
      }
      const keys = new Set(model.entries.map(({ key }) => hexOf(key))).size;
      expect(kept.length).toBeLessThanOrEqual(keys * (snapshots.length + 1));
      const live = new Set(kept.map(({ sequence, kind }) => `${sequence} ${kind}`));
      for (const { sequence, kind } of model.entries)
        expect(live.has(`${sequence} ${kind}`) || dropped.some((entry) => entry.sequence === sequence)).toBe(true);
    }
  });

  it("S1: at the bottom keeps a tombstone only where a snapshot still sees what it hides", async () => {
    const table = new Memtable();
    table.put(plainEntry(utf8("a"), 1));
    table.put(plainEntry(utf8("b"), 2));
    table.put(tombstone(utf8("a"), 3));
    table.put(tombstone(utf8("b"), 4));
    const kept = async (snapshots: number[], isBottom: boolean): Promise<string[]> =>
      (await gathered(compactEntries([table], { snapshots, isBottom }))).map(
        ({ key, sequence, kind }) => `${utf8Text(key)}${sequence}${kind === 3 ? "-" : ""}`,
      );
    expect(await kept([], true)).toEqual([]);
    expect(await kept([1], true)).toEqual(["a3-", "a1"]);
    expect(await kept([3], true)).toEqual(["b4-", "b2"]);
    expect(await kept([], false)).toEqual(["a3-", "b4-"]);
  });

  it("S1: what has expired hides older versions as a tombstone, with no content left", async () => {
    const table = new Memtable();
    table.put(plainEntry(utf8("a"), 1));
    table.put({ ...plainEntry(utf8("a"), 2, utf8("secret")), expiryMs: 100 });
    const [entry, ...others] = await gathered(compactEntries([table], { snapshots: [], isBottom: false, nowMs: 100 }));
    expect(others).toEqual([]);
    expect(entry).toMatchObject({ kind: 3, sequence: 2, expiryMs: 0, value: new Uint8Array(0) });
    expect(await gathered(compactEntries([table], { snapshots: [], isBottom: true, nowMs: 100 }))).toEqual([]);
    expect(await gathered(compactEntries([table], { snapshots: [], isBottom: true, nowMs: 99 }))).toHaveLength(1);
  });

  it("S1: ends with its signal", async () => {
    const table = new Memtable();
    for (let sequence = 1; sequence <= 1_000; sequence++) table.put(plainEntry(utf8(String(sequence)), sequence));
    const controller = new AbortController();
    const compacting = async (): Promise<void> => {
      for await (const _ of compactEntries([table], { snapshots: [], isBottom: true, signal: controller.signal }))
        controller.abort(new Error("enough"));
    };
    await expect(compacting()).rejects.toThrow("enough");
  });
});

function expectAlike(
  after: VersionModel,
  before: VersionModel,
  key: Uint8Array,
  atSequence: number,
  nowMs: number,
): void {
  const [now, then] = [after.get(key, atSequence), before.get(key, atSequence)];
  expect(now === undefined).toBe(then === undefined);
  if (now === undefined || then === undefined) return;
  expect(now.sequence).toBe(then.sequence);
  expect(compareKeys(now.key, then.key)).toBe(0);
  expect(isGone(now, nowMs)).toBe(isGone(then, nowMs));
}
