import { describe, expect, it } from "vitest";
import { VirtualClock } from "../../base/index.ts";
import { SimDisk } from "../../disk/index.ts";
import type { Collection, Store } from "../store.ts";
import { openStore } from "./open-store.ts";

const conflict = { code: "STORE_CONFLICT", retryable: true };
const edge = { type: "near", target: "b" };

async function opened(): Promise<{ store: Store; notes: Collection; clock: VirtualClock }> {
  const clock = new VirtualClock();
  const store = await openStore({ disk: new SimDisk(), folder: "/store", clock, background: "slices", manual: true });
  return { store, clock, notes: await store.collection("notes") };
}

describe("conditions of a batch", () => {
  it("S1: an edge is written only as long as nobody else has written it, from memory and from segments", async () => {
    const { store, notes } = await opened();
    const first = await notes.link("a", { ...edge, weight: 0.5 }, { ifVersion: 0 });
    await expect(notes.link("a", edge, { ifVersion: 0 })).rejects.toMatchObject(conflict);
    await store.flush();
    await expect(notes.link("a", edge, { ifVersion: first.version - 1 })).rejects.toMatchObject({
      rawMessage: `the edge near from notes/a to notes/b is of version ${first.version}, not of version ${first.version - 1}`,
    });
    const second = await notes.link("a", { ...edge, weight: 0.7 }, { ifVersion: first.version });
    await expect(notes.unlink("a", edge, { ifVersion: first.version })).rejects.toMatchObject(conflict);
    expect(await notes.neighbours("a")).toMatchObject([{ weight: Math.fround(0.7) }]);
    await notes.unlink("a", edge, { ifVersion: second.version });
    await notes.link("a", edge, { ifVersion: 0 });
    await expect(notes.link("a", edge, { ifVersion: -1 })).rejects.toMatchObject({ code: "STORE_OPTION" });
    await store.close();
  });

  it("S1: nothing is written unless what is checked is there, or is not; what has expired is not", async () => {
    const { store, notes, clock } = await opened();
    await notes.put("a", { ttlMs: 1_000 });
    const link = { op: "link", collection: "notes", id: "a", edge } as const;
    const check = (id: string, isThere: boolean) => ({ op: "check", collection: "notes", id, isThere }) as const;
    const refused = async (...checks: ReturnType<typeof check>[]): Promise<void> => {
      await expect(store.write([...checks, link])).rejects.toMatchObject(conflict);
      expect(await notes.neighbours("a")).toEqual([]);
    };
    await refused(check("a", false));
    await refused(check("a", true), check("b", true));
    clock.advanceSync(1_000);
    await refused(check("a", true));
    await store.write([check("a", false), check("b", false), link]);
    expect(await notes.neighbours("a")).toHaveLength(1);
    await notes.put("b", {});
    await store.flush();
    await store.write([check("b", true), { op: "delete", collection: "notes", id: "b" }]);
    await expect(store.write([check("b", true), link])).rejects.toMatchObject({ rawMessage: "notes/b is not there" });
    await store.close();
  });

  it("S1: they speak of what was there before the batch, and a batch of them alone is refused", async () => {
    const { store, notes } = await opened();
    const put = { op: "put", collection: "notes", id: "a" } as const;
    const check = { op: "check", collection: "notes", id: "a", isThere: true } as const;
    await expect(store.write([put, check])).rejects.toMatchObject(conflict);
    expect(await notes.get("a")).toBe(undefined);
    await expect(store.write([check])).rejects.toMatchObject({ code: "STORE_OPTION" });
    await expect(store.write([{ ...check, isThere: 1 as unknown as boolean }, put])).rejects.toMatchObject({
      code: "STORE_OPTION",
    });
    await store.close();
  });

  it("S1: an expired item is deleted where none is expected, and only then", async () => {
    const { store, notes, clock } = await opened();
    await notes.put("a", { ttlMs: 1_000, edges: [edge] });
    await expect(notes.delete("a", { ifVersion: 0 })).rejects.toMatchObject(conflict);
    clock.advanceSync(1_000);
    await notes.delete("a", { ifVersion: 0 });
    clock.jumpWall(-5_000);
    expect(await notes.get("a")).toBe(undefined);
    expect(await notes.neighbours("a")).toEqual([]);
    await store.close();
  });
});
