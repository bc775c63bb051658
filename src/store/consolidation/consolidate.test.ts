import { describe, expect, it } from "vitest";
import { type Random, seededRandom } from "../../base/index.ts";
import type { Item } from "../item/item.ts";
import { nodeName } from "../item/item-key.ts";
import { consolidate } from "./consolidate.ts";
import type { ConsolidateOptions, ConsolidationReport } from "./report.ts";
import { FakeTarget } from "./testing/fake-target.ts";

const everything = { prune: { kappaBelow: 0.05, minimumAgeMs: 500 } } as const;

function randomInput(random: Random) {
  const angle = Math.floor(random() * 8) + random() * 0.3;
  return {
    content: Math.floor(random() * 1e9),
    embedding: Float32Array.of(Math.cos(angle), Math.sin(angle), 0),
    kappa: random() < 0.5 ? 0 : random(),
    pinned: random() < 0.1,
    ...(random() < 0.2 ? { ttlMs: 1 + Math.floor(random() * 1_000) } : {}),
  };
}

/** Items old enough to be forgotten, expired ones, dangling edges, and uses. */
function grown(random: Random): FakeTarget {
  const target = new FakeTarget();
  for (let item = 0; item < 40; item++) target.put(`n${item}`, randomInput(random));
  const id = (): string => `n${Math.floor(random() * 48)}`;
  for (let edge = 0; edge < 30; edge++) target.link(id(), random() < 0.5 ? "cites" : "used-after", id(), random());
  for (let use = 0; use < 30; use++) target.uses.note("notes", id(), use * 2_000);
  target.clock.jumpWall(600);
  return target;
}

