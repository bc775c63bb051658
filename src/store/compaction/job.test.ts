import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hexOf, utf8 } from "../../base/index.ts";
import { faults, SimDisk } from "../../disk/index.ts";
import { type Entry, entryKind, isGone } from "../entry.ts";
import type { EdgeChange } from "../graph/edge.ts";
import { adoptGraph } from "../graph/graph-segment.ts";
import type { ManifestFile } from "../manifest/state.ts";
import { verifySegment } from "../segment/verify.ts";
import { compareEntries, plainEntry, tombstone } from "../testing/model.ts";
import { folder } from "../testing/segments.ts";
import { contentHandleOf } from "./content-garbage.ts";
import { edgeChangeOf, graphSectionType } from "./derived-sections.ts";
import { type CompactionProgress, runCompaction } from "./job.ts";
import type { KappaChange } from "./kappa-changes.ts";
import { edge, entriesOf, foreignKey, item, itemInLog, jobOf, keyOf, layers, openFile } from "./testing/layers.ts";

/** What a merge of these should leave, said in the plainest way. */
function expectedOf(
  inputs: readonly Entry[],
  rules: { readonly isBottom: boolean; readonly nowMs: number; readonly changes?: readonly KappaChange[] },
): Entry[] {
  const newest = new Map<string, Entry>();
  for (const entry of [...inputs].sort(compareEntries))
    if (!newest.has(hexOf(entry.key))) newest.set(hexOf(entry.key), entry);
  return [...newest.values()].flatMap((entry) => {
    if (isGone(entry, rules.nowMs)) {
      const gone: Entry = { ...entry, kind: entryKind.tombstone, value: new Uint8Array(0) };
      return rules.isBottom ? [] : [entry.kind === entryKind.tombstone ? entry : { ...gone, expiryMs: 0 }];
    }
    const change = rules.changes?.findLast(
      ({ key, sequence }) => hexOf(key) === hexOf(entry.key) && (sequence ?? entry.sequence) === entry.sequence,
    );
    return [change === undefined ? entry : { ...entry, kappa: Math.fround(change.kappa) }];
  });
}

/** What only versions that went pointed to. */
function garbageOf(inputs: readonly Entry[], kept: readonly Entry[]): [number, number][] {
  const handlesOf = (entries: readonly Entry[]) =>
    new Map(entries.flatMap((entry) => contentHandleOf(entry) ?? []).map((handle) => [JSON.stringify(handle), handle]));
  const sums = new Map<number, number>();
  const living = handlesOf(kept);
  for (const [name, { file, length }] of handlesOf(inputs))
    if (!living.has(name)) sums.set(file, (sums.get(file) ?? 0) + length);
  return [...sums].sort(([a], [b]) => a - b);
}

const id = fc.integer({ min: 0, max: 8 }).map((number) => `n${number}`);
const shape = fc.record({
  what: fc.constantFrom("item", "item in log", "edge", "delete", "unlink", "foreign"),
  id,
  other: id,
  expiryMs: fc.option(fc.integer({ min: 1, max: 100 }), { nil: 0 }),
  number: fc.integer({ min: 1, max: 3 }),
  kappa: fc.float({ min: 0, max: 1, noNaN: true }),
});
type Shape = typeof shape extends fc.Arbitrary<infer T> ? T : never;

function entryOf({ what, id: name, other, expiryMs, number, kappa }: Shape, sequence: number): Entry {
  if (what === "edge") return edge(name, other, sequence, number / 2);
  if (what === "unlink") return tombstone(edge(name, other, sequence, 1).key, sequence);
  if (what === "delete") return tombstone(keyOf(name), sequence);
  if (what === "foreign") return plainEntry(foreignKey, sequence, utf8(name));
  // A content belongs to one item, and several versions of it may point there.
  const at = { file: number, row: Number(name.slice(1)), length: 1_000 * number + name.charCodeAt(1) };
  const entry = what === "item" ? item(name, sequence) : itemInLog(name, sequence, at);
  return { ...entry, expiryMs, kappa };
}

