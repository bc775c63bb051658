import { describe, expect, it } from "vitest";
import { seededRandom, VirtualClock } from "../../base/index.ts";
import { SimDisk } from "../../disk/index.ts";
import type { Item, ItemInput } from "../item/item.ts";
import type { Collection, Store, StoreOptions } from "../store.ts";
import { openStore } from "./open-store.ts";

const folder = "/store";

function opened(disk: SimDisk, options: Partial<StoreOptions> = {}): Promise<Store> {
  return openStore({ disk, folder, background: "slices", clock: new VirtualClock(), ...options });
}

async function withNotes(options: Partial<StoreOptions> = {}, disk = new SimDisk()) {
  const store = await opened(disk, options);
  const notes = await store.collection("notes");
  return { disk, store, notes };
}

async function idsOf(items: AsyncIterable<Item>): Promise<string[]> {
  const ids: string[] = [];
  for await (const { id } of items) ids.push(id);
  return ids;
}

describe("a store", () => {
  it("S1: gives back what was put, in its form, from memory, from segments and after a restart", async () => {
    const { disk, store, notes } = await withNotes({ contentFromBytes: 64 });
    const inputs: Record<string, ItemInput> = {
      json: { content: { a: [1, null, "x"] }, metadata: { topic: "tea" }, kappa: 0.5, pinned: true },
      text: { content: "some text" },
      bytes: { content: Uint8Array.of(1, 2, 3) },
      nothing: {},
      long: { content: "x".repeat(500) },
      large: { content: new Uint8Array(300_000).fill(7) },
    };
    for (const [id, input] of Object.entries(inputs))
      expect(await notes.put(id, input)).toMatchObject({ durability: "durable", level: "normal" });
    const check = async (collection: Collection): Promise<void> => {
      for (const [id, { content = null, metadata, kappa = 0, pinned = false }] of Object.entries(inputs))
        expect(await collection.get(id)).toMatchObject({ id, content, metadata, kappa, pinned, collection: "notes" });
      expect(await collection.get("absent")).toBe(undefined);
      expect(await idsOf(collection.scan())).toEqual(Object.keys(inputs).sort());
    };
    await check(notes);
    await store.flush();
    expect(store.statistics()).toMatchObject({ memtableEntries: 0, segments: [{ entries: 6 }] });
    expect(store.statistics().contentFiles).toHaveLength(2);
    await check(notes);
    await store.close();
    const again = await opened(disk);
    await check(await again.collection("notes"));
    await again.compact();
    await check(await again.collection("notes"));
    await again.close();
    const third = await opened(disk);
    await check(await third.collection("notes"));
    await third.close();
  });

  it("S1: refuses a write whose condition does not hold, and updates what changed meanwhile once more", async () => {
    const { store, notes } = await withNotes();
    const { version } = await notes.put("a", { content: 1 }, { ifVersion: 0 });
    await expect(notes.put("a", { content: 2 }, { ifVersion: 0 })).rejects.toMatchObject({ code: "STORE_CONFLICT" });
    await expect(notes.delete("b", { ifVersion: 3 })).rejects.toMatchObject({ code: "STORE_CONFLICT" });
    await notes.put("a", { content: 3 }, { ifVersion: version });
    await Promise.all(
      Array.from({ length: 8 }, () => notes.update("a", (item) => ({ content: Number(item?.content) + 1 }))),
    );
    expect((await notes.get("a"))?.content).toBe(11);
    await store.close();
  });

  it("S1: shows a snapshot as it was, through flushes, compactions and deletions", async () => {
    const { store, notes } = await withNotes({ contentFromBytes: 32 });
    for (let place = 0; place < 20; place++)
      await notes.put(`k${place}`, { content: `before ${"x".repeat(50)} ${place}` });
    await store.flush();
    await notes.put("k3", { content: "changed" });
    const snapshot = store.snapshot();
    const then = snapshot.collection("notes");
    for (let place = 0; place < 20; place += 2) await notes.delete(`k${place}`);
    await notes.put("k3", { content: "later" });
    await notes.put("new", { content: 1 });
    await store.compact();
    await store.compactContent({ minimumGarbage: 0 });
    expect(await idsOf(then.scan())).toHaveLength(20);
    expect((await then.get("k3"))?.content).toBe("changed");
    expect((await then.get("k4"))?.content).toBe(`before ${"x".repeat(50)} 4`);
    expect(await then.get("new")).toBe(undefined);
    expect(await notes.get("k4")).toBe(undefined);
    expect(await idsOf(notes.scan())).toHaveLength(11);
    snapshot[Symbol.dispose]();
    const { freedBytes } = await store.compactContent({ minimumGarbage: 0 });
    expect(freedBytes).toBeGreaterThan(0);
    expect(await idsOf(notes.scan())).toHaveLength(11);
    await store.close();
  });

  it("S1: scans ranges, prefixes and backwards, in the order of the ids", async () => {
    const { store, notes } = await withNotes({ memtableEntries: 4 });
    const other = await store.collection("notes2");
    await other.put("x", {});
    for (const id of ["b", "a", "ab", "c", "ba", "é", "abc"]) await notes.put(id, {});
    expect(await idsOf(notes.scan())).toEqual(["a", "ab", "abc", "b", "ba", "c", "é"]);
    expect(await idsOf(notes.scan({ prefix: "ab" }))).toEqual(["ab", "abc"]);
    expect(await idsOf(notes.scan({ from: "ab", to: "c" }))).toEqual(["ab", "abc", "b", "ba"]);
    expect(await idsOf(notes.scan({ reverse: true, limit: 2 }))).toEqual(["é", "c"]);
    await store.close();
  });

  it("S1: takes a batch as a whole, and of several changes of one key the last", async () => {
    const { store, notes } = await withNotes();
    await notes.put("gone", {});
    const { version } = await store.write([
      { op: "put", collection: "notes", id: "a", content: 1, edges: [{ type: "near", target: "b" }] },
      { op: "put", collection: "notes", id: "b", content: 1 },
      { op: "put", collection: "notes", id: "b", content: 2 },
      { op: "delete", collection: "notes", id: "gone" },
      { op: "link", collection: "notes", id: "b", edge: { type: "near", target: "c", weight: 0.5 } },
    ]);
    expect(await notes.getMany(["a", "b", "gone"])).toMatchObject([{ version }, { version, content: 2 }, undefined]);
    expect(await notes.neighbours("b", { direction: "both" })).toEqual([
      { source: "b", type: "near", target: "c", weight: 0.5 },
      { source: "a", type: "near", target: "b", weight: 1 },
    ]);
    await expect(
      store.write([
        { op: "put", collection: "notes", id: "d" },
        { op: "put", collection: "notes", id: "a", ifVersion: 1 },
      ]),
    ).rejects.toMatchObject({ code: "STORE_CONFLICT" });
    expect(await notes.get("d")).toBe(undefined);
    await store.close();
  });

  it("S1: takes an item's edges with it when it goes, and leaves exactly those that a put names", async () => {
    const { disk, store, notes } = await withNotes();
    await notes.put("a", {
      edges: [
        { type: "t", target: "b" },
        { type: "t", target: "c", weight: 2 },
      ],
    });
    await notes.put("d", { edges: [{ type: "u", target: "a" }] });
    await store.flush();
    await notes.put("a", { content: "edges stay" });
    expect(await notes.neighbours("a")).toHaveLength(2);
    await notes.put("a", { edges: [{ type: "t", target: "c", weight: 3 }] });
    expect(await notes.neighbours("a")).toEqual([{ source: "a", type: "t", target: "c", weight: 3 }]);
    await store.close();
    const again = await opened(disk);
    const later = await again.collection("notes");
    expect(await later.within("d", 2)).toEqual(
      new Map([
        ["d", 0],
        ["a", 1],
        ["c", 2],
      ]),
    );
    await later.delete("a");
    await again.compact();
    expect(await later.neighbours("d")).toEqual([]);
    expect(await later.neighbours("c", { direction: "in" })).toEqual([]);
    await again.close();
  });

  it("S1: forgets an item when its time is over", async () => {
    const clock = new VirtualClock();
    const { store, notes } = await withNotes({ clock });
    await notes.put("short", { ttlMs: 1_000 });
    await notes.put("stays", {});
    clock.advanceSync(999);
    expect((await notes.get("short"))?.expiryMs).toBe(clock.nowMs() + 1);
    clock.advanceSync(1);
    expect(await notes.get("short")).toBe(undefined);
    expect(await idsOf(notes.scan())).toEqual(["stays"]);
    await notes.put("short", { content: "again" }, { ifVersion: 0 });
    await store.compact();
    expect(await idsOf(notes.scan())).toEqual(["short", "stays"]);
    await store.close();
  });

  it("S2: flushes and merges by itself, and stays what a plain map is", async () => {
    const { disk, store, notes } = await withNotes({ memtableEntries: 16, contentFromBytes: 40 });
    const model = new Map<string, string>();
    const random = seededRandom(3);
    for (let turn = 0; turn < 2_000; turn++) {
      const id = `k${Math.floor(random() * 100)}`;
      if (random() < 0.2) {
        model.delete(id);
        await notes.delete(id, {});
      } else {
        const content = `${turn} ${"y".repeat(Math.floor(random() * 60))}`;
        model.set(id, content);
        await notes.put(id, { content });
      }
    }
    const check = async (collection: Collection): Promise<void> => {
      const seen = new Map<string, unknown>();
      for await (const { id, content } of collection.scan()) seen.set(id, content);
      expect(seen).toEqual(new Map([...model].sort(([a], [b]) => (a < b ? -1 : 1))));
      for (const [id, content] of model) expect((await collection.get(id))?.content).toBe(content);
    };
    await check(notes);
    expect(store.statistics().segments.length).toBeLessThan(12);
    await store.maintain();
    await check(notes);
    await store.compact();
    await store.compactContent({ minimumGarbage: 0 });
    await check(notes);
    await store.close();
    const again = await opened(disk);
    await check(await again.collection("notes"));
    await again.close();
  });

  it("S11: is owned by one at a time, and a closed one answers nothing", async () => {
    const { disk, store, notes } = await withNotes();
    await expect(opened(disk)).rejects.toMatchObject({ code: "STORE_LOCKED" });
    await store.close();
    await store.close();
    await expect(notes.get("a")).rejects.toMatchObject({ code: "STORE_CLOSED" });
    await expect(notes.put("a", {})).rejects.toMatchObject({ code: "STORE_CLOSED" });
    expect(() => store.snapshot()).toThrow(expect.objectContaining({ code: "STORE_CLOSED" }));
  });
});
