import { describe, expect, it } from "vitest";
import { seededRandom } from "../../base/index.ts";
import { consolidate } from "./consolidate.ts";
import { prototypeId } from "./prototype.ts";
import type { ConsolidateOptions, ConsolidationReport, RemOptions } from "./report.ts";
import { FakeTarget } from "./testing/fake-target.ts";

const rem = (target: FakeTarget, options: RemOptions = {}, more: ConsolidateOptions = {}) =>
  consolidate(target, { passes: ["rem"], rem: options, ...more });

/** On the unit circle of the first two axes. */
function at(degrees: number): Float32Array {
  const angle = (degrees * Math.PI) / 180;
  return Float32Array.of(Math.cos(angle), Math.sin(angle), 0);
}

function withAngles(angles: Readonly<Record<string, number>>): FakeTarget {
  const target = new FakeTarget();
  for (const [id, degrees] of Object.entries(angles)) target.put(id, { embedding: at(degrees) });
  return target;
}

const changes = (report: ConsolidationReport): string[] =>
  report.prototypes.map(
    ({ change, id, members }) => `${change} ${id === prototypeId(members[0] ?? "") ? "" : "?"}${members}`,
  );

describe("REM", () => {
  it("S4: gives a prototype to at least three that are similar, in the middle of them", async () => {
    const target = withAngles({ a: 0, b: 10, c: 20, d: 90, e: 95 });
    const report = await rem(target);
    expect(changes(report)).toEqual(["made a,b,c"]);
    const id = prototypeId("a");
    const made = target.get(id)!;
    expect(made.metadata).toEqual({ prototype: true, members: 3 });
    expect([...made.embedding!].map((value, place) => value - at(10)[place]!)).toEqual([
      expect.closeTo(0, 6),
      expect.closeTo(0, 6),
      0,
    ]);
    expect(target.weight(id, "prototype-of", "a")).toBeCloseTo(Math.cos(Math.PI / 18), 6);
    expect(target.weight(id, "prototype-of", "b")).toBeCloseTo(1, 6);
    expect(target.edges.size).toBe(3);
    expect(report.prototypes[0]!.cohesion).toBeCloseTo((2 * Math.cos(Math.PI / 18) + 1) / 3, 6);
  });

  it("S4: counts the consolidated for more, and is as consolidated as they are", async () => {
    const target = withAngles({ a: 0, b: 0, c: 20 });
    target.put("c", { embedding: at(20), kappa: 1 });
    await rem(target);
    const made = target.get(prototypeId("a"))!;
    // Two of weight 1 at 0°, one of weight 2 at 20°: the middle.
    expect(made.embedding![1]).toBeCloseTo(Math.sin(Math.PI / 18), 6);
    expect(made.kappa).toBe(Math.fround(1 / 3));
  });

  it("S4: does not let long embeddings pull where angles count, and lets them where lengths do", async () => {
    const input = { a: [1, 0, 0], b: [1, 0, 0], c: [8, 2, 0] } as const;
    const embeddings: Float32Array[] = [];
    for (const metric of ["cosine", "l2"] as const) {
      const target = new FakeTarget();
      target.settings.set("notes", { vectors: { dimension: 3, metric } });
      for (const [id, values] of Object.entries(input)) target.put(id, { embedding: Float32Array.from(values) });
      await rem(target);
      embeddings.push(target.get(prototypeId("a"))!.embedding!);
    }
    expect(Math.hypot(...embeddings[0]!)).toBeCloseTo(1, 6);
    expect([...embeddings[1]!]).toEqual([Math.fround(10 / 3), Math.fround(2 / 3), 0]);
  });

  it("S4: changes nothing the second time, and no prototype is a member", async () => {
    for (let seed = 0; seed < 30; seed++) {
      const random = seededRandom(seed);
      const target = new FakeTarget();
      for (let item = 0; item < 60; item++) {
        target.put(`n${item}`, { embedding: at(random() * 360), kappa: random() });
      }
      const first = await rem(target, { memberLimit: 3 + (seed % 8) });
      expect(first.prototypes.length).toBeGreaterThan(3);
      const members = first.prototypes.flatMap((prototype) => prototype.members);
      expect(new Set(members).size, "in one cluster each").toBe(members.length);
      expect(members.filter((id) => id.startsWith("prototype/"))).toEqual([]);
      const image = target.image();
      const second = await rem(target, { memberLimit: 3 + (seed % 8) });
      expect(second.prototypes, `seed ${seed}`).toEqual([]);
      expect(target.image()).toEqual(image);
    }
  });

  it("S4: comes to rest after any changes, in one run", async () => {
    for (let seed = 0; seed < 30; seed++) {
      const random = seededRandom(seed + 100);
      const target = new FakeTarget();
      const id = (): string => `n${Math.floor(random() * 40)}`;
      for (let round = 0; round < 6; round++) {
        for (let step = 0; step < 20; step++) {
          const chance = random();
          if (chance < 0.7) target.put(id(), { embedding: at(random() * 180), kappa: random() });
          else target.change([{ op: "delete", collection: "notes", id: id() }]);
        }
        const prototypes = [...target.items.values()].filter((item) => item.id.startsWith("prototype/"));
        for (const { id: prototype } of prototypes) target.link(prototype, "prototype-of", id(), random());
        await rem(target);
        const again = await rem(target);
        expect(again.prototypes, `seed ${seed}, round ${round}`).toEqual([]);
        checkPrototypes(target);
      }
    }
  });

  it("S4: finds a whole crowd, cluster by cluster", async () => {
    const target = new FakeTarget();
    for (let item = 0; item < 1_300; item++) target.put(`n${item}`, { embedding: at(0) });
    const report = await rem(target);
    expect(report.prototypes.map(({ members }) => members.length)).toEqual([256, 256, 256, 256, 256, 20]);
  });

  it("S4: updates a prototype whose members came or went, and keeps what others wrote into it", async () => {
    const target = withAngles({ a: 0, b: 5, c: 10, d: 15 });
    await rem(target);
    const id = prototypeId("a");
    const made = target.get(id)!;
    target.put(id, { embedding: made.embedding!, content: "about tea", metadata: { ...made.metadata, by: "me" } });
    target.link(id, "cites", "a");
    target.change([{ op: "delete", collection: "notes", id: "d" }]);
    target.put("e", { embedding: at(-5) });
    expect(changes(await rem(target))).toEqual(["updated a,b,c,e"]);
    expect(target.get(id)).toMatchObject({ content: "about tea", metadata: { by: "me", prototype: true, members: 4 } });
    expect(target.weight(id, "prototype-of", "d")).toBeUndefined();
    expect(target.weight(id, "cites", "a")).toBe(1);
  });

  it("S4: removes a prototype without its leader or with too few members, unless it is pinned", async () => {
    const target = withAngles({ a: 0, b: 5, c: 10, x: 90, y: 95, z: 100 });
    await rem(target);
    target.change([
      { op: "delete", collection: "notes", id: "a" },
      { op: "delete", collection: "notes", id: "y" },
    ]);
    const id = prototypeId("x");
    target.put(id, { ...withoutContent(target, id), pinned: true });
    const report = await rem(target);
    expect(report.prototypes).toMatchObject([{ change: "removed", id: prototypeId("a") }]);
    expect(target.get(prototypeId("a"))).toBeUndefined();
    expect(target.get(id)).toBeDefined();
    expect([...target.edges.values()].filter(({ source }) => source === prototypeId("a"))).toEqual([]);
  });

  it("S4: keeps the κ that a prototype has earned by itself", async () => {
    const target = withAngles({ a: 0, b: 5, c: 10 });
    await rem(target);
    const id = prototypeId("a");
    target.put(id, { ...withoutContent(target, id), kappa: 0.5 });
    expect((await rem(target)).prototypes).toEqual([]);
    expect(target.get(id)!.kappa).toBe(0.5);
  });

  it("S4: leaves alone what is somebody's own, under whatever id", async () => {
    const target = withAngles({ a: 0, b: 5, c: 10 });
    const id = prototypeId("a");
    target.put(id, { content: "mine", embedding: at(7) });
    expect((await rem(target)).prototypes).toEqual([]);
    expect(target.get(id)).toMatchObject({ content: "mine", metadata: undefined });
  });

  it("S4: makes no prototype of what was deleted meanwhile", async () => {
    const target = withAngles({ a: 0, b: 5, c: 10, x: 90, y: 95, z: 100 });
    target.beforeWrite = () => {
      target.beforeWrite = () => {};
      target.change([{ op: "delete", collection: "notes", id: "b" }]);
    };
    const report = await rem(target);
    expect(changes(report)).toEqual(["made x,y,z"]);
    expect(report.conflicts).toEqual([{ pass: "rem", collection: "notes", id: prototypeId("a"), reason: "changed" }]);
    expect(target.get(prototypeId("a"))).toBeUndefined();
  });

  it("S4: leaves a prototype alone that was written meanwhile, and its edges", async () => {
    const id = prototypeId("a");
    const writers: Readonly<Record<string, (target: FakeTarget) => unknown>> = {
      item: (target) => target.put(id, { ...withoutContent(target, id), content: "about tea" }),
      kept: (target) => target.link(id, "prototype-of", "a", 0.25),
      gone: (target) => target.link(id, "prototype-of", "d", 0.25),
    };
    for (const write of Object.values(writers)) {
      const target = withAngles({ a: 0, b: 5, c: 10, d: 15 });
      await rem(target);
      target.put("d", { embedding: at(90) });
      let image: unknown;
      target.beforeWrite = () => {
        target.beforeWrite = () => {};
        write(target);
        image = target.image();
      };
      const { prototypes, conflicts } = await rem(target);
      expect([prototypes, conflicts]).toMatchObject([[], [{ id, reason: "changed" }]]);
      expect(target.image()).toEqual(image);
      expect(changes(await rem(target))).toEqual(["updated a,b,c"]);
    }
  });

  it("S4: puts two prototypes into one where the leader of one has come to the other", async () => {
    const target = withAngles({ a: 0, b: 5, c: 10, x: 60, y: 65, z: 70 });
    await rem(target);
    for (const [id, degrees] of Object.entries({ x: 15, y: 20, z: 22 })) target.put(id, { embedding: at(degrees) });
    target.link(prototypeId("a"), "prototype-of", "x");
    target.link(prototypeId("x"), "prototype-of", "a");
    const { prototypes } = await rem(target);
    expect(prototypes.map(({ change, members }) => [change, members.join("")])).toEqual([
      ["updated", "abcxyz"],
      ["removed", ""],
    ]);
    checkPrototypes(target);
    expect((await rem(target)).prototypes).toEqual([]);
  });

  it("S4: keeps a prototype's time to live and its pin", async () => {
    const target = withAngles({ a: 0, b: 5, c: 10 });
    await rem(target);
    const id = prototypeId("a");
    target.put(id, { ...withoutContent(target, id), ttlMs: 1_000, pinned: true });
    const { expiryMs } = target.get(id)!;
    target.clock.jumpWall(100);
    target.put("d", { embedding: at(3) });
    expect(changes(await rem(target))).toEqual(["updated a,b,c,d"]);
    expect(target.get(id)).toMatchObject({ expiryMs, pinned: true });
  });

  it("S4: passes over a collection without embeddings", async () => {
    const target = withAngles({ a: 0, b: 5, c: 10 });
    target.settings.set("notes", {});
    expect((await rem(target)).prototypes).toEqual([]);
  });
});

function withoutContent(target: FakeTarget, id: string) {
  const { embedding, metadata } = target.get(id)!;
  return { embedding: embedding!, metadata: metadata! };
}

/** Each lists its sources, and these are there. */
function checkPrototypes(target: FakeTarget): void {
  const targets = [...target.edges.values()].map((edge) => edge.target);
  expect(new Set(targets).size, "in one cluster each").toBe(targets.length);
  for (const item of target.items.values()) {
    if (!item.id.startsWith("prototype/")) continue;
    const members = [...target.edges.values()].filter(({ source }) => source === item.id);
    expect(members).toHaveLength(item.metadata?.["members"] as number);
    expect(members.length).toBeGreaterThanOrEqual(3);
    for (const { target: id } of members) expect(target.get(id)).toBeDefined();
  }
}