const changed = fc.record({ id, kappa: fc.float({ min: 0, max: 1, noNaN: true }), sequence: fc.option(fc.nat(60)) });

async function edgesIn(disk: SimDisk, file: ManifestFile): Promise<EdgeChange[]> {
  await using segment = await openFile(disk, file);
  const bytes = await segment.section(graphSectionType);
  return bytes === undefined ? [] : [...adoptGraph(bytes).all()];
}

describe("a compaction", () => {
  it("S2: leaves of each key what the inputs showed together, with the graph and the garbage that go with it", async () => {
    const kinds = { files: 0, empty: 0, edges: 0, garbage: 0, changed: 0 };
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(shape, { maxLength: 20 }), { minLength: 1, maxLength: 5 }),
        fc.array(changed, { maxLength: 6 }),
        fc.boolean(),
        fc.integer({ min: 0, max: 100 }),
        async (shapes, wanted, isBottom, nowMs) => {
          let sequence = 0;
          const lists = shapes.map((list) => list.map((one) => entryOf(one, ++sequence)));
          const disk = new SimDisk();
          const files = await layers(disk, lists);
          if (files.length === 0) return;
          const inputs = (await Promise.all(files.map((file) => entriesOf(disk, file)))).flat();
          const changes = wanted.map(({ id: name, kappa, sequence: at }) => ({
            ...{ key: keyOf(name), kappa },
            ...(at === null ? {} : { sequence: at }),
          }));
          const outcome = await runCompaction(disk, jobOf(files, { isBottom, nowMs, kappaChanges: changes }));
          const expected = expectedOf(inputs, { isBottom, nowMs, changes });
          const plain = expectedOf(inputs, { isBottom, nowMs });
          expect(await entriesOf(disk, outcome.file)).toEqual(expected);
          expect(outcome.file === undefined).toBe(expected.length === 0);
          expect(outcome.dropped).toEqual({
            entries: inputs.length - expected.length,
            garbage: garbageOf(inputs, expected),
          });
          expect(outcome.kappaChanged).toBe(
            expected.filter(({ kappa }, place) => kappa !== plain[place]!.kappa).length,
          );
          kinds.files++;
          kinds.garbage += outcome.dropped.garbage.length;
          kinds.changed += outcome.kappaChanged;
          if (outcome.file === undefined) return void kinds.empty++;
          const edges = await edgesIn(disk, outcome.file);
          const bySequence = (a: EdgeChange, b: EdgeChange): number => a.sequence - b.sequence;
          expect(edges.sort(bySequence)).toEqual(expected.flatMap((one) => edgeChangeOf(one) ?? []).sort(bySequence));
          kinds.edges += edges.length;
        },
      ),
      // A seed, for some of what it has to see is rare.
      { numRuns: 150, seed: 7 },
    );
    // It saw all of it.
    for (const count of Object.values(kinds)) expect(count).toBeGreaterThan(0);
  });

  it("S4: gives a version another κ, and no newer one", async () => {
    const disk = new SimDisk();
    const files = await layers(disk, [[item("a", 1), item("b", 2), item("c", 3)], [item("b", 4)]]);
    const changes = [
      { key: keyOf("a"), kappa: 0.75, sequence: 1 },
      { key: keyOf("b"), kappa: 0.5, sequence: 2 },
      { key: keyOf("c"), kappa: 0.25 },
      { key: keyOf("nobody"), kappa: 1 },
    ];
    const { file, kappaChanged } = await runCompaction(disk, jobOf(files, { kappaChanges: changes }));
    const seen = (await entriesOf(disk, file)).map(({ sequence, kappa }) => [sequence, kappa]);
    expect(seen).toEqual([
      [1, 0.75],
      [4, 0],
      [3, 0.25],
    ]);
    expect(kappaChanged).toBe(2);
  });

  it("S5: counts no content as garbage that a newer version took over", async () => {
    const disk = new SimDisk();
    const versions = (first: number): Entry[] =>
      Array.from({ length: 600 }, (_, place) => {
        const at = { file: 3, row: place, length: 1_000 };
        return itemInLog(`n${String(place).padStart(3, "0")}`, first + place, at);
      });
    const files = await layers(disk, [versions(1), versions(1_001), [tombstone(keyOf("n255"), 2_000)]]);
    const { dropped } = await runCompaction(disk, jobOf(files));
    expect(dropped).toEqual({ entries: 602, garbage: [[3, 1_000]] });
  });

  it("S8: takes nothing from behind keys that were lost, and keeps what deletes them", async () => {
    const disk = new SimDisk();
    const [newest, damaged, oldest] = await layers(disk, [
      ["a", "b", "c", "d"].map((name, place) => item(name, place + 1)),
      [item("a", 11), item("d", 12)],
      [tombstone(keyOf("c"), 21)],
    ]);
    const lostKeys = [{ from: keyOf("b"), to: keyOf("d") }];
    const inputs = [{ file: newest! }, { file: damaged!, lost: "[…]", lostKeys }, { file: oldest! }];
    const outcome = await runCompaction(disk, jobOf([], { inputs }));
    const seen = (await entriesOf(disk, outcome.file)).map(({ sequence }) => sequence);
    expect(seen).toEqual([11, 21, 12]);
    expect(outcome.lost).toEqual(["[…]"]);
  });

  it("S8: of a damaged segment fails with its name, and leaves no file", async () => {
    const entries = Array.from({ length: 60 }, (_, place) => item(`n${place}`, place + 1, "x".repeat(60)));
    const whole = new SimDisk();
    const files = await layers(whole, [entries.slice(0, 30), entries.slice(30)]);
    const names = (await whole.list(folder)).map(({ name }) => name);
    let refused = 0;
    for (let offset = 0; offset < files[1]!.sizeBytes; offset += 41) {
      const disk = whole.restarted({ faults: [faults.bitRot({ path: /01\.segment$/, offset, bit: offset % 8 })] });
      const failure = await runCompaction(disk, jobOf(files)).then(
        () => undefined,
        (error: unknown) => error,
      );
      if (failure === undefined) continue;
      refused++;
      expect(failure).toMatchObject({
        code: "STORE_SEGMENT_CORRUPT",
        details: { path: `${folder}/0000000001.segment` },
      });
      expect((await disk.list(folder)).map(({ name }) => name)).toEqual(names);
    }
    expect(refused).toBeGreaterThan(50);
  });

  it("S2: reads the new file back, and takes it away where it is not what was written", async () => {
    const disk = new SimDisk({ faults: [faults.bitRot({ path: /100\.segment$/, offset: 300, bit: 1 })] });
    const files = await layers(disk, [[item("a", 1), item("b", 2), item("c", 3)], [item("d", 4)]]);
    await expect(runCompaction(disk, jobOf(files))).rejects.toMatchObject({
      code: "STORE_SEGMENT_CORRUPT",
      details: { path: `${folder}/0000000100.segment` },
    });
    expect((await disk.list(folder)).map(({ name }) => name)).toEqual(["0000000001.segment", "0000000002.segment"]);
  });

  it("S2: tells how far it is, and ends when asked to, without a file", async () => {
    const disk = new SimDisk();
    const many = Array.from({ length: 20_000 }, (_, place) => item(`n${place}`, place + 1, "x"));
    const files = await layers(disk, [many.slice(0, 10_000), many.slice(10_000)]);
    const seen: CompactionProgress[] = [];
    await runCompaction(disk, jobOf(files), { onProgress: (progress) => seen.push(progress) });
    expect(seen.map(({ phase }) => phase)).toEqual(["merge", "merge", "verify"]);
    expect(seen.every(({ doneEntries, totalEntries }) => doneEntries <= totalEntries)).toBe(true);
    expect(seen.at(-1)).toEqual({ phase: "verify", doneEntries: 20_000, totalEntries: 20_000 });
    for (const at of ["merge", "verify"]) {
      const controller = new AbortController();
      const onProgress = ({ phase }: CompactionProgress): void => {
        if (phase === at) controller.abort(new Error(`in ${at}`));
      };
      const job = jobOf(files, { output: { fileId: 200, level: 1 } });
      await expect(runCompaction(disk, job, { signal: controller.signal, onProgress })).rejects.toThrow(`in ${at}`);
      expect((await disk.list(folder)).map(({ name }) => name)).not.toContain("0000000200.segment");
      expect(await disk.list(folder)).toHaveLength(3);
    }
  });

  it("S8: that the disk fails says so, and leaves no file", async () => {
    const { failWrite, failSync, failSyncFolder, failRename, failRead, failOpen } = faults;
    const base = new SimDisk();
    const many = Array.from({ length: 40 }, (_, place) => item(`n${place}`, place + 1, "x".repeat(90)));
    const files = await layers(base, [many.slice(0, 20), many.slice(20)]);
    const names = (await base.list(folder)).map(({ name }) => name);
    for (const fail of [failWrite, failSync, failSyncFolder, failRename, failRead, failOpen]) {
      let struck = 0;
      for (let occurrence = 1; ; occurrence++) {
        const disk = base.restarted({ faults: [fail({ occurrence, code: "EIO" })] });
        const failure = await runCompaction(disk, jobOf(files)).then(
          () => undefined,
          (error: unknown) => error,
        );
        if (disk.faultsStruck === 0) break;
        struck++;
        expect(failure).toMatchObject({ code: "DISK_IO" });
        expect((await disk.list(folder)).map(({ name }) => name)).toEqual(names);
      }
      expect(struck).toBeGreaterThan(0);
    }
  });

  it("S3: refuses an edge whose weight is none", async () => {
    const disk = new SimDisk();
    const broken = { ...edge("a", "b", 1, 1), value: utf8("nonsense") };
    await expect(layers(disk, [[broken]])).rejects.toMatchObject({ code: "STORE_GRAPH_EDGE" });
    await expect(layers(disk, [[edge("a", "b", 1, Number.NaN)]])).rejects.toMatchObject({ code: "STORE_GRAPH_EDGE" });
    expect(await disk.list(folder)).toEqual([]);
  });

  it("S2: leaves a whole file or none after a crash at any step, and its inputs as they were", async () => {
    const lists = [
      Array.from({ length: 12 }, (_, place) => item(`n${place}`, place + 1, "x".repeat(90))),
      [tombstone(keyOf("n3"), 20), edge("n1", "n2", 21, 0.5), itemInLog("n4", 22, { file: 9, length: 5_000 })],
    ];
    const base = new SimDisk();
    const files = await layers(base, lists);
    const inputs = [...base.files()];
    const plain = base.restarted();
    const done = await runCompaction(plain, jobOf(files));
    const expected = await entriesOf(plain, done.file);
    let [whole, states] = [0, 0];
    for (let step = 1; step <= plain.steps + 1; step++) {
      const disk = base.restarted();
      disk.crashAtStep(step);
      const isDone = await runCompaction(disk, jobOf(files)).then(
        () => true,
        () => false,
      );
      expect(isDone).toBe(step > plain.steps);
      for (const { disk: survivor } of disk.survivors({ limit: 60, random: () => 0.5 })) {
        states++;
        const found = new Map([...survivor.files()].map(({ path, bytes }) => [path, bytes]));
        for (const { path, bytes } of inputs) expect(hexOf(found.get(path)!)).toBe(hexOf(bytes));
        const isNamed = found.has(`${folder}/0000000100.segment`);
        if (isDone) expect(isNamed).toBe(true);
        if (!isNamed) continue;
        whole++;
        await using segment = await openFile(survivor, done.file!);
        expect((await verifySegment(segment)).damages).toEqual([]);
        expect(await entriesOf(survivor, done.file)).toEqual(expected);
      }
    }
    expect(states).toBeGreaterThan(20);
    expect(whole).toBeGreaterThan(0);
  });
});
