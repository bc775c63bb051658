import { isDeepStrictEqual } from "node:util";
import { crc32 } from "node:zlib";
import { describe, expect, it } from "vitest";
import { HoldfastError, hexOf, seededRandom, utf8 } from "../../base/index.ts";
import { faults, SimDisk } from "../../disk/index.ts";
import type { Entry } from "../entry.ts";
import { compareKeys } from "../key.ts";
import { checksumAt } from "../little-endian.ts";
import { scanEntries } from "../merge/scan.ts";
import { plainEntry, randomEntry, randomKey, tombstone, VersionModel } from "../testing/model.ts";
import { folder, opened, type TestSegment, withBytes, withFiles, written } from "../testing/segments.ts";
import { gathered, rest, walked } from "../testing/walk.ts";
import { corruptError, type SegmentDamage } from "./damage.ts";
import type { Segment } from "./segment.ts";
import { verifySegment } from "./verify.ts";

const smallCount = 36;

async function small(options: { readonly fileId?: number; readonly seed?: number } = {}): Promise<{
  readonly test: TestSegment;
  readonly model: VersionModel;
}> {
  const random = seededRandom(options.seed ?? 1);
  const model = new VersionModel();
  for (let sequence = 1; sequence <= smallCount; sequence++)
    model.put(randomEntry(random, randomKey(random, 25), sequence));
  const sections = new Map([[256, utf8("a section of somebody else")]]);
  return { test: await written(model.entries, { sections, fileId: options.fileId ?? 7 }), model };
}

/**
 * Everything that can be asked; true where nothing was refused. Anything but the right answer or such an error fails.
 */
async function askAll(disk: SimDisk, test: TestSegment, model: VersionModel, isExpected: boolean): Promise<boolean> {
  let refused = 0;
  const asking = async <T>(question: () => Promise<T>, answer: T): Promise<void> => {
    try {
      // Hundreds of thousands of these: the plain comparison first.
      const given = await question();
      if (!isDeepStrictEqual(given, answer)) expect(given).toEqual(answer);
    } catch (error) {
      if (!HoldfastError.is(error)) throw error;
      const isPlaced = error.code === "STORE_SEGMENT_CORRUPT" && typeof error.details["offset"] === "number";
      if ((!isPlaced && error.code !== "STORE_VERSION") || error.details["path"] !== test.path) throw error;
      refused++;
    }
  };
  const segments = await opened({ ...test, disk }, { isExpected, readsNow: isExpected }).catch(
    (error: unknown) => error,
  );
  if (!(segments !== null && typeof segments === "object" && "cursor" in segments)) {
    await asking(async () => Promise.reject(segments), undefined);
    return false;
  }
  const segment = segments as Awaited<ReturnType<typeof opened>>;
  for (const { key, sequence } of model.entries)
    await asking(async () => await segment.get(key, sequence), model.get(key, sequence));
  await asking(async () => await segment.get(utf8("not there")), undefined);
  await asking(() => walked(segment), model.entries);
  await asking(
    () => walked(segment.tombstones),
    model.entries.filter(({ kind }) => kind === 3),
  );
  await asking(async () => await segment.section(256), utf8("a section of somebody else"));
  await segment.close();
  return refused === 0;
}

