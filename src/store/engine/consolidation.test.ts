import { describe, expect, it } from "vitest";
import { seededRandom, VirtualClock } from "../../base/index.ts";
import { SimDisk } from "../../disk/index.ts";
import type { Item } from "../item/item.ts";
import type { Collection, CollectionReader, Store, StoreEvent, StoreOptions } from "../store.ts";
import { openStore } from "./open-store.ts";

interface World {
  readonly disk: SimDisk;
  readonly clock: VirtualClock;
  readonly store: Store;
  readonly notes: Collection;
}

async function opened(options: Partial<StoreOptions> = {}, disk = new SimDisk()): Promise<World> {
  const clock = new VirtualClock();
  const store = await openStore({
    ...{ disk, folder: "/store", clock, background: "slices", manual: true, contentFromBytes: 64 },
    ...options,
  });
  const notes = await store.collection("notes", { vectors: { dimension: 3, metric: "cosine" } });
  return { disk, clock, store, notes };
}

async function all(reader: CollectionReader): Promise<Item[]> {
  const items: Item[] = [];
  for await (const item of reader.scan()) items.push(item);
  return items;
}

/** What a reader sees, in a form that can be compared. */
async function image(reader: CollectionReader): Promise<unknown[]> {
  const shown: unknown[] = [];
  for (const { id, version, content, kappa, pinned, embedding, metadata } of await all(reader))
    shown.push({ id, version, content, kappa, pinned, embedding, metadata, edges: await reader.neighbours(id) });
  return shown;
}

function filesOf(disk: SimDisk): Map<string, string> {
  return new Map([...disk.files()].map(({ path, bytes }) => [path, Buffer.from(bytes).toString("base64")]));
}

const nrem = { passes: ["nrem"] } as const;
const near = (place: number): Float32Array => Float32Array.of(1, 0.01 * place, 0);

