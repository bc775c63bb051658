import { describe, expect, it } from "vitest";
import { seededRandom } from "../../base/index.ts";
import { UseLog, type Uses } from "./use-log.ts";

function listed(uses: Uses): string[] {
  return [...uses.indexes].map((index, use) => `${uses.items[index]!.id}@${uses.timesMs[use]}`);
}

describe("the log of uses", () => {
  it("S4: counts the uses of each item and keeps their order", () => {
    const log = new UseLog();
    for (const [timeMs, id] of ["a", "b", "a", "c"].entries()) log.note("notes", id, timeMs);
    log.note("other", "a", 9);
    const uses = log.taken();
    expect(listed(uses)).toEqual(["a@0", "b@1", "a@2", "c@3", "a@9"]);
    expect(uses.items.map(({ collection, id, uses }) => `${collection}/${id} ${uses}`)).toEqual([
      "notes/a 2",
      "notes/b 1",
      "notes/c 1",
      "other/a 1",
    ]);
    expect(uses.has("other", "a")).toBe(true);
    expect(uses.has("other", "b")).toBe(false);
  });

  it("S4: forgets the oldest beyond its limit, and their names with them", () => {
    const log = new UseLog(3);
    for (let use = 0; use < 5_000; use++) log.note("notes", `n${use}`, use);
    expect([log.size, log.items]).toEqual([3, 3]);
    expect(listed(log.taken())).toEqual(["n4997@4997", "n4998@4998", "n4999@4999"]);
    expect(log.isUsed("notes", "n4996")).toBe(false);
    expect(log.isUsed("notes", "n4997")).toBe(true);
  });

  it("S4: keeps what was noted after it was taken", () => {
    const log = new UseLog();
    log.note("notes", "a", 1);
    const uses = log.taken();
    log.note("notes", "b", 2);
    log.note("notes", "a", 3);
    log.forget(uses);
    expect(listed(log.taken())).toEqual(["b@2", "a@3"]);
    log.forget(uses);
    expect(log.size).toBe(2);
  });

  it("S4: forgets the uses of some collections alone", () => {
    const log = new UseLog();
    log.note("notes", "a", 1);
    log.note("other", "b", 2);
    const uses = log.taken();
    log.note("notes", "c", 3);
    log.forget(uses, ["notes"]);
    expect(listed(log.taken())).toEqual(["b@2", "c@3"]);
  });

  it("S4: counts uses for κ once, whichever way κ learned of them, and keeps them for the edges", () => {
    const log = new UseLog();
    for (const id of ["a", "b", "a"]) log.note("notes", id, 1);
    log.note("other", "a", 1);
    const taken = log.taken();
    log.note("notes", "a", 2);
    log.kappaLearned(taken, [taken.items[0]!]);
    const counts = (): unknown[] => log.taken().items.map(({ collection, id, uses }) => [collection, id, uses]);
    expect(counts()).toEqual([
      ["notes", "a", 1],
      ["notes", "b", 1],
      ["other", "a", 1],
    ]);
    expect(log.size).toBe(5);
    // Also where the ring is written anew, and where it grows.
    log.forget(taken, ["other"]);
    for (let use = 0; use < 2_000; use++) log.note("notes", "c", 3);
    expect(counts()).toEqual([
      ["notes", "a", 1],
      ["notes", "b", 1],
      ["notes", "c", 2_000],
    ]);
    log.kappaLearned(taken, [{ collection: "gone", id: "a", uses: 1 }]);
    expect(log.isUsed("notes", "a")).toBe(true);
  });

  it("S4: says the same as a list of the last uses, whatever happens", () => {
    for (let seed = 0; seed < 6; seed++) {
      const random = seededRandom(seed);
      const limit = 1 + Math.floor(random() * 3_000);
      const log = new UseLog(limit);
      let model: string[] = [];
      for (let step = 0; step < 6_000; step++) {
        const id = `n${Math.floor(random() * 50)}`;
        log.note("notes", id, step);
        model.push(`${id}@${step}`);
        model = model.slice(-limit);
        if (random() > 0.001) continue;
        log.forget(log.taken());
        model = [];
      }
      expect(listed(log.taken()), `seed ${seed}`).toEqual(model);
      expect(log.items).toBe(new Set(model.map((use) => use.split("@")[0])).size);
    }
  });
});
