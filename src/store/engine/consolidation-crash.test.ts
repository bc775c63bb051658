/** The power goes in the middle of a consolidation, at any step of the disk. */

import { describe, expect, it } from "vitest";
import { type Random, seededRandom, VirtualClock } from "../../base/index.ts";
import { SimCrash, SimDisk } from "../../disk/index.ts";
import type { Collection, Store } from "../store.ts";
import { openStore } from "./open-store.ts";

const items = 24;

async function opened(disk: SimDisk, clock: VirtualClock): Promise<{ store: Store; notes: Collection }> {
  const store = await openStore({ disk, folder: "/store", clock, background: "slices", manual: true });
  const notes = await store.collection("notes", { vectors: { dimension: 2, metric: "cosine" } });
  return { store, notes };
}

/** All that consolidation has to do with, and all of it durable; ends with the first step that may be cut off. */
async function grown(disk: SimDisk, clock: VirtualClock): Promise<{ store: Store; notes: Collection }> {
  const { store, notes } = await opened(disk, clock);
  for (let place = 0; place < items; place++) {
    const embedding = place % 2 === 0 ? Float32Array.of(1, place / 100) : Float32Array.of(place / 100, 1);
    await notes.put(`n${place}`, { content: `content ${place}`, embedding, kappa: place % 3 === 0 ? 0.01 : 0.5 });
    if (place % 9 === 8) await store.flush();
  }
  await notes.put("short", { ttlMs: 1_000 });
  await notes.put("deleted", { content: "must not come back", edges: [{ type: "cites", target: "n1" }] });
  await notes.link("n1", { type: "cites", target: "nobody" });
  await store.flush();
  await notes.delete("deleted");
  clock.advanceSync(5_000);
  for (const id of ["n1", "n2", "n12", "n1"]) {
    notes.use([id]);
    clock.advanceSync(500);
  }
  return { store, notes };
}

const consolidation = { prune: { kappaBelow: 0.05, minimumAgeMs: 1_000 } };

/** n0, n3 … have a κ below the floor: each is there whole, or was forgotten. All others are there. */
async function check(disk: SimDisk, atMs: number): Promise<number> {
  const { store, notes } = await opened(disk, new VirtualClock({ nowMs: atMs }));
  let kept = 0;
  for (let place = 0; place < items; place++) {
    const item = await notes.get(`n${place}`);
    if (item === undefined) {
      expect(place % 3).toBe(0);
      expect(place).not.toBe(12);
      expect(await notes.neighbours(`n${place}`, { direction: "both" })).toEqual([]);
      continue;
    }
    kept++;
    expect(item.content).toBe(`content ${place}`);
    const before = Math.fround(place % 3 === 0 ? 0.01 : 0.5);
    if ([1, 2, 12].includes(place)) expect(item.kappa).toBeGreaterThanOrEqual(before);
    else expect(item.kappa).toBe(before);
  }
  expect(await notes.getMany(["short", "deleted"])).toEqual([undefined, undefined]);
  for await (const { id, metadata } of notes.scan({ prefix: "prototype/" })) {
    const members = await notes.neighbours(id, { types: ["prototype-of"] });
    // Some may have been forgotten since, with their edges.
    expect(members.length).toBeLessThanOrEqual(Number(metadata?.["members"]));
    expect(members.length).toBeGreaterThan(0);
  }
  await store.consolidate(consolidation);
  expect((await store.consolidate(consolidation)).pruned).toEqual([]);
  expect((await notes.search(Float32Array.of(1, 0), { k: 50 })).hits.length).toBeGreaterThan(kept / 2);
  await store.close();
  return kept;
}

async function cutAt(step: number, random: Random): Promise<readonly number[] | undefined> {
  const disk = new SimDisk();
  const clock = new VirtualClock();
  const { store } = await grown(disk, clock);
  disk.crashAtStep(disk.steps + step);
  const ended = await store.consolidate(consolidation).then(
    () => true,
    (error: unknown) => {
      if (!disk.hasCrashed) throw error;
      return false;
    },
  );
  await store.close().catch((error: unknown) => {
    if (!disk.hasCrashed && !(error instanceof SimCrash)) throw error;
  });
  if (ended && !disk.hasCrashed) return undefined;
  const kept: number[] = [];
  for (const { disk: survivor } of disk.survivors({ limit: 4, random }))
    kept.push(await check(survivor, clock.nowMs()));
  return kept;
}

describe("a power cut in a consolidation", () => {
  it("S4, S8: leaves every item whole or forgotten, what was deleted deleted, and a store that consolidates", async () => {
    const random = seededRandom(1);
    const seen = new Set<number>();
    let cuts = 0;
    for (let step = 1; ; step++) {
      const kept = await cutAt(step, random);
      if (kept === undefined) break;
      cuts++;
      for (const one of kept) seen.add(one);
    }
    expect(cuts).toBeGreaterThan(15);
    // Before PRUNE all, after it those that are worth it or were used.
    expect([...seen]).toEqual(expect.arrayContaining([items, items - 7]));
  }, 60_000);
});