describe("consolidation of a store", () => {
  it("S4: κ rises for what was used and stays so after a restart, the version is the same, and a way leads on", async () => {
    const { disk, clock, store, notes } = await opened();
    const { version } = await notes.put("a", { content: "x".repeat(200), kappa: 0.25 });
    await notes.put("b", { content: 2 });
    await notes.put("unused", {});
    notes.use(["a"]);
    clock.advanceSync(1_000);
    notes.use(["b"]);
    const report = await store.consolidate(nrem);
    expect(report.kappa).toMatchObject([
      { id: "a", version, from: 0.25, uses: 1 },
      { id: "b", from: 0, uses: 1 },
    ]);
    expect(report.conflicts).toEqual([]);
    expect((await notes.neighbours("a")).map(({ type, target }) => [type, target])).toEqual([["used-after", "b"]]);
    expect(await notes.neighbours("b")).toEqual([]);
    const check = async (collection: Collection): Promise<void> => {
      const [a, b, unused] = await collection.getMany(["a", "b", "unused"]);
      expect(a).toMatchObject({ version, content: "x".repeat(200), kappa: report.kappa[0]!.to });
      expect(a!.kappa).toBeGreaterThan(0.25);
      expect(b).toMatchObject({ kappa: report.kappa[1]!.to });
      expect(unused).toMatchObject({ kappa: 0 });
    };
    await check(notes);
    await notes.put("c", { content: "again" });
    await store.close();
    const again = await opened({}, disk);
    expect(await again.notes.get("b")).toMatchObject({ kappa: report.kappa[1]!.to });
    expect((await again.store.consolidate(nrem)).kappa).toEqual([]);
    await again.store.close();
  });

  it("S4: writes anew only the segments that hold what was used", async () => {
    const { store, notes } = await opened();
    for (const id of ["a", "b", "c", "d"]) {
      await notes.put(id, {});
      await store.flush();
    }
    const before = store.statistics().segments.map(({ id }) => id);
    notes.use(["b"]);
    await store.consolidate(nrem);
    const after = store.statistics().segments.map(({ id }) => id);
    // The newest first: d, c, b, a.
    expect([after[0], after[1], after[3]]).toEqual([before[0], before[1], before[3]]);
    expect(after[2]).not.toBe(before[2]);
    expect(await notes.get("b")).toMatchObject({ kappa: expect.closeTo(0.085, 3) });
    notes.use(["c", "d"]);
    await store.consolidate(nrem);
    expect(store.statistics().segments.map(({ level }) => level)).toContain(1);
    expect((await all(notes)).map(({ id, kappa }) => [id, kappa > 0])).toEqual([
      ["a", false],
      ["b", true],
      ["c", true],
      ["d", true],
    ]);
    await store.close();
  });

  it("S4: says in a dry run what it would do, and changes no byte of any file", async () => {
    const { disk, clock, store, notes } = await opened();
    // In a segment of its own: the merge that raises κ would else drop it before PRUNE comes.
    await notes.put("short", { ttlMs: 500 });
    await store.flush();
    for (let place = 0; place < 12; place++)
      await notes.put(`n${place}`, { embedding: near(place), content: "y".repeat(place * 20) });
    await notes.link("n1", { type: "cites", target: "nobody" });
    await store.flush();
    await notes.put("later", { embedding: near(20) });
    notes.use(["n1", "n2", "n1"]);
    clock.advanceSync(1_000);
    const [files, seen] = [filesOf(disk), await image(notes)];
    const dry = await store.consolidate({ dryRun: true });
    expect(filesOf(disk)).toEqual(files);
    expect(await image(notes)).toEqual(seen);
    expect(dry.kappa.map(({ id }) => id)).toEqual(["n1", "n2"]);
    expect(dry.prototypes).toMatchObject([{ change: "made", members: expect.arrayContaining(["n0", "later"]) }]);
    expect(dry.pruned.map(({ reason }) => reason)).toEqual(["expired", "dangling-edge"]);
    const real = await store.consolidate();
    // What NREM wrote, REM sees: κ counts in the prototype. All else is as it was said.
    expect({ ...real, dryRun: true, durationMs: 0, prototypes: [] }).toEqual({ ...dry, durationMs: 0, prototypes: [] });
    expect(real.prototypes.map(({ id, members }) => [id, members])).toEqual(
      dry.prototypes.map(({ id, members }) => [id, members]),
    );
    expect(filesOf(disk)).not.toEqual(files);
    await store.close();
  });

  it("S4: what REM made is found by a search, and a second run changes nothing", async () => {
    const { disk, store, notes } = await opened();
    for (let place = 0; place < 6; place++) {
      await notes.put(`x${place}`, { embedding: Float32Array.of(1, 0.05 * place, 0) });
      await notes.put(`y${place}`, { embedding: Float32Array.of(0, 0.05 * place, 1) });
    }
    const { prototypes } = await store.consolidate();
    expect(prototypes.map(({ members }) => members.length)).toEqual([6, 6]);
    const isPrototype = "prototype == true";
    const [of] = prototypes.filter(({ members }) => members.includes("x0"));
    const { hits } = await notes.search(Float32Array.of(1, 0, 0), { k: 1, filter: isPrototype });
    expect(hits).toMatchObject([{ id: of!.id }]);
    expect((await notes.neighbours(of!.id)).map(({ target }) => target)).toEqual(of!.members);
    expect(await store.consolidate()).toMatchObject({ kappa: [], edges: [], prototypes: [], pruned: [] });
    await store.close();
    const again = await opened({}, disk);
    expect((await again.notes.search(Float32Array.of(0, 0, 1), { k: 1, filter: isPrototype })).hits).toHaveLength(1);
    await again.store.close();
  });

  it("S4: forgets only where it is told to, and never what is pinned; time to live is over for pinned ones too", async () => {
    const { disk, clock, store, notes } = await opened();
    for (const id of ["weak", "used", "strong", "pinned"])
      await notes.put(id, { kappa: id === "strong" ? 0.5 : 0.01, pinned: id === "pinned" });
    await notes.put("short", { pinned: true, ttlMs: 1_000, content: "z".repeat(100) });
    await notes.link("weak", { type: "cites", target: "strong" });
    clock.advanceSync(2_000);
    notes.use(["used"]);
    const { pruned: byDefault } = await store.consolidate({ passes: ["prune"] });
    expect(byDefault).toEqual([]);
    const { pruned } = await store.consolidate({ passes: ["prune"], prune: { kappaBelow: 0.1, minimumAgeMs: 1_000 } });
    expect(pruned).toMatchObject([{ reason: "forgotten", id: "weak" }]);
    expect((await all(notes)).map(({ id }) => id)).toEqual(["pinned", "strong", "used"]);
    expect(await notes.neighbours("strong", { direction: "in" })).toEqual([]);
    // Not pruned, but a merge keeps nothing of it.
    await store.compact();
    clock.jumpWall(-10_000);
    expect(await notes.get("short")).toBe(undefined);
    await store.close();
    const again = await opened({ clock }, disk);
    expect((await all(again.notes)).map(({ id }) => id)).toEqual(["pinned", "strong", "used"]);
    await again.store.close();
  });

  it("S4: a snapshot stays what it was while everything around it is consolidated", async () => {
    const { clock, store, notes } = await opened({ memtableEntries: 16 });
    for (let place = 0; place < 60; place++)
      await notes.put(`n${place}`, { embedding: near(place % 7), content: "w".repeat(place * 3), kappa: 0.01 });
    notes.use(["n1", "n2", "n3", "n1"]);
    const snapshot = store.snapshot();
    const then = snapshot.collection("notes");
    const before = await image(then);
    clock.advanceSync(10_000);
    await store.consolidate({ prune: { kappaBelow: 0.05, minimumAgeMs: 1_000 } });
    await store.compact();
    await store.compactContent({ minimumGarbage: 0 });
    expect((await all(notes)).length).toBeLessThan(60);
    expect(await image(then)).toEqual(before);
    snapshot[Symbol.dispose]();
    await store.close();
  });

  it("S4: of what others write, link and delete meanwhile nothing is lost, nothing comes back", async () => {
    let [conflicts, written, strengthened] = [0, 0, 0];
    for (let seed = 1; seed <= 6; seed++) {
      const random = seededRandom(seed);
      const { disk, clock, store, notes } = await opened({
        memtableEntries: seed % 3 === 0 ? 32 : 4_000,
        // Else a merge that comes before may learn all that there is to learn.
        consolidation: "manual",
      });
      const model = new Map<string, number>();
      const put = async (turn: number): Promise<void> => {
        const id = `k${Math.floor(random() * 80)}`;
        if (random() < 0.3) {
          model.delete(id);
          await notes.delete(id, { durability: "visible" });
        } else {
          model.set(id, turn);
          const embedding = near(Math.floor(random() * 40) * (random() < 0.5 ? 1 : 300));
          const input = { content: turn, embedding, kappa: random() < 0.3 ? 0.01 : 0.5 };
          await notes.put(id, input, { durability: "visible" });
        }
        if (random() < 0.5) notes.use([`k${Math.floor(random() * 80)}`]);
        clock.advanceSync(50);
      };
      for (let turn = 0; turn < 150; turn++) await put(turn);
      // At the steps of the disk, which are the places where consolidation waits.
      const meanwhile: Promise<void>[] = [];
      disk.beforeStep = () => {
        if (meanwhile.length < 200 && random() < 0.7)
          meanwhile.push(Promise.resolve().then(() => put(1_000 + meanwhile.length)));
      };
      const report = await store.consolidate();
      disk.beforeStep = undefined;
      await Promise.all(meanwhile);
      written += meanwhile.length;
      conflicts += report.conflicts.length;
      const check = async (collection: Collection): Promise<void> => {
        const items = (await all(collection)).filter(({ id }) => id.startsWith("k"));
        expect(new Map(items.map(({ id, content }) => [id, content]))).toEqual(
          new Map([...model].sort(([a], [b]) => (a < b ? -1 : 1))),
        );
      };
      await check(notes);
      // What was written anew meanwhile keeps its own κ, and is named: where that is all of it, no κ rises.
      const leftAlone = report.conflicts.filter(({ pass, reason }) => pass === "nrem" && reason === "changed");
      expect(report.kappa.length + leftAlone.length).toBeGreaterThan(10);
      strengthened += report.kappa.length;
      await store.close();
      const again = await opened({}, disk);
      await check(again.notes);
      const last = await again.store.consolidate({ passes: ["prune"] });
      for (const { id } of await all(again.notes))
        for (const { target } of await again.notes.neighbours(id))
          expect(await again.notes.get(target), `${id} to ${target}, ${last.pruned.length} pruned`).not.toBe(undefined);
      await again.store.close();
    }
    expect(written).toBeGreaterThan(500);
    expect(strengthened).toBeGreaterThan(20);
    expect(conflicts).toBeGreaterThan(50);
  }, 30_000);

  it("S4: runs one at a time, ends with its signal, and with the store", async () => {
    const { clock, store, notes } = await opened();
    for (let place = 0; place < 300; place++) await notes.put(`n${place}`, {}, { durability: "visible" });
    notes.use(Array.from({ length: 300 }, (_, place) => `n${place}`));
    clock.advanceSync(1);
    const first = store.consolidate();
    await expect(store.consolidate()).rejects.toMatchObject({ code: "STORE_CONSOLIDATION_RUNNING", retryable: true });
    await expect(store.consolidate({ dryRun: true })).rejects.toMatchObject({ code: "STORE_CONSOLIDATION_RUNNING" });
    await first;
    const aborted = AbortSignal.abort(new Error("no more"));
    await expect(store.consolidate({ signal: aborted })).rejects.toThrow("no more");
    await expect(store.consolidate({ collections: ["none"] })).rejects.toMatchObject({
      code: "STORE_CONSOLIDATE_OPTION",
    });
    notes.use(["n1"]);
    const last = store.consolidate();
    const closing = store.close();
    await expect(last).rejects.toMatchObject({ code: "STORE_CLOSED" });
    await closing;
    await expect(store.consolidate()).rejects.toMatchObject({ code: "STORE_CLOSED" });
    expect(() => notes.use(["n1"])).toThrow(expect.objectContaining({ code: "STORE_CLOSED" }));
  });
});

