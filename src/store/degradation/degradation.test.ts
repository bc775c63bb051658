import { describe, expect, it } from "vitest";
import { VirtualClock } from "../../base/index.ts";
import { SimCrash, type SimDisk } from "../../disk/index.ts";
import { openStore } from "../engine/open-store.ts";
import type { Collection, Store, StoreEvent, StoreOptions } from "../store.ts";
import { SwitchedDisk, type Trouble } from "../testing/switched-disk.ts";
import { storeCheck } from "./store-check.ts";

const folder = "/store";
const logSyncFails: Trouble = { what: "syncing", code: "EIO", path: /\/log\// };
const deviceFails: readonly Trouble[] = (["writing", "syncing", "reading"] as const).map((what) => ({
  ...{ what, code: "EIO" },
}));
const diskFull: readonly Trouble[] = [{ what: "writing", code: "ENOSPC" }];

async function opened(options: Partial<StoreOptions> = {}, disk = new SwitchedDisk()) {
  const clock = new VirtualClock();
  const events: StoreEvent[] = [];
  const onEvent = (event: StoreEvent): void => void events.push(event);
  const store = await openStore({ disk, folder, clock, background: "slices", manual: true, onEvent, ...options });
  const notes = await store.collection("notes");
  const levels = (): string[] => events.flatMap((event) => (event.kind === "level" ? [event.level] : []));
  const failures = (): string[] => events.flatMap((event) => (event.kind === "failed" ? [event.what] : []));
  /** And what begins then has come to its end. */
  const pass = async (ms: number): Promise<void> => {
    await clock.advance(ms);
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
  };
  return { disk, pass, store, notes, events, levels, failures };
}

/** What is found after a power cut now of which everything that was not synced is lost. */
async function afterPowerCut(disk: SwitchedDisk): Promise<{ store: Store; notes: Collection }> {
  const survivor = disk.inner.survivor([]);
  const store = await openStore({ disk: survivor, folder, clock: new VirtualClock(), background: "slices" });
  return { store, notes: await store.collection("notes") };
}

async function contentsOf(notes: Collection): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = {};
  for await (const { id, content } of notes.scan()) found[id] = content;
  return found;
}

async function logFiles(disk: SwitchedDisk): Promise<string[]> {
  return (await disk.list(`${folder}/log`)).map(({ name }) => name).filter((name) => name.endsWith(".wal"));
}

