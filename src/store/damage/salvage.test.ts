import { isDeepStrictEqual } from "node:util";
import { beforeAll, describe, expect, it } from "vitest";
import { HoldfastError, utf8 } from "../../base/index.ts";
import { faults, SimDisk } from "../../disk/index.ts";
import type { Entry } from "../entry.ts";
import { compareKeys } from "../key.ts";
import { fileName } from "../manifest/names.ts";
import type { ManifestFile } from "../manifest/state.ts";
import type { Memtable } from "../memtable/memtable.ts";
import { compactEntries } from "../merge/compaction.ts";
import { lookUp } from "../merge/lookup.ts";
import { scanEntries } from "../merge/scan.ts";
import { type Layers, manifestFileOf, memtableOf, randomLayers, salvagedLayer } from "../testing/lost.ts";
import { copyOf, plainEntry, tombstone } from "../testing/model.ts";
import { folder, written } from "../testing/segments.ts";
import { guarded } from "./guarded-source.ts";
import { decodeLost, encodeLost } from "./lost-codec.ts";
import { LostRanges } from "./lost-ranges.ts";
import { salvageSegment } from "./salvage.ts";
import { withoutLost } from "./without-lost.ts";

interface Case {
  readonly layers: Layers;
  readonly file: ManifestFile;
  readonly bytes: Uint8Array;
  readonly older: Memtable;
  readonly newer: Memtable;
}

async function caseOf(layers: Layers): Promise<Case> {
  const sections = new Map([[256, utf8("a section of somebody else")]]);
  const { summary, bytes } = await written(layers.damaged, { sections, fileId: 7 });
  const file = manifestFileOf(summary);
  return { layers, file, bytes, older: memtableOf(layers.older), newer: memtableOf(layers.newer) };
}

async function diskWith({ file }: Case, bytes: Uint8Array): Promise<SimDisk> {
  const disk = new SimDisk();
  await disk.makeFolder(folder);
  await disk.writeFile(`${folder}/${fileName(file)}`, bytes);
  return disk;
}

function isLost(error: unknown): boolean {
  return HoldfastError.is(error) && error.code === "STORE_LOST";
}

function expectSame(found: unknown, wanted: unknown): void {
  if (!isDeepStrictEqual(found, wanted)) expect(found).toEqual(wanted);
}

/** Asks everything; returns how many questions were refused. Any wrong answer fails. */
async function refusedOf(test: Case, disk: SimDisk): Promise<{ readonly gets: number; readonly scans: number }> {
  const { layers, older, newer } = test;
  const { salvage, layer, bare, close } = await salvagedLayer(disk, test.file);
  let [gets, scans] = [0, 0];
  const sources = [newer, layer, older];
  for (const { key, sequence } of layers.model.entries) {
    for (const at of [Number.MAX_SAFE_INTEGER, sequence]) {
      try {
        const found = await lookUp(sources, key, at);
        expectSame(found && copyOf(found), layers.model.get(key, at));
      } catch (error) {
        if (!isLost(error)) throw error;
        gets++;
      }
    }
  }
  for (const reverse of [false, true]) {
    const wanted = layers.model.scan({ reverse });
    const found: Entry[] = [];
    try {
      for await (const batch of scanEntries(sources, { reverse, batchLimit: 1 })) found.push(...batch.map(copyOf));
      expect(found).toHaveLength(wanted.length);
    } catch (error) {
      if (!isLost(error)) throw error;
      scans++;
    }
    expectSame(found, wanted.slice(0, found.length));
    const left = withoutLost([
      { layer: newer, lost: LostRanges.none },
      { layer: bare, lost: salvage.lost },
      { layer: older, lost: LostRanges.none },
    ]);
    const names = new Set(wanted.map((entry) => JSON.stringify(copyOf(entry))));
    for await (const batch of scanEntries(left, { reverse }))
      for (const entry of batch) expect(names).toContain(JSON.stringify(copyOf(entry)));
  }
  expectSame(decodeLost(encodeLost(salvage.lost) ?? undefined).runs, salvage.lost.runs);
  await close();
  return { gets, scans };
}

