import { describe, expect, it } from "vitest";
import { commit } from "./commit.ts";
import { consolidate } from "./consolidate.ts";
import { pruneSettings } from "./options.ts";
import { prototypeId } from "./prototype.ts";
import { planPrune } from "./prune.ts";
import type { ConsolidateOptions, PruneOptions } from "./report.ts";
import type { Proposal } from "./target.ts";
import { FakeTarget } from "./testing/fake-target.ts";

const forgetting = { kappaBelow: 0.05, minimumAgeMs: 1_000 };
const prune = (target: FakeTarget, options: PruneOptions = {}, more: ConsolidateOptions = {}) =>
  consolidate(target, { passes: ["prune"], prune: options, ...more });

describe("PRUNE", () => {
  it("S4: takes what has expired, and no clock brings it back", async () => {
    const target = new FakeTarget();
    target.put("short", { ttlMs: 1_000, kappa: 1 });
    target.put("long", { ttlMs: 9_000 });
    target.put("pinned", { ttlMs: 1_000, pinned: true });
    const expiryMs = target.clock.nowMs() + 1_000;
    target.clock.jumpWall(1_000);
    const report = await prune(target);
    expect(report.pruned).toEqual([
      { reason: "expired", collection: "notes", id: "short", kappa: 1, version: 1, expiryMs },
    ]);
    target.clock.jumpWall(-1_000);
    expect(target.get("short")).toBeUndefined();
    expect(target.get("pinned")).toBeDefined();
  });

  it("S4: leaves what had expired and was written anew meanwhile", async () => {
    const target = new FakeTarget();
    target.put("a", { ttlMs: 1_000 });
    target.clock.jumpWall(1_000);
    target.beforeWrite = () => target.put("a", { content: "new" });
    const report = await prune(target);
    expect(report.pruned).toEqual([]);
    expect(report.conflicts).toEqual([{ pass: "prune", collection: "notes", id: "a", reason: "changed" }]);
    expect(target.get("a")?.content).toBe("new");
  });

  it("S4: forgets nothing unless it is told to", async () => {
    const target = new FakeTarget();
    target.put("a");
    target.clock.jumpWall(1e12);
    expect((await prune(target)).pruned).toEqual([]);
    expect((await prune(target, { minimumAgeMs: 0 })).pruned).toEqual([]);
  });

  it("S4: forgets what is of low κ, old, and was not used, with its edges", async () => {
    const target = new FakeTarget();
    for (const id of ["forgotten", "used", "loop"]) target.put(id);
    target.put("known", { kappa: 0.05 });
    target.put("pinned", { pinned: true });
    target.link("known", "cites", "forgotten");
    target.link("forgotten", "cites", "known");
    target.link("loop", "cites", "loop");
    target.clock.jumpWall(999);
    expect((await prune(target, forgetting)).pruned).toEqual([]);
    target.clock.jumpWall(1);
    target.put("new");
    target.uses.note("notes", "used", 0);
    const report = await prune(target, forgetting);
    expect(report.pruned).toEqual([
      { reason: "forgotten", collection: "notes", id: "forgotten", kappa: 0, version: 1, ageMs: 1_000 },
      { reason: "forgotten", collection: "notes", id: "loop", kappa: 0, version: 3, ageMs: 1_000 },
    ]);
    expect([...target.items.values()].map(({ id }) => id)).toEqual(["used", "known", "pinned", "new"]);
    expect(target.edges.size).toBe(0);
    expect(target.uses.size, "pruning alone learns nothing from uses").toBe(1);
  });

  it("S4: forgets two that have an edge between them", async () => {
    const target = new FakeTarget();
    target.put("a");
    target.put("b");
    target.link("a", "cites", "b");
    target.clock.jumpWall(1_000);
    expect((await prune(target, forgetting)).pruned.map(({ id }) => id)).toEqual(["a", "b"]);
    expect(target.edges.size).toBe(0);
  });

  it("S4: spares what is used between the plan and the write", async () => {
    const target = new FakeTarget();
    target.put("a");
    target.put("b");
    target.clock.jumpWall(1_000);
    using snapshot = target.snapshot();
    const isUsed = (collection: string, id: string): boolean => target.uses.isUsed(collection, id);
    const plan = planPrune(snapshot, "notes", pruneSettings(forgetting), { nowMs: target.clock.nowMs(), isUsed });
    const proposals: Proposal[] = [];
    for await (const proposal of plan) proposals.push(proposal);
    expect(proposals.map(({ id }) => id)).toEqual(["a", "b"]);
    target.uses.note("notes", "a", 0);
    const [written, conflicts]: [string[], unknown[]] = [[], []];
    await commit(inTurn(proposals), target, {
      onWritten: ({ id }) => written.push(id),
      onConflict: (conflict) => conflicts.push(conflict),
    });
    expect(written).toEqual(["b"]);
    expect(conflicts).toEqual([{ pass: "prune", collection: "notes", id: "a", reason: "used" }]);
    expect(target.get("a")).toBeDefined();
  });

  it("S4: spares a prototype as long as one of its members is there", async () => {
    const target = new FakeTarget();
    for (const id of ["a", "b", "c"]) target.put(id, { embedding: Float32Array.of(1, 0, 0), pinned: id === "c" });
    await consolidate(target, { passes: ["rem"] });
    target.clock.jumpWall(1_000);
    const report = await prune(target, forgetting);
    expect(report.pruned.map(({ id }) => id)).toEqual(["a", "b"]);
    expect(target.get(prototypeId("a"))).toBeDefined();
    target.change([{ op: "delete", collection: "notes", id: "c" }]);
    expect((await prune(target, forgetting)).pruned.map(({ id }) => id)).toContain(prototypeId("a"));
  });

  it("S4: takes edges away whose source or target is not there", async () => {
    const target = new FakeTarget(["notes", "people"]);
    target.put("a");
    target.put("b");
    target.put("late", { ttlMs: 1_000 });
    target.put("p", {}, "people");
    target.link("a", "cites", "b");
    target.link("a", "cites", "gone");
    target.link("a", "cites", "late");
    target.link("gone", "cites", "a");
    target.change([
      { op: "link", collection: "notes", id: "a", edge: { type: "by", target: "p", collection: "people" } },
      { op: "link", collection: "notes", id: "a", edge: { type: "by", target: "q", collection: "people" } },
      { op: "link", collection: "notes", id: "a", edge: { type: "by", target: "q", collection: "unknown" } },
    ]);
    target.clock.jumpWall(1_000);
    const report = await prune(target);
    const dangling = report.pruned.flatMap((pruned) =>
      pruned.reason === "dangling-edge"
        ? [`${pruned.id} ${pruned.targetCollection}/${pruned.target} ${pruned.missing}`]
        : [],
    );
    expect(dangling).toEqual([
      "a people/q target",
      "a unknown/q target",
      "a notes/gone target",
      "a notes/late target",
      "gone notes/a source",
    ]);
    expect(target.edges.size).toBe(2);
    expect((await prune(target)).pruned).toEqual([]);
  });

  it("S4: leaves an edge whose target came meanwhile, or that was written anew", async () => {
    const target = new FakeTarget();
    target.put("a");
    for (const id of ["x", "y", "z"]) target.link("a", "cites", id);
    target.beforeWrite = () => {
      target.beforeWrite = () => {};
      target.put("x");
      target.link("a", "cites", "y", 0.5);
    };
    const report = await prune(target);
    expect(report.conflicts).toHaveLength(2);
    expect([...target.edges.values()].map((edge) => edge.target)).toEqual(["x", "y"]);
  });

  it("S4: leaves dangling edges where it is told to", async () => {
    const target = new FakeTarget();
    target.link("a", "cites", "b");
    expect((await prune(target, { danglingEdges: false })).pruned).toEqual([]);
  });
});

async function* inTurn(proposals: readonly Proposal[]): AsyncGenerator<Proposal, void> {
  yield* proposals;
}
