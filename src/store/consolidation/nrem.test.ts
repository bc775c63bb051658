import { describe, expect, it } from "vitest";
import { kappaAfter, planNrem } from "./nrem.ts";
import { nremSettings } from "./options.ts";
import type { EdgeWeightChange, NremOptions } from "./report.ts";
import type { Proposal } from "./target.ts";
import { FakeTarget } from "./testing/fake-target.ts";

async function plan(target: FakeTarget, options: NremOptions = {}) {
  using snapshot = target.snapshot();
  const { kappa, edges } = await planNrem(snapshot, target.uses.taken(), nremSettings(options));
  const proposals: Proposal[] = [];
  for await (const proposal of edges) proposals.push(proposal);
  return { kappa, proposals, edges: proposals.map(edgeOf) };
}

function edgeOf({ says }: Proposal): EdgeWeightChange {
  if (says.kind !== "edge") throw new Error("NREM proposes edges");
  return says.edge;
}

/** Uses of these, so many milliseconds one after the other. */
function use(target: FakeTarget, ids: readonly string[], stepMs = 0): void {
  for (const [place, id] of ids.entries()) target.uses.note("notes", id, 1_000 + place * stepMs);
}

function withItems(...ids: string[]): FakeTarget {
  const target = new FakeTarget();
  for (const id of ids) target.put(id);
  return target;
}

describe("κ", () => {
  it("S4: rises by the formula", () => {
    const settings = nremSettings();
    expect(kappaAfter(0, 3, settings)).toBeCloseTo(0.1896361676, 7);
    expect(kappaAfter(0.5, 1, settings)).toBeCloseTo(0.5425203034, 7);
    expect(kappaAfter(0.5, 1_000_000, settings)).toBeCloseTo(0.65, 7);
    expect(kappaAfter(1, 50, settings)).toBe(1);
  });

  it("S4: rises for what was used and is there, from the version that was read", async () => {
    const target = withItems("a", "b");
    use(target, ["a", "gone", "a", "a"], 1e9);
    const { kappa } = await plan(target);
    const to = Math.fround(0.3 * (1 - Math.exp(-1)));
    expect(kappa).toEqual([{ collection: "notes", id: "a", version: 1, from: 0, to, uses: 3 }]);
  });

  it("S4: stays where it is for what is fully consolidated", async () => {
    const target = new FakeTarget();
    target.put("a", { kappa: 1 });
    use(target, ["a"]);
    expect((await plan(target)).kappa).toEqual([]);
  });
});

