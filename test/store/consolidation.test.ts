/** Consolidation on a real disk, with merges in a worker thread, beside writers. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openStore } from "../../src/store/engine/open-store.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "holdfast-consolidation-"));
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe("consolidation on a real disk", () => {
  it("S4: loses nothing that is written meanwhile, and what it learned is there after a restart", async () => {
    const model = new Map<string, number>();
    let learned: { readonly id: string; readonly kappa: number };
    {
      await using store = await openStore({ folder, memtableEntries: 500 });
      const notes = await store.collection("notes", { vectors: { dimension: 2, metric: "cosine" } });
      const put = async (place: number, content: number): Promise<void> => {
        const angle = (place % 10) / 2;
        model.set(`n${place}`, content);
        const embedding = Float32Array.of(Math.cos(angle), Math.sin(angle));
        await notes.put(`n${place}`, { content, embedding }, { durability: "visible" });
      };
      for (let place = 0; place < 2_000; place++) await put(place, place);
      await notes.put("calm", { content: 1, kappa: 0.5 });
      notes.use(["calm", "n1", "n2", "calm"]);
      let isOver = false;
      const consolidating = store.consolidate().finally(() => {
        isOver = true;
      });
      let meanwhile = 0;
      for (; !isOver; meanwhile++) {
        const place = (meanwhile * 7) % 2_000;
        await put(place, 10_000 + meanwhile);
        if (place % 5 === 0) {
          model.delete(`n${place}`);
          await notes.delete(`n${place}`, { durability: "visible" });
        }
        await new Promise((resolve) => setImmediate(resolve));
      }
      const report = await consolidating;
      expect(meanwhile).toBeGreaterThan(50);
      expect(report.prototypes.length).toBeGreaterThan(5);
      const change = report.kappa.find(({ id }) => id === "calm");
      expect(change).toMatchObject({ from: 0.5, uses: 2 });
      learned = { id: "calm", kappa: change!.to };
    }
    await using store = await openStore({ folder });
    const notes = await store.collection("notes");
    const found = new Map<string, unknown>();
    for await (const { id, content } of notes.scan({ prefix: "n" })) found.set(id, content);
    expect(found).toEqual(new Map([...model].sort(([a], [b]) => (a < b ? -1 : 1))));
    expect(await notes.get("calm")).toMatchObject(learned);
    const { hits } = await notes.search(Float32Array.of(1, 0), { k: 1, filter: "prototype == true" });
    expect(hits).toHaveLength(1);
  }, 60_000);
});