describe("a damaged segment", () => {
  it("S8: every flipped byte ends in right answers or a typed error with its place, never in another answer", async () => {
    const { test, model } = await small();
    let refused = 0;
    for (let place = 0; place < test.bytes.length; place++) {
      const bytes = test.bytes.slice();
      bytes[place] ^= 1 << (place % 8);
      if (!(await askAll(await withBytes(test, bytes), test, model, place % 2 === 0))) refused++;
    }
    expect(refused).toBeGreaterThan(test.bytes.length * 0.8);
  });

  it("S8: a file that is cut anywhere is refused when it is opened", async () => {
    const { test } = await small();
    for (let size = 0; size < test.bytes.length; size += 7) {
      const disk = await withBytes(test, test.bytes.subarray(0, size));
      for (const isExpected of [true, false])
        await expect(opened({ ...test, disk }, { isExpected })).rejects.toMatchObject({
          code: "STORE_SEGMENT_CORRUPT",
          details: { path: test.path },
        });
    }
  });

  it("S8: the check of a segment reads block by block what cannot be read at once", async () => {
    const { test, model } = await small();
    for (const [readable, damaged] of [
      [2_000, false],
      [100, true],
    ] as const) {
      const disk = withFiles(test.disk, (file) => {
        const readAt = file.readAt.bind(file);
        // The first run of blocks begins there, and the first block.
        file.readAt = async (target, offset) =>
          offset === 64 && target.length > readable ? 0 : await readAt(target, offset);
      });
      await using segment = await opened({ ...test, disk });
      const { entries, damages } = await verifySegment(segment);
      expect(entries < model.entries.length).toBe(damaged);
      expect(entries).toBeGreaterThan(0);
      expect(damages.map(({ section, offset }) => [section, offset])).toEqual(damaged ? [["data", 64]] : []);
    }
  });

  it("S8: the check of a segment finds every flipped byte of what is read, with its place", async () => {
    const { test } = await small();
    let silent = 0;
    for (let place = 0; place < test.bytes.length - 700; place += 3) {
      const bytes = test.bytes.slice();
      bytes[place] ^= 0x10;
      const disk = await withBytes(test, bytes);
      const segment = await opened({ ...test, disk }).catch(() => undefined);
      if (segment === undefined) continue;
      const { damages } = await verifySegment(segment);
      if (damages.length === 0) silent++;
      for (const damage of damages) expect(damage.path).toBe(test.path);
    }
    expect(silent).toBe(0);
  });

  it("S8: two blocks that changed places, or came from another file, are found out", async () => {
    const entries = Array.from({ length: 200 }, (_, place) =>
      plainEntry(utf8(String(place).padStart(6, "0")), place + 1, utf8("x".repeat(50))),
    );
    const test = await written(entries);
    const other = await written(entries, { fileId: 8 });
    const segment = await opened(test);
    const { data } = await segment.parts();
    const { offsets, lengths, blocks } = data.index;
    expect(blocks).toBeGreaterThan(5);
    const blockOf = (bytes: Uint8Array, place: number): Uint8Array =>
      bytes.slice(offsets[place], offsets[place] + lengths[place]);
    const refuses = async (bytes: Uint8Array, key: string): Promise<void> => {
      const damaged = await opened({ ...test, disk: await withBytes(test, bytes) });
      await expect(async () => await damaged.get(utf8(key))).rejects.toMatchObject({ code: "STORE_SEGMENT_CORRUPT" });
      await expect(walked(damaged)).rejects.toMatchObject({ code: "STORE_SEGMENT_CORRUPT" });
    };
    for (let place = 1; place < blocks - 1; place++) {
      const key = String.fromCharCode(...(await firstKeyOf(place)));
      if (lengths[place] === lengths[place + 1]) {
        const swapped = test.bytes.slice();
        swapped.set(blockOf(test.bytes, place), offsets[place + 1]);
        swapped.set(blockOf(test.bytes, place + 1), offsets[place]);
        await refuses(swapped, key);
      }
      const foreign = test.bytes.slice();
      foreign.set(blockOf(other.bytes, place), offsets[place]);
      await refuses(foreign, key);
    }

    async function firstKeyOf(place: number): Promise<Uint8Array> {
      const run = await data.loadRun(place, place);
      const block = data.check(run, place);
      const ends = new Uint32Array(block.entries);
      return block.decodeKeys(ends).subarray(0, ends[0]);
    }
  });

  it("S8: an older content of a block, right in itself and in its place, is found out by the index", async () => {
    const of = (text: string): Entry[] =>
      Array.from({ length: 100 }, (_, place) =>
        plainEntry(utf8(String(place).padStart(6, "0")), place + 1, utf8(text)),
      );
    const [test, stale] = [await written(of("new content")), await written(of("old content"))];
    const bytes = test.bytes.slice();
    const { data } = await (await opened(test)).parts();
    const [from, to] = [data.index.offsets[1], data.index.offsets[1] + data.index.lengths[1]];
    bytes.set(stale.bytes.subarray(from, to), from);
    const segment = await opened({ ...test, disk: await withBytes(test, bytes) });
    await expect(walked(segment)).rejects.toMatchObject({ code: "STORE_SEGMENT_CORRUPT", details: { offset: from } });
  });

  it("S8: a whole segment in place of another is not the one that the manifest names", async () => {
    const [one, other] = [await small(), await small({ seed: 2 })];
    const disk = await withBytes(one.test, other.test.bytes);
    await expect(opened({ ...one.test, disk })).rejects.toMatchObject({ code: "STORE_SEGMENT_CORRUPT" });
    const foreign = await small({ fileId: 9 });
    const disk9 = await withBytes(one.test, foreign.test.bytes);
    await expect(opened({ ...one.test, disk: disk9 }, { isExpected: false })).rejects.toMatchObject({
      code: "STORE_SEGMENT_CORRUPT",
    });
  });

  it("S8: the error names the keys at risk, all of them and no others than of that block", async () => {
    const entries = Array.from({ length: 200 }, (_, place) =>
      plainEntry(utf8(String(place).padStart(6, "0")), place + 1, utf8("x".repeat(50))),
    );
    const test = await written(entries);
    const { data } = await (await opened(test)).parts();
    for (let place = 0; place < data.index.blocks; place++) {
      const bytes = test.bytes.slice();
      bytes[data.index.offsets[place] + 40] ^= 1;
      const segment = await opened({ ...test, disk: await withBytes(test, bytes) });
      const damages: SegmentDamage[] = [];
      const left = await rest(segment.cursor({ onDamage: (damage) => damages.push(damage) }));
      expect(damages).toHaveLength(1);
      const { fromKey, toKey } = damages[0];
      const isAtRisk = ({ key }: Entry): boolean => compareKeys(key, fromKey!) >= 0 && compareKeys(key, toKey!) < 0;
      expect(left).toEqual(entries.filter((entry) => !isAtRisk(entry)));
      expect(left.length).toBeLessThan(entries.length);
      for (const entry of entries)
        if (isAtRisk(entry))
          await expect(async () => await segment.get(entry.key)).rejects.toMatchObject({
            details: { section: "data", offset: data.index.offsets[place], fromKey: hexOf(fromKey!) },
          });
    }
  });

  it("S8: a damaged block brings nothing back: its tombstones are still there", async () => {
    const keys = Array.from({ length: 120 }, (_, place) => utf8(String(place).padStart(6, "0")));
    const older = await opened(await written(keys.map((key) => plainEntry(key, 1, utf8("old")))));
    const test = await written(
      keys.map((key, place) => (place % 3 === 0 ? tombstone(key, 2) : plainEntry(key, 2, utf8("new".repeat(20))))),
      { fileId: 8 },
    );
    const { data } = await (await opened(test)).parts();
    const bytes = test.bytes.slice();
    for (let place = 0; place < data.index.blocks; place++) bytes[data.index.offsets[place] + 20] ^= 1;
    const damaged = await opened({ ...test, disk: await withBytes(test, bytes) });
    const damages: SegmentDamage[] = [];
    const salvaged = { cursor: () => damaged.cursor({ onDamage: (damage) => damages.push(damage) }) };
    const seen = await gathered(scanEntries([salvaged, damaged.tombstones, older]));
    expect(damages).toHaveLength(data.index.blocks);
    expect(seen.map(({ key }) => key)).toEqual(keys.filter((_, place) => place % 3 !== 0));
  });

  it("S8: a segment of a later version is refused as that", async () => {
    const { test } = await small();
    const bytes = test.bytes.slice();
    const tail = bytes.subarray(bytes.length - 64);
    const view = new DataView(tail.buffer, tail.byteOffset);
    view.setUint32(28, 2, true);
    view.setUint32(0, crc32(tail.subarray(4)), true);
    const failure = opened({ ...test, disk: await withBytes(test, bytes) });
    await expect(failure).rejects.toMatchObject({ code: "STORE_VERSION", details: { version: 2, path: test.path } });
    await expect(failure).rejects.toHaveProperty("hint");
  });
});

