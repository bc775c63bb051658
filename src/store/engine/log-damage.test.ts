import { describe, expect, it } from "vitest";
import { VirtualClock } from "../../base/index.ts";
import { SimDisk } from "../../disk/index.ts";
import type { Store } from "../store.ts";
import { openStore } from "./open-store.ts";

const folder = "/store";

function opened(disk: SimDisk, recovery: "strict" | "salvage" = "strict"): Promise<Store> {
  return openStore({ disk, folder, recovery, clock: new VirtualClock(), background: "slices", manual: true });
}

/** Three of its items stand in a segment, five in the log; it was not closed, and lost nothing. */
async function written(): Promise<SimDisk> {
  const disk = new SimDisk();
  const store = await opened(disk);
  const notes = await store.collection("notes");
  for (const id of ["s0", "s1", "s2"]) await notes.put(id, { content: id });
  await store.flush();
  for (const id of ["l0", "l1", "l2", "l3", "l4"]) await notes.put(id, { content: `${id} ${"x".repeat(200)}` });
  return disk.restarted();
}

/** Flips a bit in the content of this item in the log. */
async function damage(disk: SimDisk, id: string): Promise<void> {
  for (const { path, bytes } of [...disk.files()]) {
    const offset = Buffer.from(bytes).indexOf(`${id} xxx`);
    if (!path.includes("/log/") || offset < 0) continue;
    const file = await disk.open(path, "read-write");
    await file.writeAt([Uint8Array.of(bytes[offset]! ^ 1)], offset);
    await file.close();
  }
}

async function idsOf(store: Store): Promise<string[]> {
  const ids: string[] = [];
  for await (const { id } of (await store.collection("notes")).scan()) ids.push(id);
  return ids;
}

describe("a store with a damaged log entry", () => {
  it("S8: is not opened, and says where the damage is; salvaged it has all that can be read", async () => {
    const disk = await written();
    await damage(disk, "l1");
    const corrupt = { code: "WAL_CORRUPT", details: { path: expect.stringContaining("/store/log/") } };
    await expect(opened(disk)).rejects.toMatchObject(corrupt);
    // Refusing changed nothing.
    await expect(opened(disk)).rejects.toMatchObject(corrupt);
    const salvaged = await opened(disk, "salvage");
    const ids = await idsOf(salvaged);
    expect(ids).toEqual(expect.arrayContaining(["s0", "s1", "s2", "l0", "l2", "l3", "l4"]));
    expect(ids).not.toContain("l1");
    await (await salvaged.collection("notes")).put("later", {});
    await salvaged.close();
    // What was accepted once stays accepted.
    const again = await opened(disk);
    expect(await idsOf(again)).toEqual([...ids, "later"].sort());
    await again.close();
  });

  it("S8: takes a damaged last entry for a write that was cut off: nothing after it tells otherwise", async () => {
    const disk = await written();
    await damage(disk, "l4");
    const store = await opened(disk);
    expect(await idsOf(store)).toEqual(["l0", "l1", "l2", "l3", "s0", "s1", "s2"]);
    expect(await (await store.collection("notes")).put("l4", {})).toMatchObject({ durability: "durable" });
    await store.close();
  });
});