describe.each([
  ["many versions of a key", false],
  ["one version of each key", true],
] as const)("a salvaged segment with %s", (_, isOneVersion) => {
  let test: Case;
  beforeAll(async () => {
    test = await caseOf(randomLayers({ seed: 5, count: 32, isOneVersion }));
  });

  it("S8: gives no wrong answer and no false absence, whichever byte of the damaged one was flipped", async () => {
    const questions = test.layers.model.entries.length * 2;
    let [whole, most] = [0, 0];
    for (let place = 0; place < test.bytes.length; place++) {
      const bytes = test.bytes.slice();
      bytes[place] ^= 1 << (place % 8);
      const { gets, scans } = await refusedOf(test, await diskWith(test, bytes));
      if (gets + scans === 0) whole++;
      most = Math.max(most, gets);
    }
    // What is no data block takes nothing away, and a data block no more than what stood in it.
    expect(whole / test.bytes.length).toBeGreaterThan(0.2);
    expect(most).toBeLessThan(questions);
  }, 120_000);

  it("S8: of two bad places as of one", async () => {
    for (let place = 0; place < test.bytes.length; place += 131) {
      for (let other = place + 64; other < test.bytes.length; other += 257) {
        const bytes = test.bytes.slice();
        bytes[place] ^= 0x20;
        bytes[other] ^= 0x04;
        await refusedOf(test, await diskWith(test, bytes));
      }
    }
  }, 120_000);

  it("S8: of a file that was cut anywhere, is of another number, of another store or is not there", async () => {
    for (let size = 0; size < test.bytes.length; size += 97)
      await refusedOf(test, await diskWith(test, test.bytes.subarray(0, size)));
    const other = await written(test.layers.older, { fileId: 7 });
    const foreign = await refusedOf(test, await diskWith(test, other.bytes));
    expect(foreign.gets).toBeGreaterThan(0);
    const numbered = await written(test.layers.damaged, { fileId: 8 });
    await refusedOf(test, await diskWith(test, numbered.bytes));
    const disk = new SimDisk();
    await disk.makeFolder(folder);
    await refusedOf(test, disk);
  }, 60_000);

  it("S8: and merged with the layers beside it, it still bars what it has lost", async () => {
    let refused = 0;
    for (let place = 64; place < test.bytes.length; place += 29) {
      const bytes = test.bytes.slice();
      bytes[place] ^= 0x10;
      const { salvage, bare, close } = await salvagedLayer(await diskWith(test, bytes), test.file);
      for (const [sources, below] of [
        [[test.newer, bare, test.older], []],
        [[test.newer, bare], [test.older]],
        [[bare, test.older], []],
      ] as const) {
        const merged: Entry[] = [];
        const isBottom = below.length === 0;
        for await (const batch of compactEntries(sources, { snapshots: [], isBottom }))
          merged.push(...batch.map(copyOf));
        const above = sources.length === 2 && isBottom ? [test.newer] : [];
        const layers = [...above, guarded(memtableOf(merged), salvage.lost), ...below];
        for (const { key } of test.layers.model.entries) {
          const wanted = test.layers.model.get(key);
          try {
            const found = await lookUp(layers, key);
            if (found === undefined) expect(wanted?.kind ?? 3).toBe(3);
            else expectSame(copyOf(found), wanted);
          } catch (error) {
            if (!isLost(error)) throw error;
            refused++;
          }
        }
      }
      await close();
    }
    expect(refused).toBeGreaterThan(0);
  }, 60_000);

  it("S8: of a device that cannot read a place any more", async () => {
    for (let occurrence = 1; occurrence < 12; occurrence++) {
      const disk = await diskWith(test, test.bytes);
      const failing = disk.restarted({ faults: [faults.failRead({ path: /0000000007\.segment/, occurrence })] });
      const { gets } = await refusedOf(test, failing).catch((error: unknown) => {
        // In the middle of the rebuilding: refused as a whole, with nothing changed.
        expect(error).toMatchObject({ code: "STORE_SEGMENT_CORRUPT" });
        return { gets: 0 };
      });
      expect(gets).toBeLessThan(test.layers.model.entries.length * 2);
    }
  });
});