describe("a segment on a failing disk", () => {
  it("S8: a failed or short read at any call is an error, and never 'not found'", async () => {
    const { test, model } = await small();
    for (const fail of [faults.failRead, faults.shortRead, faults.failOpen]) {
      let struck = true;
      for (let occurrence = 1; struck; occurrence++) {
        const disk = new SimDisk({ faults: [fail({ occurrence, path: /segment/ })] });
        await disk.makeFolder(folder);
        await disk.writeFile("/store/copy", test.bytes);
        await disk.rename("/store/copy", test.path);
        let errors = 0;
        try {
          const segment = await opened({ ...test, disk }, { cacheBytes: 0, readsNow: occurrence % 2 === 0 });
          for (const question of [
            async () => expect(await segment.get(model.entries[0].key)).toEqual(model.get(model.entries[0].key)),
            async () => expect(await walked(segment)).toEqual(model.entries),
            async () => verified(segment),
            async () => expect(await segment.section(256)).toHaveLength(26),
          ])
            await question().catch((error: unknown) => {
              if (!HoldfastError.is(error)) throw error;
              errors++;
            });
          // What failed once works again: nothing wrong was kept.
          if (disk.faultsStruck > 0) expect(await walked(segment)).toEqual(model.entries);
        } catch (error) {
          if (!HoldfastError.is(error)) throw error;
          errors++;
        }
        struck = disk.faultsStruck > 0;
        if (struck && fail !== faults.shortRead) expect(errors).toBe(1);
        if (occurrence > 60) throw new Error("no end");
      }
    }
  });
});

