import { describe, expect, it } from "vitest";
import { VirtualClock } from "../../base/index.ts";
import { SimDisk } from "../../disk/index.ts";
import type { StoreOptions } from "../store.ts";
import { openStore } from "./open-store.ts";
import { readItems } from "./read-items.ts";

const folder = "/store";
const clock = new VirtualClock();
const opened = (disk: SimDisk, options: Partial<StoreOptions> = {}) =>
  openStore({ disk, folder, clock, background: "slices", contentFromBytes: 64, ...options });

async function contents(disk: SimDisk, collection = "notes"): Promise<Record<string, unknown>> {
  const items = await readItems({ disk, folder, clock, collections: [collection] });
  return Object.fromEntries(items.get(collection)!.map(({ id, content }) => [id, content]));
}

describe("a store that somebody else owns", () => {
  it("S1: is read as it is, from log, segments and content files, while it is open and after it was closed", async () => {
    const disk = new SimDisk();
    expect(await contents(disk)).toEqual({});
    const store = await opened(disk);
    expect(await contents(disk)).toEqual({});
    const notes = await store.collection("notes");
    const others = await store.collection("others");
    const [long, large] = ["x".repeat(200), new Uint8Array(300_000).fill(7)];
    for (const [id, content] of [["b", long] as const, ["a", 1] as const, ["c", large] as const])
      await notes.put(id, { content });
    await others.put("z", { content: "of the others" });
    await notes.put("gone", { content: 5, ttlMs: 1_000 });
    expect(await contents(disk)).toEqual({ a: 1, b: long, c: large, gone: 5 });
    await clock.advance(2_000);
    await store.flush();
    await notes.put("a", { content: 2 });
    await notes.delete("c");
    await notes.put("d", { content: long });
    const expected = { a: 2, b: long, d: long };
    expect(await contents(disk)).toEqual(expected);
    expect(await contents(disk, "others")).toEqual({ z: "of the others" });
    await store.compact();
    expect(await contents(disk)).toEqual(expected);
    await store.close();
    expect(await contents(disk)).toEqual(expected);
  });

  it("S1: is read at one instant, whatever is flushed, merged and deleted meanwhile", async () => {
    const disk = new SimDisk();
    const store = await opened(disk);
    const notes = await store.collection("notes");
    await notes.put("left", { content: 0 });
    let isWriting = true;
    const writing = (async () => {
      for (let turn = 1; turn <= 60; turn++) {
        const content = turn;
        await store.write([
          { op: "put", collection: "notes", id: "left", content },
          { op: "put", collection: "notes", id: "right", content },
        ]);
        if (turn % 3 === 0) await store.flush();
        if (turn % 9 === 0) await store.compact();
      }
      isWriting = false;
    })();
    let last = 0;
    let reads = 0;
    while (isWriting) {
      const { left, right } = (await contents(disk)) as { left: number; right?: number };
      expect(right ?? 0).toBe(left);
      expect(left).toBeGreaterThanOrEqual(last);
      last = left;
      reads++;
    }
    await writing;
    expect(reads).toBeGreaterThan(5);
    expect(await contents(disk)).toEqual({ left: 60, right: 60 });
    await store.close();
  });

  it("W7: an open store tells what its file system puts in doubt", async () => {
    const disk = new SimDisk();
    const mount = { folder: "/", device: "tmpfs", fileSystem: "tmpfs", options: ["rw"] };
    disk.mountOf = async () => mount;
    const store = await opened(disk);
    expect(store.warnings.map(({ code }) => code)).toEqual(["WAL_VOLATILE"]);
    await store.close();
  });
});
