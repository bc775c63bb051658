/** What a store does about damage of its files, on a real disk and on a simulated one, through its public interface. */
import { mkdtemp, readdir, readFile, rm, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { VirtualClock } from "../../base/index.ts";
import { faults, SimDisk } from "../../disk/index.ts";
import type { Store, StoreEvent, StoreOptions } from "../store.ts";
import { openStore } from "./open-store.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "holdfast-damage-"));
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

const dimension = 2;

async function filled(options: Partial<StoreOptions> = {}): Promise<void> {
  await using store = await openStore({ folder, manual: true, contentFromBytes: 1_024, ...options });
  const notes = await store.collection("notes", { vectors: { dimension, metric: "l2" } });
  for (let place = 0; place < 200; place++) {
    const content = place % 20 === 0 ? `${place} `.repeat(600) : `content ${place} `.repeat(12);
    const edges = [{ type: "next", target: `n${(place + 1) % 200}` }];
    await notes.put(`n${place}`, { content, embedding: Float32Array.of(place, 0), edges }, { durability: "visible" });
  }
  await store.compact();
  for (let place = 0; place < 60; place++) {
    if (place % 3 === 0) await notes.delete(`n${place}`, { durability: "visible" });
    else await notes.put(`n${place}`, { content: "newer" }, { durability: "visible" });
  }
  await store.flush();
  await notes.put("last", { content: "in the log" });
}

async function namesOf(ending: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => name.endsWith(ending)).sort();
}

async function spoil(name: string, place: number): Promise<string> {
  const path = join(folder, name);
  const bytes = await readFile(path);
  bytes[Math.floor(place < 1 ? place * bytes.length : place)]! ^= 0xff;
  await writeFile(path, bytes);
  return path;
}

async function answers(store: Store): Promise<Map<string, unknown>> {
  const notes = await store.collection("notes");
  const found = new Map<string, unknown>();
  for (let place = 0; place < 200; place++) {
    const id = `n${place}`;
    found.set(id, await notes.get(id).then((item) => item?.content, codeOf));
  }
  return found;
}

function codeOf(error: unknown): unknown {
  const { code, details } = error as { code: string; details: { path: unknown; offset: unknown } };
  return { code, path: details.path, offset: details.offset };
}

function rightOrLost(
  found: ReadonlyMap<string, unknown>,
  right: ReadonlyMap<string, unknown>,
  code = "STORE_LOST",
): number {
  let lost = 0;
  for (const [id, content] of found) {
    if (typeof content === "object" && content !== null) {
      expect(content).toMatchObject({ code, path: expect.any(String), offset: expect.any(Number) });
      lost++;
    } else expect([id, content]).toEqual([id, right.get(id)]);
  }
  return lost;
}

async function truth(): Promise<Map<string, unknown>> {
  await using store = await openStore({ folder, readOnly: true });
  return await answers(store);
}

