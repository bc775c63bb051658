/** The last five of S7's fifteen: what the content log does inside of the store. */

import { describe, expect, it } from "vitest";
import { seededRandom, VirtualClock } from "../../base/index.ts";
import { SimDisk } from "../../disk/index.ts";
import type { Collection, Store, StoreEvent, StoreOptions } from "../store.ts";
import { openStore } from "./open-store.ts";

const content = (place: number, turn: number): string => `${turn}:${place}:${"z".repeat(40 + (place % 50))}`;

async function opened(
  disk: SimDisk,
  options: Partial<StoreOptions> = {},
): Promise<{ store: Store; notes: Collection }> {
  const store = await openStore({
    ...{ disk, folder: "/store", background: "slices", clock: new VirtualClock(), contentFromBytes: 32 },
    ...options,
  });
  return { store, notes: await store.collection("notes") };
}

async function fill(store: Store, items: number, turn: number): Promise<void> {
  for (let from = 0; from < items; from += 1_000) {
    const places = Array.from({ length: Math.min(1_000, items - from) }, (_, place) => from + place);
    await store.write(
      places.map((place) => ({ op: "put", collection: "notes", id: `k${place}`, content: content(place, turn) })),
    );
  }
}

const fragmentation = (store: Store): number => {
  const files = store.statistics().contentFiles;
  const sum = (of: (file: (typeof files)[number]) => number): number =>
    files.reduce((total, file) => total + of(file), 0);
  return sum(({ garbageBytes }) => garbageBytes) / sum(({ contentBytes }) => contentBytes);
};