describe("spike timing", () => {
  it("S4: makes an edge from what was used first, as strong as the time between allows", async () => {
    const target = withItems("a", "b");
    use(target, ["a", "b"], 20_000);
    const { edges } = await plan(target);
    expect(edges).toHaveLength(1);
    expect(edges[0]).toMatchObject({ source: "a", type: "used-after", target: "b", from: undefined });
    expect(edges[0]!.to).toBeCloseTo(0.0367879441, 7);
  });

  it("S4: strengthens the edge in the order of use, and weakens the one against it", async () => {
    const target = withItems("a", "b");
    target.link("a", "used-after", "b", 0.5);
    target.link("b", "used-after", "a", 0.5);
    use(target, ["a", "b"], 20_000);
    const { edges } = await plan(target);
    expect(edges.map(({ source, from }) => [source, from])).toEqual([
      ["a", 0.5],
      ["b", 0.5],
    ]);
    expect(edges[0]!.to).toBeCloseTo(0.518393972, 7);
    expect(edges[1]!.to).toBeCloseTo(0.4806863293, 7);
  });

  it("S4: adds pair upon pair in the order in which they came", async () => {
    const target = withItems("a", "b");
    use(target, ["a", "b", "a"]);
    const { edges } = await plan(target);
    expect(edges.map(({ source, to }) => [source, to])).toEqual([
      ["a", Math.fround(0.0895)],
      ["b", Math.fround(0.1)],
    ]);
  });

  it("S4: makes no pair across the window, of an item with itself, or with more uses than it may", async () => {
    const target = withItems("a", "b", "c");
    use(target, ["a", "b"], 60_001);
    expect((await plan(target, { minimumWeight: 0 })).edges).toEqual([]);
    expect((await plan(target, { minimumWeight: 0, windowMs: 60_001 })).edges).toHaveLength(2);
    const alone = withItems("a");
    use(alone, ["a", "a", "a"]);
    expect((await plan(alone)).edges).toEqual([]);
    const three = withItems("a", "b", "c");
    use(three, ["a", "b", "c"]);
    const { edges } = await plan(three, { pairsPerUse: 1 });
    expect(edges.map(({ source, target }) => source + target)).toEqual(["ab", "bc"]);
  });

  it("S4: keeps weights within 0 to 1, however often", async () => {
    const target = withItems("a", "b");
    use(
      target,
      Array.from({ length: 500 }, (_, place) => (place % 2 === 0 ? "a" : "b")),
    );
    for (const { to } of (await plan(target, { weakening: 0, strengthening: 1 })).edges) expect(to).toBe(1);
    for (const { to } of (await plan(target)).edges) {
      expect(to).toBeGreaterThan(0);
      expect(to).toBeLessThan(1);
    }
  });

  it("S4: takes away an edge that has become too weak", async () => {
    const target = withItems("a", "b");
    target.link("b", "used-after", "a", 0.0105);
    use(target, ["a", "b"]);
    const { edges, proposals } = await plan(target);
    expect(edges.find(({ source }) => source === "b")?.to).toBeUndefined();
    expect(proposals.flatMap(({ changes }) => changes.map(({ op }) => op))).toContain("unlink");
  });

  it("S4: leaves edges of other types alone unless they are named, and those that weigh otherwise always", async () => {
    const target = withItems("a", "b");
    target.link("a", "cites", "b", 0.5);
    target.link("a", "costs", "b", 7);
    use(target, ["a", "b"], 20_000);
    expect((await plan(target)).edges.map(({ type }) => type)).toEqual(["used-after"]);
    const named = (await plan(target, { types: ["cites", "costs", "missing"] })).edges;
    expect(named.map(({ type }) => type)).toEqual(["used-after", "cites"]);
    expect(named[1]!.to).toBeCloseTo(0.518393972, 7);
  });

  it("S4: leads from one collection to another, and only among those that were asked for", async () => {
    const target = new FakeTarget(["notes", "people"]);
    target.put("a");
    target.put("b", {}, "people");
    target.uses.note("notes", "a", 0);
    target.uses.note("people", "b", 0);
    const { edges } = await plan(target);
    expect(edges).toMatchObject([{ collection: "notes", source: "a", targetCollection: "people", target: "b" }]);
    using snapshot = target.snapshot();
    const options = { collections: ["people"] };
    const some = await planNrem(snapshot, target.uses.taken(), nremSettings(), options);
    expect(some.kappa.map(({ id }) => id)).toEqual(["b"]);
    for await (const proposal of some.edges) expect.fail(`proposes ${proposal.id}`);
  });

  it("S4: lets others run hundreds of times while it learns a hundred thousand uses", { timeout: 60_000 }, async () => {
    const target = withItems("a");
    for (let use = 0; use < 100_000; use++) target.uses.note("notes", `n${(use * 7_919) % 60_000}`, use);
    using snapshot = target.snapshot();
    let turns = 0;
    let isDone = false;
    const turn = (): void => {
      turns++;
      if (!isDone) setImmediate(turn);
    };
    const { edges } = await planNrem(snapshot, target.uses.taken(), nremSettings());
    turn();
    for await (const proposal of edges) expect.fail(`proposes ${proposal.id}`);
    isDone = true;
    expect(turns).toBeGreaterThan(300);
  });
});