describe("consolidation", () => {
  it("S4: reports the same of the same store, and writes the same", async () => {
    const runs: unknown[] = [];
    for (let run = 0; run < 2; run++) {
      const target = grown(seededRandom(1));
      runs.push([await consolidate(target, everything), target.image()]);
    }
    expect(runs[0]).toEqual(runs[1]);
  });

  it("S4: says in a dry run what it would do, and writes nothing", async () => {
    for (const passes of [["nrem"], ["rem"], ["prune"]] as const) {
      const target = grown(seededRandom(2));
      const image = target.image();
      const dry = await consolidate(target, { ...everything, passes, dryRun: true });
      expect(target.image()).toEqual(image);
      expect([target.writes.length, target.kappaWrites, target.uses.size]).toEqual([0, 0, 30]);
      const real = await consolidate(target, { ...everything, passes });
      expect(target.image()).not.toEqual(image);
      expect({ ...dry, dryRun: false }).toEqual(real);
    }
  });

  it("S4: reads all passes of a dry run from one snapshot, and lets go of every snapshot", async () => {
    const target = grown(seededRandom(3));
    const dry = await consolidate(target, { ...everything, dryRun: true });
    expect(dry.kappa.length * dry.edges.length * dry.prototypes.length * dry.pruned.length).toBeGreaterThan(0);
    await consolidate(target, everything);
    expect(target.pinned).toBe(0);
  });

  it("S4: does nothing the second time that the first has done", async () => {
    const target = grown(seededRandom(4));
    await consolidate(target, everything);
    await consolidate(target, everything);
    const writes = target.writes.length;
    const third = await consolidate(target, everything);
    expect(third).toMatchObject({ kappa: [], edges: [], prototypes: [], pruned: [], conflicts: [] });
    expect(target.writes).toHaveLength(writes);
  });

  it("S4: spares what was used, though NREM has learned it before PRUNE comes", async () => {
    const target = new FakeTarget();
    target.put("a");
    target.clock.jumpWall(1_000);
    target.uses.note("notes", "a", 0);
    const options = { nrem: { rate: 0 }, prune: { kappaBelow: 1, minimumAgeMs: 0 } };
    expect((await consolidate(target, options)).pruned).toEqual([]);
    expect(target.uses.size).toBe(0);
    expect((await consolidate(target, options)).pruned.map(({ id }) => id)).toEqual(["a"]);
  });

  it("S4: spares what is used while it runs", async () => {
    const target = new FakeTarget();
    target.put("a");
    target.between = () => target.uses.note("notes", "a", 0);
    const options = { passes: ["prune"], prune: { kappaBelow: 1, minimumAgeMs: 0 } } as const;
    expect((await consolidate(target, options)).pruned).toEqual([]);
  });

  it.each(["a", "b"])("S4: makes no edge from or to what was deleted meanwhile: %s", async (id) => {
    const target = new FakeTarget();
    for (const [place, used] of ["a", "b", "c", "d"].entries()) {
      target.put(used);
      target.uses.note("notes", used, place < 2 ? 0 : 1e9);
    }
    target.beforeWrite = () => {
      target.beforeWrite = () => {};
      target.change([{ op: "delete", collection: "notes", id }]);
    };
    const report = await consolidate(target, { passes: ["nrem"] });
    expect(report.edges).toMatchObject([{ source: "c", target: "d" }]);
    expect(report.conflicts).toEqual([{ pass: "nrem", collection: "notes", id: "a", reason: "changed" }]);
    expect([...target.edges.values()]).toMatchObject([{ source: "c", target: "d" }]);
  });

  it("S4: names the items whose κ it had to leave, because they were written meanwhile", async () => {
    const target = new FakeTarget();
    target.put("a");
    target.put("b");
    for (const id of ["a", "b"]) target.uses.note("notes", id, 0);
    let pauses = 0;
    target.between = () => {
      if (++pauses === 2) target.put("a", { content: "new" });
    };
    const report = await consolidate(target, { passes: ["nrem"] });
    expect(report.kappa.map(({ id }) => id)).toEqual(["b"]);
    expect(report.conflicts).toEqual([{ pass: "nrem", collection: "notes", id: "a", reason: "changed" }]);
    expect(target.get("a")).toMatchObject({ content: "new", kappa: 0 });
  });

  it("S4: keeps to the collections it was given, and learns the uses of the others later", async () => {
    const target = new FakeTarget(["notes", "people"]);
    for (const collection of ["notes", "people"]) {
      target.put("a", { ttlMs: 1 }, collection);
      target.put("b", {}, collection);
      target.uses.note(collection, "b", 0);
    }
    target.clock.jumpWall(1);
    const report = await consolidate(target, { collections: ["people"] });
    for (const { collection } of [...report.kappa, ...report.pruned]) expect(collection).toBe("people");
    expect([report.kappa.length, report.pruned.length]).toEqual([1, 1]);
    expect([target.uses.isUsed("notes", "b"), target.uses.isUsed("people", "b")]).toEqual([true, false]);
  });

  it("S4: ends when it is called off, at any step, and lets go of its snapshot", async () => {
    let isDone = false;
    for (let step = 0; !isDone; step += 1 + Math.floor(step / 4)) {
      const target = grown(seededRandom(5));
      const controller = new AbortController();
      let left = step;
      target.between = () => {
        if (left-- === 0) controller.abort(new Error("enough"));
      };
      try {
        await consolidate(target, { passes: ["nrem", "rem"], signal: controller.signal });
        isDone = true;
      } catch (error) {
        expect(error).toEqual(new Error("enough"));
      }
      expect(target.pinned).toBe(0);
      for (const [made, members] of prototypesOf(target)) expect(members).toBe(made);
    }
    await expect(consolidate(new FakeTarget(), { signal: AbortSignal.abort("before") })).rejects.toBe("before");
  });

  it("S9: ends once a write is only queued", async () => {
    const target = grown(seededRandom(6));
    target.isDegraded = true;
    const error = { code: "STORE_CONSOLIDATE_DEGRADED", retryable: true };
    await expect(consolidate(target, everything)).rejects.toMatchObject(error);
    expect(target.writes).toHaveLength(1);
  });

  it("S4: passes on what the store throws", async () => {
    const target = grown(seededRandom(7));
    target.beforeWrite = () => {
      throw new Error("no disk");
    };
    await expect(consolidate(target, everything)).rejects.toThrow("no disk");
    expect(target.pinned).toBe(0);
  });

  it.each<[string, object]>([
    ["passes", { passes: ["sleep"] }],
    ["passes", { passes: "rem" }],
    ["collections", { collections: ["unknown"] }],
    ["collections", { collections: [""] }],
    ["rate", { nrem: { rate: 1.1 } }],
    ["usesScale", { nrem: { usesScale: 0 } }],
    ["weakening", { nrem: { weakening: Number.NaN } }],
    ["windowMs", { nrem: { windowMs: -1 } }],
    ["pairsPerUse", { nrem: { pairsPerUse: 65 } }],
    ["types", { nrem: { types: ["prototype-of"] } }],
    ["similarity", { rem: { similarity: 0 } }],
    ["minimumMembers", { rem: { minimumMembers: 1 } }],
    ["memberLimit", { rem: { minimumMembers: 5, memberLimit: 4 } }],
    ["kappaBelow", { prune: { kappaBelow: "low" } }],
    ["minimumAgeMs", { prune: { minimumAgeMs: Number.NaN } }],
    ["danglingEdges", { prune: { danglingEdges: 1 } }],
  ])("S4: refuses %s in %j", async (option, options) => {
    const target = new FakeTarget();
    await expect(consolidate(target, options as ConsolidateOptions)).rejects.toMatchObject({
      code: "STORE_CONSOLIDATE_OPTION",
      details: { option },
    });
    expect(target.pinned).toBe(0);
  });
});