describe("a store with a damaged file", () => {
  it("S8: a segment's bytes damaged: the reader gets path and offset, then it is salvaged, and the loss is named", async () => {
    await filled();
    const right = await truth();
    const [oldest = ""] = await namesOf(".segment");
    const path = await spoil(oldest, 0.3);
    const events: StoreEvent[] = [];
    await using store = await openStore({ folder, manual: true, onEvent: (event) => void events.push(event) });
    const before = await answers(store);
    expect(rightOrLost(before, right, "STORE_SEGMENT_CORRUPT")).toBeGreaterThan(0);
    expect(events.filter(({ kind }) => kind === "damage")).toMatchObject([{ path, offset: expect.any(Number) }]);
    expect(store.statistics().lost).toEqual([]);
    await store.maintain();
    expect(await namesOf(".segment")).not.toContain(oldest);
    const after = await answers(store);
    const lost = rightOrLost(after, right);
    expect(lost).toBeGreaterThan(0);
    expect(lost).toBeLessThan(60);
    expect(store.statistics().lost).toMatchObject([{ path, offset: expect.any(Number) }]);
    const verified = await store.verify();
    expect(verified.findings.map(({ severity }) => severity)).toEqual(["known"]);
    const notes = await store.collection("notes");
    await expect(notes.search(Float32Array.of(3, 0))).rejects.toMatchObject({ code: "STORE_LOST" });
    const certain: string[] = [];
    for await (const { id } of notes.scan({ skipLost: true })) certain.push(id);
    for (const id of certain) expect(right.has(id) || id === "last").toBe(true);
    const [gone] = [...after].find(([, content]) => typeof content === "object" && content !== null)!;
    await notes.put(gone, { content: "written anew" });
    expect((await notes.get(gone))?.content).toBe("written anew");
  });

  it("S8: what is lost stays lost through merges and openings, until it is accepted", async () => {
    await filled();
    const right = await truth();
    const [, newest = ""] = await namesOf(".segment");
    await spoil(newest, 100);
    {
      await using store = await openStore({ folder, manual: true });
      await store.compact();
      for (let place = 0; place < 60; place++) await (await store.collection("notes")).put(`m${place}`, {});
      await store.compact();
      // What came after it is merged with it; what is older keeps what it has under the lost keys.
      expect(await namesOf(".segment")).toHaveLength(2);
      expect(rightOrLost(await answers(store), right)).toBeGreaterThan(0);
    }
    await using store = await openStore({ folder, manual: true });
    const lost = rightOrLost(await answers(store), right);
    expect(lost).toBeGreaterThan(0);
    const accepted = await store.acceptLoss();
    expect(accepted.length).toBeGreaterThan(0);
    expect(store.statistics().lost).toEqual([]);
    const shown = await answers(store);
    for (let place = 60; place < 200; place++) expect(shown.get(`n${place}`)).toBe(right.get(`n${place}`));
    await store.compact();
    expect(await namesOf(".segment")).toHaveLength(1);
    expect(await answers(store)).toEqual(shown);
    expect((await store.verify()).isSound).toBe(true);
    expect((await store.collection("notes").then((notes) => notes.search(Float32Array.of(150, 0)))).hits[0]?.id).toBe(
      "n150",
    );
  });

  it.each([
    ["the end of a segment", async () => await spoil((await namesOf(".segment"))[0]!, 0.9999)],
    ["the sections that follow from the entries", async () => await spoil((await namesOf(".segment"))[0]!, 0.85)],
  ])("S8: %s damaged takes nothing with it: it is made anew", async (_, damage) => {
    await filled();
    const right = await truth();
    await damage();
    const store = await openStore({ folder });
    const notes = await store.collection("notes");
    await notes.search(Float32Array.of(100, 0)).catch(() => undefined);
    await notes.neighbours("n100").catch(() => undefined);
    await store.maintain();
    expect(rightOrLost(await answers(store), right)).toBe(0);
    expect((await notes.search(Float32Array.of(100, 0), { k: 1 })).hits).toMatchObject([{ id: "n100" }]);
    expect(await notes.neighbours("n100")).toMatchObject([{ target: "n101" }]);
    expect((await store.verify()).isSound).toBe(true);
    await store.close();
  });

  it("S8: a segment that is gone: what no other file has is lost and named, and the rest answers", async () => {
    await filled();
    const right = await truth();
    const [oldest = ""] = await namesOf(".segment");
    await unlink(join(folder, oldest));
    {
      await using reading = await openStore({ folder, readOnly: true });
      expect(rightOrLost(await answers(reading), right)).toBe(140);
      expect(reading.statistics().lost).toMatchObject([{ path: join(folder, oldest), offset: 0 }]);
    }
    await using store = await openStore({ folder, manual: true });
    await store.compact();
    expect(rightOrLost(await answers(store), right)).toBe(140);
    await store.acceptLoss();
    const notes = await store.collection("notes");
    expect([await notes.get("n100"), (await notes.get("n1"))?.content]).toEqual([undefined, "newer"]);
  });

  it("S8: a content's bytes damaged: that item alone is lost, and contents are compacted all the same", async () => {
    await filled();
    const right = await truth();
    const path = await spoil((await namesOf(".content"))[0]!, 0.5);
    await using store = await openStore({ folder, manual: true });
    const notes = await store.collection("notes");
    for (let place = 0; place < 100; place++) await notes.delete(`n${place}`, { durability: "visible" });
    await store.compact();
    await store.compactContent({ minimumGarbage: 0 });
    const found = await answers(store);
    for (let place = 0; place < 100; place++) right.set(`n${place}`, undefined);
    expect(rightOrLost(found, right, "STORE_CONTENT_CORRUPT")).toBeLessThanOrEqual(1);
    expect(await namesOf(".content")).not.toContain(path.split("/").at(-1));
  });

  it("S8: an entry of the log damaged: refused with path and offset; salvage opens, and names the loss", async () => {
    await filled();
    const right = await truth();
    const name = (await readdir(join(folder, "log")))
      .filter((one) => one.endsWith(".wal"))
      .sort()
      .at(-1)!;
    const at = (await readFile(join(folder, "log", name))).indexOf("in the log");
    const path = await spoil(join("log", name), at);
    for (const readOnly of [false, true])
      await expect(openStore({ folder, readOnly })).rejects.toMatchObject({
        code: "WAL_CORRUPT",
        details: { path, offset: expect.any(Number) },
      });
    const events: StoreEvent[] = [];
    const onEvent = (event: StoreEvent): void => void events.push(event);
    await using store = await openStore({ folder, manual: true, recovery: "salvage", onEvent });
    expect(events).toMatchObject([{ kind: "damage", path, offset: expect.any(Number) }]);
    expect(store.statistics().lost).toMatchObject([{ path, offset: expect.any(Number) }]);
    expect(rightOrLost(await answers(store), right)).toBe(0);
    expect(await (await store.collection("notes")).get("last")).toBeUndefined();
  });

  it("S8: what the log still holds of a segment comes back: nothing is lost", async () => {
    await using store = await openStore({ folder, manual: true, memtableEntries: 20, background: "slices" });
    const notes = await store.collection("notes");
    // All of it is in one file of the log, which stays as long as the last is not flushed.
    for (let place = 0; place < 50; place++)
      await notes.put(
        `n${place}`,
        { content: `content ${place}` },
        { durability: place === 49 ? "durable" : "visible" },
      );
    while (store.statistics().segments.length < 2) await new Promise((resolve) => void setImmediate(resolve));
    const id = Math.min(...store.statistics().segments.map((segment) => segment.id));
    await spoil(`${String(id).padStart(10, "0")}.segment`, 100);
    await expect(notes.get("n0")).rejects.toMatchObject({ code: "STORE_SEGMENT_CORRUPT" });
    await store.compact();
    for (let place = 0; place < 50; place++) expect((await notes.get(`n${place}`))?.content).toBe(`content ${place}`);
    expect(store.statistics().lost).toEqual([]);
  });

  it("S8: by itself, in the background, as soon as a reader comes upon it", async () => {
    await filled();
    const [oldest = ""] = await namesOf(".segment");
    await spoil(oldest, 0.3);
    await using store = await openStore({ folder });
    await answers(store);
    while (store.statistics().lost.length === 0) await new Promise((resolve) => void setTimeout(resolve, 5));
    expect((await store.verify()).findings.map(({ severity }) => severity)).toEqual(["known"]);
  });

  it("S8: a device that cannot read is no damage: nothing is written anew", async () => {
    const disk = new SimDisk();
    const sim = { folder: "/store", disk, clock: new VirtualClock(), background: "slices" } as const;
    folder = "/store";
    await filled(sim);
    const names = (await disk.list("/store")).map(({ name }) => name).filter((name) => name.endsWith(".segment"));
    const failing = disk.restarted({
      faults: [faults.failRead({ path: new RegExp(names[0]!), occurrence: 3, forever: true })],
    });
    await using store = await openStore({ ...sim, disk: failing, manual: true });
    const found = await answers(store);
    expect([...found.values()]).toContainEqual(expect.objectContaining({ code: "DISK_IO" }));
    await store.maintain();
    expect(store.statistics().lost).toEqual([]);
    expect((await failing.list("/store")).map(({ name }) => name)).toContain(names[0]);
    folder = await mkdtemp(join(tmpdir(), "holdfast-damage-"));
  });

  it("S11: a backup is not opened as a store, and has its own identity once it is restored", async () => {
    await filled();
    const target = join(folder, "backup");
    await using store = await openStore({ folder, manual: true });
    const report = await store.backup(target);
    expect(report.version).toBe(store.statistics().version);
    for (const readOnly of [false, true])
      await expect(openStore({ folder: target, readOnly })).rejects.toMatchObject({ code: "STORE_IS_BACKUP" });
    await expect(store.backup(join(folder, "log"))).rejects.toMatchObject({ code: "STORE_BACKUP_TARGET" });
  });
});