describe("a walk that has failed", () => {
  it("S8: fails again, and does not go on beyond what it could not read", async () => {
    const entries = Array.from({ length: 200 }, (_, place) =>
      plainEntry(utf8(String(place).padStart(6, "0")), place + 1, utf8("x".repeat(50))),
    );
    const test = await written(entries);
    const { data } = await (await opened(test)).parts();
    const bytes = test.bytes.slice();
    bytes[data.index.offsets[2] + 30] ^= 1;
    const cursor = (await opened({ ...test, disk: await withBytes(test, bytes) })).cursor();
    const walk = async (): Promise<void> => {
      for (await cursor.advance(); cursor.valid; await cursor.advance());
    };
    for (let attempt = 0; attempt < 3; attempt++) {
      await expect(walk()).rejects.toMatchObject({ code: "STORE_SEGMENT_CORRUPT" });
      expect(cursor.valid).toBe(false);
    }
  });

  it("S8: says that the file ends too early where a read comes back short", async () => {
    const { test } = await small();
    const disk = test.disk.restarted({ faults: [faults.shortRead({ occurrence: 1, bytes: 100 })] });
    await expect(opened({ ...test, disk })).rejects.toThrow("ends too early");
  });
});

/** A read that came back short looks like a file that ends there. */
async function verified(segment: Segment): Promise<void> {
  const { entries, damages } = await verifySegment(segment);
  if (damages.length > 0) throw corruptError(damages[0]);
  expect(entries).toBe(smallCount);
}