describe("what is written while it runs", () => {
  it("S4: is neither lost nor undone, and what was deleted stays deleted", async () => {
    let conflicts = 0;
    for (let seed = 0; seed < 100; seed++) {
      const random = seededRandom(seed);
      const target = grown(random);
      const others = new Others(target, random);
      target.between = () => void (random() < 0.1 && others.act());
      target.beforeWrite = () => void (random() < 0.5 && others.act());
      const report = await consolidate(target, everything);
      others.check(`seed ${seed}`);
      checkReport(target, others, report);
      // Members that PRUNE took are not replaced before REM comes again.
      for (const [made, members] of prototypesOf(target)) expect(members).toBeLessThanOrEqual(Number(made));
      conflicts += report.conflicts.length;
    }
    expect(conflicts, "they did meet").toBeGreaterThan(100);
  });
});

/** Users who write, and remember what they wrote last. */
class Others {
  readonly #target: FakeTarget;
  readonly #random: Random;
  /** undefined: deleted. */
  readonly items = new Map<string, Item | undefined>();
  readonly #edges = new Map<string, number>();

  constructor(target: FakeTarget, random: Random) {
    this.#target = target;
    this.#random = random;
  }

  act(): void {
    const id = (): string => `n${Math.floor(this.#random() * 48)}`;
    const chance = this.#random();
    if (chance < 0.4) {
      const written = id();
      this.items.set(written, this.#target.put(written, randomInput(this.#random)));
    } else if (chance < 0.6) {
      const deleted = id();
      this.#target.change([{ op: "delete", collection: "notes", id: deleted }]);
      this.items.set(deleted, undefined);
    } else if (chance < 0.8) {
      const [source, target, weight] = [id(), id(), Math.fround(this.#random())];
      this.#target.link(source, "used-after", target, weight);
      this.#edges.set(`${source} ${target}`, weight);
    } else {
      this.#target.uses.note("notes", id(), 1e6);
    }
  }

  check(where: string): void {
    for (const [id, item] of this.items) {
      const now = this.#target.items.get(nodeName("notes", id));
      if (item === undefined) expect(now, `${where}: ${id} was deleted`).toBeUndefined();
      else if (now === undefined) expect(this.#mayGo(item), `${where}: ${id} was written`).toBe(true);
      else expect({ ...now, kappa: item.kappa }, `${where}: ${id}`).toEqual(item);
    }
    for (const [name, weight] of this.#edges) {
      const [source, target] = name.split(" ") as [string, string];
      const now = this.#target.weight(source, "used-after", target);
      if (now !== undefined) expect(now, `${where}: ${name} was linked`).toBe(weight);
      else {
        const isWhole = [source, target].every((end) => this.#target.get(end) !== undefined);
        const couldDangle = [source, target].some((end) => this.items.has(end)) || weight < 0.05;
        expect(!isWhole || couldDangle, `${where}: ${name} was linked`).toBe(true);
      }
    }
  }

  /** Written meanwhile it is new, and whatever expires can go by its own will. */
  #mayGo(item: Item): boolean {
    return item.expiryMs !== undefined && item.expiryMs <= this.#target.clock.nowMs();
  }
}

function checkReport(target: FakeTarget, others: Others, report: ConsolidationReport): void {
  for (const pruned of report.pruned) {
    if (pruned.reason === "dangling-edge") continue;
    const now = target.items.get(nodeName("notes", pruned.id));
    if (!others.items.has(pruned.id)) expect(now, `${pruned.id} was ${pruned.reason}`).toBeUndefined();
  }
  for (const { id, members } of report.prototypes) {
    if (members.length > 0) expect(target.get(id)?.metadata).toMatchObject({ members: members.length });
  }
}

/** How many members each says it has, and how many edges to members: batches are whole at any moment. */
function prototypesOf(target: FakeTarget): [made: unknown, members: number][] {
  const edges = [...target.edges.values()].filter(({ type }) => type === "prototype-of");
  return [...target.items.values()]
    .filter(({ id }) => id.startsWith("prototype/"))
    .map(({ id, metadata }) => [metadata?.["members"], edges.filter(({ source }) => source === id).length]);
}