describe("the content log in the store", () => {
  it("S7: integration 1: maintenance frees what was overwritten, by itself, and tells how far it is", async () => {
    const clock = new VirtualClock();
    const events: StoreEvent[] = [];
    const { store, notes } = await opened(new SimDisk(), { clock, onEvent: (event) => events.push(event) });
    await fill(store, 200, 1);
    await store.flush();
    await fill(store, 150, 2);
    await store.compact();
    expect(fragmentation(store)).toBeGreaterThan(0.3);
    const before = store.statistics().contentFiles.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    await clock.advance(60_000);
    while (fragmentation(store) > 0) await new Promise((resolve) => setImmediate(resolve));
    expect(store.statistics().contentFiles.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)).toBeLessThan(before);
    expect(events.filter(({ kind }) => kind === "content-compaction").length).toBeGreaterThan(0);
    for (let place = 0; place < 200; place++)
      expect((await notes.get(`k${place}`))?.content).toBe(content(place, place < 150 ? 2 : 1));
    await store.close();
  });

  it("S5: large contents that were overwritten or deleted before a flush are garbage too, and are freed", async () => {
    const disk = new SimDisk();
    const { store, notes } = await opened(disk, { manual: true });
    const large = (turn: number): Uint8Array => new Uint8Array(256 * 1024).fill(turn);
    for (let turn = 1; turn <= 4; turn++) await notes.put("a", { content: large(turn) });
    await notes.put("b", { content: large(9) });
    await notes.delete("b");
    const garbage = (of: Store): number[] => of.statistics().contentFiles.map(({ garbageBytes }) => garbageBytes);
    await store.flush();
    expect(garbage(store)).toEqual([256 * 1024, 256 * 1024, 256 * 1024, 0, 256 * 1024]);
    await store.close();
    const again = await opened(disk, { manual: true });
    expect(garbage(again.store)).toEqual([256 * 1024, 256 * 1024, 256 * 1024, 0, 256 * 1024]);
    expect((await again.store.compactContent()).freedBytes).toBeGreaterThan(4 * 256 * 1024);
    expect((await again.notes.get("a"))?.content).toEqual(large(4));
    await again.store.close();
  });

  it("S6: large contents of a write that was refused, or that a crash cut off, are known as garbage and freed", async () => {
    const disk = new SimDisk();
    const large = new Uint8Array(256 * 1024).fill(1);
    const { store, notes } = await opened(disk, { manual: true });
    await notes.put("a", { content: large });
    await expect(notes.put("a", { content: large }, { ifVersion: 99 })).rejects.toMatchObject({
      code: "STORE_CONFLICT",
    });
    expect(fragmentation(store)).toBe(0.5);
    expect((await store.compactContent()).freedBytes).toBeGreaterThan(large.length);
    await notes.put("b", { content: large });
    await store.close();
    // The power goes when the content file is there, and the commit that would name it is not.
    let found = 0;
    for (let step = 1; found === 0; step++) {
      const cut = disk.restarted();
      const writing = await opened(cut, { manual: true });
      cut.crashAtStep(cut.steps + step);
      await writing.notes.put("c", { content: large }).catch(() => undefined);
      for (const { disk: survivor } of cut.survivors({ limit: 8, random: seededRandom(step) })) {
        const again = await opened(survivor, { manual: true });
        if (again.store.statistics().contentFiles.length > 2 && (await again.notes.get("c")) === undefined) {
          found++;
          expect(fragmentation(again.store)).toBeGreaterThan(0.3);
          expect((await again.store.compactContent()).freedBytes).toBeGreaterThan(large.length);
        }
        expect((await again.notes.get("b"))?.content).toEqual(large);
        expect(fragmentation(again.store)).toBe(0);
        await again.store.close();
      }
    }
  });

  it("S7: integration 2: the call frees what is asked for, says how much, and is refused while another runs", async () => {
    const disk = new SimDisk();
    const { store, notes } = await opened(disk, { manual: true });
    await fill(store, 100, 1);
    await store.flush();
    for (let place = 0; place < 100; place += 2) await notes.delete(`k${place}`);
    await store.compact();
    const first = store.compactContent();
    await expect(store.compactContent()).rejects.toMatchObject({ code: "STORE_COMPACTION_RUNNING", retryable: true });
    // Maintenance wants what is under way already.
    await Promise.all([store.maintain(), store.maintain()]);
    expect((await first).freedBytes).toBeGreaterThan(1_000);
    expect(await store.compactContent()).toEqual({ freedBytes: 0 });
    expect([...disk.files()].filter(({ path }) => path.endsWith(".content"))).toHaveLength(1);
    const ended = AbortSignal.abort(new Error("no more"));
    await expect(store.compactContent({ minimumGarbage: 0, signal: ended })).rejects.toThrow("no more");
    expect((await notes.get("k1"))?.content).toBe(content(1, 1));
    await store.close();
  });

  it("S6, S7: integration 3: opening warns of fragmentation, and the first maintenance mends it", async () => {
    const disk = new SimDisk();
    const { store } = await opened(disk, { manual: true });
    await fill(store, 100, 1);
    await store.flush();
    await fill(store, 100, 2);
    await store.compact();
    const share = fragmentation(store);
    await store.close();
    const clock = new VirtualClock();
    const events: StoreEvent[] = [];
    const again = await opened(disk, { clock, onEvent: (event) => events.push(event) });
    expect(events).toEqual([{ kind: "fragmented", fragmentation: share }]);
    await clock.advance(60_000);
    while (again.store.statistics().contentFiles.length > 1) await new Promise((resolve) => setImmediate(resolve));
    expect(fragmentation(again.store)).toBe(0);
    expect((await again.notes.get("k7"))?.content).toBe(content(7, 2));
    await again.store.close();
  });

  it("S7: scale 1: of a hundred thousand contents every one is there after compaction", async () => {
    const { store, notes } = await opened(new SimDisk(), { manual: true });
    await fill(store, 100_000, 1);
    for (let place = 0; place < 100_000; place += 3) await notes.delete(`k${place}`, { durability: "visible" });
    await store.compact();
    const { freedBytes } = await store.compactContent({ minimumGarbage: 0.1 });
    expect(freedBytes).toBeGreaterThan(1_000_000);
    let seen = 0;
    for await (const item of notes.scan()) {
      const place = Number(item.id.slice(1));
      if (place % 3 === 0 || item.content !== content(place, 1)) throw new Error(`${item.id} is wrong`);
      seen++;
    }
    expect(seen).toBe(66_666);
    await store.close();
  }, 60_000);

  it("S7: scale 3: cycle after cycle of overwriting and compaction takes no more room", async () => {
    const { store, notes } = await opened(new SimDisk(), { manual: true });
    const sizes: number[] = [];
    for (let turn = 0; turn < 12; turn++) {
      await fill(store, 500, turn);
      await store.compact();
      await store.compactContent({ minimumGarbage: 0.01 });
      sizes.push(store.statistics().contentFiles.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0));
    }
    expect(Math.max(...sizes.slice(1))).toBeLessThan(sizes[0]! * 1.1);
    expect((await notes.get("k499"))?.content).toBe(content(499, 11));
    await store.close();
  });
});