describe("a store whose log fails", () => {
  it("S8: calls nothing durable that is not, and makes all of it durable when the disk works again", async () => {
    const { disk, pass, store, notes, levels } = await opened();
    expect(await notes.put("a", { content: 1 })).toMatchObject({ durability: "durable", level: "normal" });
    disk.troubles = [logSyncFails];
    const [first, second] = await Promise.all([
      notes.put("b", { content: 2 }),
      notes.put("c", { content: 3 }, { durability: "visible" }),
    ]);
    expect(first).toMatchObject({ durability: "queued", level: "read-only" });
    expect(second).toMatchObject({ durability: "visible" });
    // What was under way is in memory, and readers see it; what comes later waits.
    expect(await notes.get("b")).toMatchObject({ version: first.version, content: 2, level: "read-only" });
    expect(await notes.put("d", { content: 4 })).toEqual({ version: 0, durability: "queued", level: "read-only" });
    expect(await notes.delete("a")).toEqual({ version: 0, durability: "queued", level: "read-only" });
    expect(await notes.get("d")).toBe(undefined);
    expect(store.statistics()).toMatchObject({ level: "read-only", queuedWrites: 2 });
    const cut = await afterPowerCut(disk);
    expect(await contentsOf(cut.notes)).toEqual({ a: 1 });
    disk.troubles = [];
    await pass(250);
    expect(levels()).toEqual(["read-only", "normal"]);
    expect(store.statistics()).toMatchObject({ level: "normal", queuedWrites: 0 });
    const after = await notes.put("e", { content: 5 });
    expect(after).toMatchObject({ durability: "durable", level: "normal" });
    expect(after.version).toBeGreaterThan(first.version);
    const again = await afterPowerCut(disk);
    expect(await contentsOf(again.notes)).toEqual({ b: 2, c: 3, d: 4, e: 5 });
    await store.close();
  });

  it("R13: drains the queue in its order, and nobody overtakes", async () => {
    const { disk, pass, notes, store } = await opened();
    disk.troubles = [logSyncFails];
    await notes.put("k", { content: "under way" });
    for (let place = 0; place < 350; place++) await notes.put("k", { content: place });
    await notes.link("k", { type: "near", target: "j" });
    disk.troubles = [];
    const seen: unknown[] = [];
    const late: Promise<unknown>[] = [];
    store.on((event) => {
      if (event.kind === "level" && event.level === "normal") late.push(notes.put("k", { content: "late" }));
    });
    disk.beforeSync = async () => {
      seen.push((await notes.get("k"))?.content);
      await new Promise((resolve) => setImmediate(resolve));
    };
    await pass(250);
    disk.beforeSync = undefined;
    expect(await Promise.all(late)).toMatchObject([{ durability: "durable" }]);
    expect((await notes.get("k"))?.content).toBe("late");
    expect(await notes.neighbours("k")).toHaveLength(1);
    const numbers = seen.filter((one): one is number => typeof one === "number");
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
    // A hundred of them are under way together.
    expect(new Set(numbers).size).toBeLessThan(15);
    await store.close();
  });

  it("R13: refuses what depends on a version, and says when to try again", async () => {
    const { disk, pass, notes, store } = await opened();
    const { version } = await notes.put("a", { content: 1 });
    disk.troubles = [logSyncFails];
    await notes.put("b", {});
    const refusal = { code: "STORE_DEGRADED", retryable: true, details: { level: "read-only", retryAfterMs: 250 } };
    await expect(notes.put("a", {}, { ifVersion: version })).rejects.toMatchObject(refusal);
    await expect(notes.update("a", () => ({ content: 2 }))).rejects.toMatchObject(refusal);
    for (const refused of [() => store.flush(), () => store.compact(), () => store.maintain()])
      await expect(refused()).rejects.toMatchObject(refusal);
    disk.troubles = [];
    await pass(250);
    expect(await notes.update("a", () => ({ content: 2 }))).toMatchObject({ durability: "durable" });
    await store.close();
  });

  it("R13: refuses with a full queue, and drops nothing", async () => {
    const { disk, pass, notes, store } = await opened({ memtableEntries: 100_000 });
    disk.troubles = [logSyncFails];
    await notes.put("first", {});
    for (let place = 0; place < 10_000; place++) await notes.put(`k${place}`, { content: place });
    const refusal = { code: "STORE_QUEUE_FULL", retryable: true, details: { waiting: 10_000, limit: 10_000 } };
    await expect(notes.put("one more", {})).rejects.toMatchObject(refusal);
    disk.troubles = [];
    await pass(250);
    expect(store.statistics().queuedWrites).toBe(0);
    expect(Object.keys(await contentsOf(notes))).toHaveLength(10_001);
    await store.close();
  });

  it("S9: tries again after a quarter of a second, then twice as long, and after five failures once a minute", async () => {
    const { disk, pass, notes, store, failures, levels } = await opened();
    disk.troubles = diskFull;
    await notes.put("a", { content: 1 });
    const attempts = (): number => failures().filter((what) => what === "recovery").length;
    const after: number[] = [];
    for (const ms of [250, 500, 1_000, 2_000, 59_000, 1_000, 59_999]) {
      await pass(ms);
      after.push(attempts());
    }
    // The log's own failure is the first of the five.
    expect(after).toEqual([1, 2, 3, 4, 4, 5, 5]);
    disk.troubles = [];
    await pass(1);
    expect(levels()).toEqual(["read-only", "normal"]);
    expect((await contentsOf((await afterPowerCut(disk)).notes)).a).toBe(1);
    await store.close();
  });

  it("S9: one failure after good times is no fifth in a row", async () => {
    const { disk, pass, notes, store, levels } = await opened();
    for (let round = 0; round < 7; round++) {
      disk.troubles = [logSyncFails];
      await notes.put("a", { content: round });
      disk.troubles = [];
      await pass(250);
    }
    expect(levels()).toEqual(Array.from({ length: 7 }, () => ["read-only", "normal"]).flat());
    expect((await afterPowerCut(disk)).store.statistics().level).toBe("normal");
    await store.close();
  });

  it("S8: does not call a new log good before it has taken a test entry", async () => {
    const { disk, pass, notes, levels, failures, store } = await opened();
    disk.troubles = [logSyncFails];
    await notes.put("a", { content: 1 });
    await notes.put("b", { content: 2 });
    disk.troubles = [];
    let newFiles = 0;
    disk.beforeSync = async (path) => {
      if (path.includes("/log/.")) newFiles++;
      else if (path.includes("/log/") && newFiles > 0) disk.troubles = [logSyncFails];
    };
    await pass(250);
    expect(levels()).toEqual(["read-only"]);
    expect(failures()).toEqual(["log", "recovery"]);
    expect(await notes.put("c", {})).toMatchObject({ durability: "queued" });
    expect(failures()).toEqual(["log", "recovery"]);
    expect(await contentsOf((await afterPowerCut(disk)).notes)).toEqual({ a: 1 });
    disk.beforeSync = undefined;
    disk.troubles = [];
    await pass(500);
    expect(levels()).toEqual(["read-only", "normal"]);
    await store.close();
  });

  it("S8: leaves nothing behind: maintenance goes on, and of the old log nothing stays", async () => {
    const { disk, pass, notes, store } = await opened({ contentFromBytes: 32 });
    for (const id of ["a", "b"]) await notes.put(id, { content: id.repeat(50) });
    await store.flush();
    const before = await logFiles(disk);
    disk.troubles = [logSyncFails];
    await notes.delete("a");
    disk.troubles = [];
    await pass(250);
    const after = await logFiles(disk);
    expect(before.filter((name) => after.includes(name))).toEqual([]);
    await store.compact();
    expect((await store.compactContent({ minimumGarbage: 0.1 })).freedBytes).toBeGreaterThan(0);
    await store.close();
  });

  it("S8: gives no number out twice, though the log never had it on the disk", async () => {
    const first = await opened();
    await first.notes.put("a", { content: 1 });
    // A log that goes on after a crash leaps, and the leap is nowhere on the disk before the first entry is.
    for (let step = 1; ; step++) {
      const { disk, pass, notes, levels } = await opened({}, new SwitchedDisk(first.disk.inner.restarted()));
      disk.troubles = [{ what: "writing", code: "EIO", path: /\/log\// }];
      const { version } = await notes.put("b", { content: 2 });
      disk.troubles = [];
      disk.inner.crashAtStep(disk.inner.steps + step);
      await pass(250);
      if (!disk.inner.hasCrashed) {
        expect(levels()).toEqual(["read-only", "normal"]);
        break;
      }
      const cut = await afterPowerCut(disk);
      const found = await cut.notes.get("b");
      const later = await cut.notes.put("c", {});
      if (found !== undefined) expect(later.version).toBeGreaterThan(version);
      expect(await cut.notes.get("a")).toMatchObject({ content: 1 });
      await cut.store.close();
    }
  });

  it("S8: a crash at any step of recovery loses nothing that was durable, and the store can be opened", async () => {
    let steps = 0;
    for (let step = 1; ; step++) {
      const { disk, pass, notes, store } = await opened({ contentFromBytes: 32 });
      await notes.put("kept", { content: "k".repeat(50) });
      await store.flush();
      await notes.put("a", { content: 1 });
      disk.troubles = [logSyncFails];
      await notes.put("b", { content: "b".repeat(50) });
      await notes.put("c", { content: 3 });
      disk.troubles = [];
      disk.inner.crashAtStep(disk.inner.steps + step);
      await pass(250).catch((error: unknown) => expect(error).toBeInstanceOf(SimCrash));
      steps = step;
      if (!disk.inner.hasCrashed) break;
      for (const choices of [[], [1], [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]]) await expectAllThere(disk.inner, choices);
    }
    expect(steps).toBeGreaterThan(15);
  });
});

async function expectAllThere(disk: SimDisk, choices: readonly number[]): Promise<void> {
  const survivor = disk.survivor(choices);
  const store = await openStore({ disk: survivor, folder, clock: new VirtualClock(), background: "slices" });
  const notes = await store.collection("notes");
  expect(await contentsOf(notes)).toMatchObject({ kept: "k".repeat(50), a: 1 });
  expect(await notes.put("later", {})).toMatchObject({ durability: "durable" });
  await store.close();
}

describe("a store whose device fails altogether", () => {
  it("R13: answers from memory and with the items read last, and never says that something is not there", async () => {
    const { disk, pass, notes, store, levels } = await opened({ contentFromBytes: 64, cacheBytes: 0 });
    const long = (id: string): string => id.repeat(100);
    for (const id of ["read", "changed", "unread"]) await notes.put(id, { content: long(id) });
    await notes.put("inline", { content: 1 });
    await store.flush();
    await notes.get("read");
    await notes.get("changed");
    await notes.put("changed", { content: "anew" });
    await notes.put("memory", { content: 2 });
    disk.troubles = deviceFails;
    await notes.put("under way", {});
    await expect(notes.get("unread")).rejects.toMatchObject({ code: "DISK_IO" });
    expect(store.level).toBe("memory-only");
    expect(await notes.get("read")).toMatchObject({ content: long("read"), level: "memory-only" });
    expect(await notes.get("changed")).toMatchObject({ content: "anew", level: "memory-only" });
    expect(await notes.get("memory")).toMatchObject({ content: 2 });
    expect(await notes.get("under way")).toMatchObject({ level: "memory-only" });
    for (const unknown of ["unread", "inline"])
      await expect(notes.get(unknown)).rejects.toMatchObject({ code: "DISK_IO" });
    await expect(contentsOf(notes)).rejects.toMatchObject({ code: "DISK_IO" });
    expect(await notes.put("later", {})).toMatchObject({ durability: "queued", level: "memory-only" });
    // All but one segment is well.
    const oldest = store.statistics().segments.at(-1)!.id;
    disk.troubles = [{ what: "reading", code: "EIO", path: new RegExp(`\\b0*${oldest}\\.segment$`) }];
    await pass(250);
    expect(levels()).toEqual(["read-only", "memory-only"]);
    disk.troubles = [];
    await pass(500);
    expect(levels()).toEqual(["read-only", "memory-only", "read-only", "normal"]);
    expect(await notes.get("later")).toMatchObject({ level: "normal" });
    expect(Object.keys(await contentsOf((await afterPowerCut(disk)).notes))).toHaveLength(7);
    await store.close();
  });

  it("R13: what was read while the log was down can be read when the segments are, too", async () => {
    const { disk, notes, store } = await opened({ cacheBytes: 0 });
    await notes.put("a", { content: 1 });
    await notes.put("b", { content: 2, ttlMs: 1_000 });
    await store.flush();
    disk.troubles = [logSyncFails];
    await notes.put("c", {});
    await notes.getMany(["a", "b"]);
    disk.troubles = deviceFails;
    expect(await notes.get("a")).toMatchObject({ content: 1, level: "memory-only" });
    const snapshot = store.snapshot();
    await expect(snapshot.collection("notes").get("a")).rejects.toMatchObject({ code: "DISK_IO" });
    snapshot[Symbol.dispose]();
    await expect(store.close()).rejects.toMatchObject({ code: "STORE_UNSAVED" });
  });

  it("R13: a read that fails takes nothing away from a store that can write", async () => {
    const { disk, notes, store, levels } = await opened({ cacheBytes: 0 });
    await notes.put("a", { content: 1 });
    await store.flush();
    disk.troubles = [{ what: "reading", code: "EIO", path: /segment/ }];
    for (let turn = 0; turn < 10; turn++) await expect(notes.get("a")).rejects.toMatchObject({ code: "DISK_IO" });
    expect(await notes.put("a", { content: 2 })).toMatchObject({ durability: "durable", level: "normal" });
    expect(levels()).toEqual([]);
    await store.close();
  });
});

describe("a store that is closed while it is degraded", () => {
  it("S8: saves what it holds where it can, the queue included", async () => {
    const { disk, notes, store } = await opened();
    disk.troubles = [logSyncFails];
    await notes.put("a", { content: 1 });
    await notes.put("b", { content: 2 });
    disk.troubles = [];
    await store.close();
    expect(await contentsOf((await afterPowerCut(disk)).notes)).toEqual({ a: 1, b: 2 });
  });

  it("S8: says how many writes it could not save, and is closed all the same", async () => {
    const { disk, notes, store } = await opened();
    await notes.put("kept", { content: 0 });
    disk.troubles = diskFull;
    await notes.put("a", { content: 1 });
    for (const id of ["b", "c", "d"]) await notes.put(id, {});
    const lost = { code: "STORE_UNSAVED", details: { count: 4, queued: 3, unsynced: 1 } };
    await expect(store.close()).rejects.toMatchObject(lost);
    await expect(notes.get("kept")).rejects.toMatchObject({ code: "STORE_CLOSED" });
    expect(await contentsOf((await afterPowerCut(disk)).notes)).toEqual({ kept: 0 });
    const again = await openStore({ disk: disk.inner, folder, clock: new VirtualClock() });
    await again.close();
  });

  it("S8: learns at the closing that what was only visible cannot be synced, and saves it otherwise", async () => {
    const { disk, notes, store } = await opened();
    disk.troubles = [logSyncFails];
    disk.beforeSync = async () => void (disk.refused > 0 && (disk.troubles = []));
    await notes.put("a", { content: 1 }, { durability: "visible" });
    await store.close();
    expect(disk.refused).toBe(1);
    expect(await contentsOf((await afterPowerCut(disk)).notes)).toEqual({ a: 1 });
    const failing = await opened();
    failing.disk.troubles = diskFull;
    await failing.notes.put("a", { content: 1 }, { durability: "visible" });
    await expect(failing.store.close()).rejects.toMatchObject({ code: "STORE_UNSAVED", details: { unsynced: 1 } });
  });
});

describe("a store whose new log fails before all is saved", () => {
  it("S8: still knows what is in memory alone", async () => {
    const { disk, pass, notes, store } = await opened();
    disk.troubles = [logSyncFails];
    await notes.put("a", { content: 1 });
    const noSegments: Trouble = { what: "writing", code: "ENOSPC", path: /segment/ };
    disk.troubles = [noSegments];
    await pass(250);
    expect(store.statistics().version).toBeGreaterThan(store.statistics().durableVersion);
    disk.troubles = [noSegments, logSyncFails];
    await pass(500);
    disk.troubles = [noSegments];
    await pass(1_000);
    await expect(store.close()).rejects.toMatchObject({ code: "STORE_UNSAVED", details: { queued: 0, unsynced: 1 } });
  });
});

describe("a store that cannot flush", () => {
  const noSegments: readonly Trouble[] = [{ what: "writing", code: "ENOSPC", path: /segment/ }];

  it("S9: writes on while there is memory, waits then, and queues once the breaker is open", async () => {
    const { disk, pass, notes, store, levels, failures } = await opened({ memtableEntries: 10 });
    disk.troubles = noSegments;
    for (let place = 0; place < 40; place++)
      expect(await notes.put(`k${place}`, { content: place })).toMatchObject({ durability: "durable" });
    expect(store.statistics().memtableEntries).toBe(40);
    const waiting = notes.put("waits", {});
    const leaving = new AbortController();
    const left = expect(notes.put("leaves", {}, { signal: leaving.signal })).rejects.toThrow("enough");
    await pass(250 + 500);
    leaving.abort(new Error("enough"));
    await left;
    expect(levels()).toEqual([]);
    await pass(1_000 + 2_000);
    expect(await waiting).toEqual({ version: 0, durability: "queued", level: "read-only" });
    expect(failures()).toEqual(["flush", "recovery", "recovery", "recovery", "recovery"]);
    disk.troubles = [];
    await pass(60_000);
    expect(levels()).toEqual(["read-only", "normal"]);
    const found = await contentsOf((await afterPowerCut(disk)).notes);
    expect(Object.keys(found).sort()).toEqual([...Array.from({ length: 40 }, (_, k) => `k${k}`), "waits"].sort());
    expect(store.statistics().memtableEntries).toBe(1);
    await store.close();
  });

  it("S9: goes on by itself when one flush failed", async () => {
    const { disk, pass, notes, store, levels } = await opened({ memtableEntries: 10 });
    disk.troubles = noSegments;
    for (let place = 0; place < 40; place++) await notes.put(`k${place}`, {});
    const waiting = notes.put("waits", {});
    disk.troubles = [];
    await pass(250);
    expect(await waiting).toMatchObject({ durability: "durable", level: "normal" });
    expect(levels()).toEqual([]);
    expect(store.statistics().segments).toHaveLength(4);
    await store.close();
  });

  it("S9: keeps taking writes where merges fail, which are tried again with rests in between", async () => {
    const { disk, pass, notes, store, failures, levels } = await opened({ memtableEntries: 10, manual: false });
    for (let place = 0; place < 20; place++) await notes.put(`k${place}`, { content: place });
    const [oldest] = store.statistics().segments.toReversed();
    disk.troubles = [{ what: "reading", code: "EIO", path: new RegExp(`\\b0*${oldest!.id}\\.segment$`) }];
    for (let place = 0; place < 60; place++) await notes.put(`k${place}`, { content: place });
    await pass(0);
    const merges = (): number => failures().filter((what) => what === "compaction").length;
    expect(merges()).toBeGreaterThan(0);
    const before = merges();
    for (let second = 0; second < 300; second += 10) await pass(10_000);
    expect(merges() - before).toBeGreaterThan(2);
    expect(merges() - before).toBeLessThan(15);
    expect(await notes.put("a", {})).toMatchObject({ durability: "durable", level: "normal" });
    expect(levels().filter((level) => level !== "normal")).toEqual([]);
    await store.close();
  });
});

describe("the check of a store", () => {
  const signal = new AbortController().signal;

  it("R9: writes to the log and verifies one segment after the other", async () => {
    const { disk, notes, store, events } = await opened();
    const { name, check } = storeCheck(store);
    expect(name).toBe("store");
    expect(await check(signal)).toMatchObject({
      state: "healthy",
      values: { verified_segments: 0, damaged_segments: 0 },
    });
    for (const id of ["a", "b"]) {
      await notes.put(id, { content: id });
      await store.flush();
    }
    expect(await check(signal)).toMatchObject({ state: "healthy", values: { verified_segments: 1 } });
    const [path] = [...disk.inner.files()]
      .map((file) => file.path)
      .filter((one) => one.endsWith(".segment"))
      .toReversed();
    const file = await disk.inner.open(path!, "read-write");
    await file.writeAt([Uint8Array.of(255, 255, 255)], 40);
    await file.close();
    expect(await check(signal)).toMatchObject({ state: "unhealthy", values: { damaged_segments: 1 } });
    expect(events).toContainEqual(expect.objectContaining({ kind: "damage", path }));
    expect(await check(signal)).toMatchObject({ state: "unhealthy", detail: expect.stringContaining(path!) });
    await store.close();
  });

  it("R9: finds out that the log fails, and that the disk works again, before anybody writes", async () => {
    const { disk, pass, notes, store, levels } = await opened();
    await notes.put("a", {});
    disk.troubles = diskFull;
    const { check } = storeCheck(store);
    await expect(check(signal)).rejects.toMatchObject({ code: "WAL_FAILED" });
    expect(levels()).toEqual(["read-only"]);
    await pass(3_750);
    await expect(check(signal)).rejects.toMatchObject({ code: "DISK_FULL" });
    disk.troubles = [];
    expect(await check(signal)).toMatchObject({ state: "degraded" });
    await pass(0);
    expect(levels()).toEqual(["read-only", "normal"]);
    expect(await check(signal)).toMatchObject({ state: "healthy" });
    await store.close();
  });
});