describe("what was salvaged", () => {
  const entries = Array.from({ length: 40 }, (_, place) => {
    const key = utf8(`key ${String(place).padStart(2, "0")}`);
    return place % 5 === 0 ? tombstone(key, 100 + place) : plainEntry(key, 100 + place, new Uint8Array(90).fill(place));
  });

  async function withBadBlock(): Promise<{ readonly disk: SimDisk; readonly file: ManifestFile }> {
    const { disk, summary, bytes } = await written(entries, { fileId: 7 });
    const file = manifestFileOf(summary);
    bytes[1_300] ^= 1;
    await disk.writeFile(`${folder}/${fileName(file)}`, bytes);
    return { disk, file };
  }

  it("S8: keeps what was deleted deleted, although the block that said so is lost", async () => {
    const { disk, file } = await withBadBlock();
    const { layer, salvage, close } = await salvagedLayer(disk, file);
    const [run] = salvage.lost.runs;
    const lost = entries.filter(({ key }) => compareKeys(key, run.from) >= 0 && compareKeys(key, run.to) < 0);
    expect(lost.length).toBeGreaterThan(5);
    expect(lost.length).toBeLessThan(20);
    const older = memtableOf(entries.map(({ key }) => plainEntry(key, 1, utf8("old"))));
    for (const entry of lost) {
      if (entry.kind === 3) expect((await lookUp([layer, older], entry.key))?.kind).toBe(3);
      else
        await expect((async () => await lookUp([layer, older], entry.key))()).rejects.toMatchObject({
          code: "STORE_LOST",
          details: { path: `${folder}/${fileName(file)}`, offset: run.offset },
          hint: expect.stringContaining("accept-loss"),
        });
      // Written anew it is there again.
      const newer = memtableOf([plainEntry(entry.key, 900, utf8("new"))]);
      expect((await lookUp([newer, layer, older], entry.key))?.sequence).toBe(900);
    }
    await close();
  });

  it("S8: a scan is barred in the lost part alone, and gives what stands before it", async () => {
    const { disk, file } = await withBadBlock();
    const { layer, salvage, close } = await salvagedLayer(disk, file);
    const [{ from, to }] = salvage.lost.runs;
    const before: Entry[] = [];
    for await (const batch of scanEntries([layer], { to: from })) before.push(...batch);
    expect(before.map(({ sequence }) => sequence)).toEqual(
      entries.filter(({ key, kind }) => compareKeys(key, from) < 0 && kind === 1).map(({ sequence }) => sequence),
    );
    const behind: Entry[] = [];
    for await (const batch of scanEntries([layer], { from: to, reverse: true })) behind.push(...batch);
    expect(behind.length).toBe(entries.filter(({ key, kind }) => compareKeys(key, to) >= 0 && kind === 1).length);
    // Newer keys before the barrier are all there, and a scan that has enough of them never meets it.
    const newer = memtableOf(Array.from({ length: 9 }, (_, place) => plainEntry(utf8(`a${place}`), 900 + place)));
    const some: Entry[] = [];
    for await (const batch of scanEntries([newer, layer], { limit: 9 + before.length })) some.push(...batch);
    expect(some).toHaveLength(9 + before.length);
    await expect(
      (async () => {
        for await (const _ of scanEntries([newer, layer], { limit: 10 + before.length }));
      })(),
    ).rejects.toMatchObject({ code: "STORE_LOST" });
    await close();
  });

  it("S8: is whole where only an index, the filter, a table or an end was damaged, sections and all", async () => {
    const layers = randomLayers({ seed: 9, count: 60 });
    const test = await caseOf(layers);
    let sections = 0;
    for (let place = test.bytes.length - 700; place < test.bytes.length; place += 3) {
      const bytes = test.bytes.slice();
      bytes[place] ^= 0x80;
      const disk = await diskWith(test, bytes);
      const salvage = await salvageSegment({ disk, folder, file: test.file, newFileId: 90 });
      expect(salvage).toMatchObject({ entries: layers.damaged.length, lost: { isEmpty: true } });
      if (salvage.missingSections?.length === 0) sections++;
    }
    expect(sections).toBeGreaterThan(100);
  });

  it("S8: is healed from the log where that holds every number of the damaged file, and only there", async () => {
    const { disk, file } = await withBadBlock();
    const log = (firstSequence: number, lastSequence: number) => ({
      firstSequence,
      lastSequence,
      entries: () => entries.filter(({ sequence }) => sequence >= firstSequence && sequence <= lastSequence),
    });
    for (const [first, last] of [
      [101, 139],
      [100, 138],
      [120, 139],
    ] as const) {
      const salvage = await salvageSegment({ disk, folder, file, newFileId: 90, log: log(first, last) });
      expect(salvage).toMatchObject({ healed: 0, lost: { isEmpty: false } });
    }
    const salvage = await salvageSegment({ disk, folder, file, newFileId: 91, log: log(100, 139) });
    expect(salvage).toMatchObject({ entries: entries.length, lost: { isEmpty: true } });
    expect(salvage.healed).toBeGreaterThan(5);
  });

  it("S8: once more damaged, it still knows what it had lost before", async () => {
    const { disk, file } = await withBadBlock();
    const first = await salvageSegment({ disk, folder, file, newFileId: 90 });
    const path = `${folder}/${fileName({ id: 90, kind: "segment" })}`;
    const bytes = await disk.readFile(path);
    bytes[80] ^= 1;
    await disk.writeFile(path, bytes);
    const options = { disk, folder, newFileId: 91, lostBefore: first.lost };
    const second = await salvageSegment({ ...options, file: first.file });
    expect(second.lost.runs).toHaveLength(2);
    for (const { key } of entries)
      if (first.lost.inDoubt(key, undefined).length > 0)
        expect(second.lost.inDoubt(key, undefined)).not.toHaveLength(0);
  });

  it("S8: leaves no file behind when the disk is full", async () => {
    const { disk, file } = await withBadBlock();
    const full = disk.restarted({ faults: [faults.failWrite({ code: "ENOSPC", path: /0000000090/ })] });
    await expect(salvageSegment({ disk: full, folder, file, newFileId: 90 })).rejects.toMatchObject({
      code: "DISK_FULL",
    });
    expect((await full.list(folder)).map(({ name }) => name)).toEqual([fileName(file), "7.segment"]);
  });
});