describe("what a store learns by itself", () => {
  it("S4: κ of what was used rises in merges that happen anyway, once for each use, and nothing else changes", async () => {
    const { store, notes } = await opened();
    for (const id of ["a", "b", "c"]) await notes.put(id, {});
    notes.use(["a", "b", "a"]);
    await store.flush();
    await notes.put("b", { content: "in memory" });
    expect(await notes.get("a")).toMatchObject({ kappa: 0 });
    await store.compact();
    const learned = (await notes.get("a"))!.kappa;
    expect(learned).toBeCloseTo(0.3 * (1 - Math.exp(-2 / 3)), 6);
    await store.compact();
    expect(await image(notes)).toMatchObject([
      { id: "a", kappa: learned, edges: [] },
      // It was merged as well: compaction flushes first.
      { id: "b", kappa: expect.closeTo(0.3 * (1 - Math.exp(-1 / 3)), 6), edges: [] },
      { id: "c", kappa: 0, edges: [] },
    ]);
    const report = await store.consolidate(nrem);
    expect(report.kappa).toEqual([]);
    expect(report.edges.map(({ source, target }) => [source, target])).toContainEqual(["b", "a"]);
    notes.use(["a"]);
    expect((await store.consolidate(nrem)).kappa).toMatchObject([{ id: "a", uses: 1, from: learned }]);
    await store.close();
  });

  it("S4: a consolidation waits for a merge that learns, and learns none of it again", async () => {
    const { disk, store, notes } = await opened();
    await notes.put("a", {});
    notes.use(["a", "a"]);
    await store.flush();
    const begun = new Promise<void>((resolve) => {
      disk.beforeStep = () => resolve();
    });
    const merging = store.compact();
    await begun;
    const { kappa } = await store.consolidate(nrem);
    await merging;
    expect(kappa).toEqual([]);
    expect((await notes.get("a"))!.kappa).toBeCloseTo(0.3 * (1 - Math.exp(-2 / 3)), 6);
    await store.close();
  });

  it('S4: "manual" learns nothing but in consolidate, and a schedule consolidates within maintenance', async () => {
    const manual = await opened({ consolidation: "manual" });
    await manual.notes.put("a", {});
    manual.notes.use(["a"]);
    await manual.store.compact();
    expect(await manual.notes.get("a")).toMatchObject({ kappa: 0 });
    expect((await manual.store.consolidate()).kappa).toHaveLength(1);
    await manual.store.close();

    const events: StoreEvent[] = [];
    const consolidation = { everyMs: 600_000, passes: ["prune"] } as const;
    const { clock, store, notes } = await opened({ manual: false, consolidation, onEvent: (one) => events.push(one) });
    await notes.put("short", { ttlMs: 1_000 });
    await notes.put("a", {});
    notes.use(["a"]);
    await notes.link("a", { type: "cites", target: "short" });
    const reports = () => events.flatMap((event) => (event.kind === "consolidation" ? [event.report] : []));
    for (let minute = 0; minute < 9; minute++) await clock.advance(60_000);
    expect(reports()).toEqual([]);
    await clock.advance(60_000);
    while (reports().length === 0) await new Promise((resolve) => setImmediate(resolve));
    const pruned = [
      { reason: "expired", id: "short" },
      { reason: "dangling-edge", id: "a", target: "short" },
    ];
    expect(reports()).toMatchObject([{ dryRun: false, pruned }]);
    expect(await notes.neighbours("a")).toEqual([]);
    expect(await notes.get("a")).toMatchObject({ kappa: 0 });
    expect(events.filter(({ kind }) => kind === "failed")).toEqual([]);
    await store.close();
    await expect(opened({ consolidation: { everyMs: 0 } })).rejects.toMatchObject({ code: "STORE_OPTION" });
    await expect(opened({ consolidation: { nrem: { rate: 2 } } })).rejects.toMatchObject({
      code: "STORE_CONSOLIDATE_OPTION",
    });
  });

  it("S4: maintenance writes a segment anew that mostly holds what expired an hour ago, and then no more", async () => {
    const { clock, store, notes } = await opened();
    for (let place = 0; place < 10; place++) await notes.put(`n${place}`, place < 7 ? { ttlMs: 1_000 } : {});
    await store.flush();
    const { id } = store.statistics().segments[0]!;
    clock.advanceSync(3_600_000);
    await store.maintain();
    expect(store.statistics().segments).toMatchObject([{ id, entries: 10 }]);
    clock.advanceSync(1_000);
    await store.maintain();
    const after = store.statistics().segments;
    expect(after).toMatchObject([{ entries: 3, tombstones: 0 }]);
    await store.maintain();
    expect(store.statistics().segments).toEqual(after);
    await store.close();
  });

  it("S4: reading counts as use where the collection was made so, and not in snapshots, scans or updates", async () => {
    const { store, notes } = await opened();
    const read = await store.collection("read", { uses: "reads" });
    for (const id of ["got", "many", "peeked", "scanned", "updated"]) await read.put(id, { content: "v".repeat(100) });
    await notes.put("got", {});
    await store.flush();
    await notes.get("got");
    await read.get("got");
    await read.get("absent");
    await read.getMany(["many", "absent"]);
    await read.peek("peeked");
    await all(read);
    await read.update("updated", () => ({ content: 1 }));
    using snapshot = store.snapshot();
    await snapshot.collection("read").get("scanned");
    const { kappa } = await store.consolidate({ ...nrem, dryRun: true });
    expect(kappa.map(({ collection, id, uses }) => [collection, id, uses])).toEqual([
      ["read", "got", 1],
      ["read", "many", 1],
      ["read", "peeked", 1],
    ]);
    await expect(store.collection("notes", { uses: "reads" })).rejects.toMatchObject({ code: "STORE_COLLECTION" });
    expect(() => read.use(["got", ""])).toThrow(expect.objectContaining({ code: "STORE_ID" }));
    await store.close();
  });

  it("S4: what recall brings up counts as used, unless it is told otherwise", async () => {
    const { store, notes } = await opened();
    for (let place = 0; place < 3; place++) await notes.put(`n${place}`, { embedding: near(place * 50) });
    const query = { embedding: near(0), k: 1 };
    await notes.recall({ ...query, use: false });
    expect((await store.consolidate({ ...nrem, dryRun: true })).kappa).toEqual([]);
    await notes.recall(query);
    expect((await store.consolidate({ ...nrem, dryRun: true })).kappa).toMatchObject([{ id: "n0", uses: 1 }]);
    await store.close();
  });
});