describe("bytes that are no segment", () => {
  it("S8: are refused, whatever they are, without a crash and without memory for what they claim", async () => {
    const { test, model } = await small();
    const random = seededRandom(3);
    for (let turn = 0; turn < 400; turn++) {
      const bytes = mutated(test.bytes, random);
      const disk = await withBytes(test, bytes);
      const before = process.memoryUsage().arrayBuffers;
      await askAll(disk, test, model, turn % 2 === 0);
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(100 * 2 ** 20);
    }
  });

  it("S8: with right checksums over wrong lengths they are refused, or read as what they say", async () => {
    const { test } = await small();
    const random = seededRandom(4);
    let refused = 0;
    for (let turn = 0; turn < 600; turn++) {
      const bytes = test.bytes.slice();
      forge(bytes, random);
      const disk = await withBytes(test, bytes);
      try {
        const segment = await opened({ ...test, disk }, { isExpected: false });
        await segment.get(utf8("a"));
        await walked(segment);
        await walked(segment, { reverse: true });
        await walked(segment.tombstones);
        await verifySegment(segment);
      } catch (error) {
        if (!HoldfastError.is(error)) throw error;
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(100);
  });
});

function mutated(whole: Uint8Array, random: () => number): Uint8Array {
  const below = (limit: number): number => Math.floor(random() * limit);
  const bytes = random() < 0.3 ? whole.slice(0, below(whole.length)) : whole.slice();
  if (random() < 0.3) bytes.copyWithin(below(bytes.length), below(bytes.length), below(bytes.length));
  for (let count = below(6); count > 0; count--) bytes.fill(below(256), below(bytes.length), below(bytes.length));
  for (let count = below(8); count > 0; count--) bytes[below(bytes.length)] = below(256);
  return bytes;
}

/** Changes a number in one section and makes all checksums above it right again. */
function forge(bytes: Uint8Array, random: () => number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const tailAt = bytes.length - 64;
  const sections = view.getUint32(tailAt + 24, true);
  const tableAt = tailAt - 32 * sections;
  const row = tableAt + 32 * Math.floor(random() * sections);
  const offset = view.getUint32(row + 8, true);
  const length = view.getUint32(row + 16, true);
  const at = offset + Math.floor((random() * Math.min(length, 600)) / 4) * 4;
  if (random() < 0.15) view.setUint32(row + 8 + 4 * Math.floor(random() * 4), Math.floor(random() * 2 ** 32), true);
  else if (length >= 8 && at + 4 <= offset + length)
    view.setUint32(at, Math.floor(random() * (random() < 0.5 ? 2 ** 32 : 400)), true);
  const fileId = 7;
  mendBlocks(bytes, view, tableAt, sections);
  for (let place = 0; place < sections; place++) {
    const section = tableAt + 32 * place;
    if (view.getUint32(section, true) < 3) continue;
    const from = view.getUint32(section + 8, true);
    const to = from + view.getUint32(section + 16, true);
    if (to <= tableAt) view.setUint32(section + 4, checksumAt(fileId, from, bytes.subarray(from, to)), true);
  }
  view.setUint32(tailAt + 4, checksumAt(fileId, tableAt, bytes.subarray(tableAt, tailAt)), true);
  view.setUint32(tailAt, crc32(bytes.subarray(tailAt + 4)), true);
}

/** Blocks of the data, by what their index says of them. */
function mendBlocks(bytes: Uint8Array, view: DataView, tableAt: number, sections: number): void {
  const sectionAt = (type: number): number => {
    for (let place = 0; place < sections; place++)
      if (view.getUint32(tableAt + 32 * place, true) === type) return view.getUint32(tableAt + 32 * place + 8, true);
    return 0;
  };
  const index = sectionAt(3);
  if (index < 64 || index + 8 > tableAt) return;
  const blocks = view.getUint32(index, true);
  let offset = sectionAt(1);
  for (let place = 0; place < Math.min(blocks, 20); place++) {
    const length = view.getUint32(index + 8 + 4 * place, true);
    if (length < 16 || offset + length > tableAt || index + 8 + 8 * blocks > tableAt) return;
    const checksum = checksumAt(7, offset, bytes.subarray(offset + 4, offset + length));
    view.setUint32(offset, checksum, true);
    view.setUint32(index + 8 + 4 * (blocks + place), checksum, true);
    offset = Math.ceil((offset + length) / 64) * 64;
  }
}
