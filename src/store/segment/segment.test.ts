import { describe, expect, it } from "vitest";
import { seededRandom, utf8 } from "../../base/index.ts";
import { faults, SimDisk } from "../../disk/index.ts";
import { type Entry, handleBytes } from "../entry.ts";
import { Memtable } from "../memtable/memtable.ts";
import { scanEntries } from "../merge/scan.ts";
import { copyOf, plainEntry, randomEntry, randomKey, tombstone, VersionModel } from "../testing/model.ts";
import { folder, opened, withFiles, written } from "../testing/segments.ts";
import { gathered, walked } from "../testing/walk.ts";
import { SegmentWriter } from "./segment-writer.ts";
import { verifySegment } from "./verify.ts";

function modelOf(seed: number, count: number, distinct: number): VersionModel {
  const random = seededRandom(seed);
  const model = new VersionModel();
  for (let sequence = 1; sequence <= count; sequence++)
    model.put(randomEntry(random, randomKey(random, distinct), sequence));
  return model;
}

const numbered = (count: number): Entry[] =>
  Array.from({ length: count }, (_, place) =>
    plainEntry(utf8(String(place).padStart(8, "0")), place + 1, utf8(`value ${place}`.repeat(5))),
  );

describe("a segment", () => {
  it.each([
    { seed: 1, count: 400, distinct: 400, cacheBytes: 2 ** 20 },
    { seed: 2, count: 400, distinct: 6, cacheBytes: 2 ** 20 },
    { seed: 3, count: 300, distinct: 60, cacheBytes: 4_000 },
    { seed: 4, count: 300, distinct: 1_000, cacheBytes: 0 },
  ])("S2: answers as the list of its entries does (seed $seed)", async ({ seed, count, distinct, cacheBytes }) => {
    const model = modelOf(seed, count, distinct);
    const segment = await opened(await written(model.entries), { cacheBytes, readsNow: seed % 2 === 0 });
    const random = seededRandom(seed + 100);
    expect(await walked(segment)).toEqual(model.entries);
    expect(await walked(segment, { reverse: true })).toEqual(model.entries.toReversed());
    for (let turn = 0; turn < 300; turn++) {
      const key = randomKey(random, distinct + 50);
      const atSequence = 1 + Math.floor(random() * count);
      expect(await segment.get(key, atSequence)).toEqual(model.get(key, atSequence));
      expect(await segment.get(key)).toEqual(model.get(key));
    }
    for (let turn = 0; turn < 60; turn++) {
      const pick = (): Uint8Array | undefined => (random() < 0.7 ? randomKey(random, distinct + 50) : undefined);
      const range = { from: pick(), to: pick(), prefix: pick()?.subarray(0, 2), reverse: random() < 0.5 };
      expect(await walked(segment, range)).toEqual(model.walk(range));
      const at = { atSequence: 1 + Math.floor(random() * count), nowMs: 500 };
      expect(await gathered(segment.scan({ ...range, ...at }))).toEqual(model.scan(range, at));
    }
    expect(await verifySegment(segment)).toEqual({ entries: count, damages: [] });
    expect(segment.properties.tombstones).toBe(model.entries.filter(({ kind }) => kind === 3).length);
    expect(await walked(segment.tombstones)).toEqual(model.entries.filter(({ kind }) => kind === 3));
    await segment.close();
  });

  it("S2: finds each version of a key whose versions fill several blocks", async () => {
    const entries = [plainEntry(utf8("a"), 1)];
    for (let sequence = 300; sequence > 1; sequence--)
      entries.push(plainEntry(utf8("b"), sequence, new Uint8Array(90)));
    entries.push(plainEntry(utf8("c"), 1));
    const segment = await opened(await written(entries));
    for (let sequence = 1; sequence <= 301; sequence++)
      expect((await segment.get(utf8("b"), sequence))?.sequence).toBe(
        sequence < 2 ? undefined : Math.min(sequence, 300),
      );
    expect(await verifySegment(segment)).toEqual({ entries: 301, damages: [] });
  });

  it("S2: takes keys of 0 and 65,535 bytes, values of 1 MiB, and blocks of one entry", async () => {
    const long = new Uint8Array(65_535).fill(0x62);
    const entries = [
      plainEntry(new Uint8Array(0), 3, new Uint8Array(2 ** 20).fill(1)),
      { ...plainEntry(long, 2, new Uint8Array(handleBytes)), kind: 2 as const },
      plainEntry(long, 1, new Uint8Array(2 ** 20).fill(2)),
    ];
    const segment = await opened(await written(entries));
    expect(await walked(segment)).toEqual(entries);
    expect((await segment.get(long, 1))?.value.length).toBe(2 ** 20);
    expect((await segment.get(new Uint8Array(0)))?.sequence).toBe(3);
  });

  it("S2: reads the end of the file when it is opened, index and filter once, and one block for a question", async () => {
    const test = await written(numbered(2_000));
    const reads: number[] = [];
    const disk = counting(test.disk, reads);
    const segment = await opened({ ...test, disk });
    const opening = reads.reduce((sum, count) => sum + count, 0);
    expect(opening).toBeLessThan(5_000);
    await segment.load();
    reads.length = 0;
    expect(await segment.get(utf8("00001234"))).toMatchObject({ sequence: 1_235 });
    expect(reads).toHaveLength(1);
    expect(segment.get(utf8("00001234"))).not.toBeInstanceOf(Promise);
    expect(reads).toHaveLength(1);
    expect(reads[0]).toBeLessThan(1_100);
  });

  it("S2: answers without a promise where it may read on the caller's thread", async () => {
    const segment = await opened(await written(numbered(500)), { readsNow: true, cacheBytes: 0 });
    await segment.load();
    for (const number of [0, 100, 499]) {
      const found = segment.get(utf8(String(number).padStart(8, "0")));
      expect(found).toMatchObject({ sequence: number + 1 });
    }
    expect(segment.get(utf8("x"))).toBeUndefined();
  });

  it("S2: concurrent questions for one block share its read", async () => {
    const test = await written(numbered(500));
    const reads: number[] = [];
    const segment = await opened({ ...test, disk: counting(test.disk, reads) });
    await segment.load();
    reads.length = 0;
    const found = await Promise.all(Array.from({ length: 20 }, () => segment.get(utf8("00000100"))));
    expect(new Set(found.map((entry) => entry?.sequence))).toEqual(new Set([101]));
    expect(reads).toHaveLength(1);
  });

  it("S2: a long scan reads many blocks at once, a short one reads one", async () => {
    const test = await written(numbered(20_000));
    const reads: number[] = [];
    const segment = await opened({ ...test, disk: counting(test.disk, reads) }, { cacheBytes: 0 });
    await segment.load();
    reads.length = 0;
    expect(await gathered(segment.scan({ limit: 3 }))).toHaveLength(3);
    expect(reads).toHaveLength(1);
    reads.length = 0;
    expect(await gathered(segment.scan())).toHaveLength(20_000);
    expect(reads.length).toBeLessThan(20);
  });

  it("S2: a scan ends with its signal", async () => {
    const segment = await opened(await written(numbered(5_000)));
    const controller = new AbortController();
    const seen: number[] = [];
    const scan = async (): Promise<void> => {
      for await (const batch of segment.scan({ signal: controller.signal })) {
        seen.push(batch.length);
        controller.abort(new Error("enough"));
      }
    };
    await expect(scan()).rejects.toThrow("enough");
    expect(seen).toHaveLength(1);
  });

  it("S2: keeps sections of others, on 64 bytes, and says which it has", async () => {
    const vectors = new Float32Array([1, 2, 3]);
    const sections = new Map([
      [300, new Uint8Array(vectors.buffer)],
      [256, utf8("graph")],
      [257, new Uint8Array(0)],
    ]);
    const test = await written(numbered(10), { sections });
    const segment = await opened(test);
    expect(segment.sectionTypes).toEqual([300, 256, 257]);
    const bytes = await segment.section(300);
    expect(new Float32Array(bytes!.buffer, bytes!.byteOffset, 3)).toEqual(vectors);
    expect(await segment.section(257)).toHaveLength(0);
    expect(await segment.section(999)).toBeUndefined();
    expect(segment.file.sections.every(({ offset }) => offset % 64 === 0)).toBe(true);
    expect(await verifySegment(segment)).toMatchObject({ damages: [] });
  });

  it("S2: a flushed memtable answers as before", async () => {
    const table = new Memtable();
    const random = seededRandom(5);
    for (let sequence = 1; sequence <= 500; sequence++)
      table.put(randomEntry(random, randomKey(random, 200), sequence));
    const all = await walked(table.freeze());
    const segment = await opened(await written(all));
    for (const entry of all) expect(await segment.get(entry.key, entry.sequence)).toEqual(entry);
    const scans = await Promise.all([scanEntries([table]), scanEntries([segment])].map(gathered));
    expect(scans[0]).toEqual(scans[1]);
  });

  it("S8: a closed segment refuses, and does not say that nothing is there", async () => {
    const segment = await opened(await written(numbered(300)));
    await segment.load();
    await segment.close();
    await expect(async () => await segment.get(utf8("00000001"))).rejects.toMatchObject({ code: "STORE_CLOSED" });
  });
});

describe("the writer of a segment", () => {
  it("refuses entries that are out of order", async () => {
    const disk = new SimDisk();
    await disk.makeFolder(folder);
    await using writer = await SegmentWriter.create({ disk, folder, name: "1.segment", fileId: 1 });
    await writer.add(plainEntry(utf8("b"), 5));
    expect(() => writer.add(plainEntry(utf8("b"), 5))).toThrow("newest first");
    expect(() => writer.add(plainEntry(utf8("b"), 6))).toThrow("newest first");
    expect(() => writer.add(plainEntry(utf8("a"), 1))).toThrow("newest first");
    await writer.add(tombstone(utf8("b"), 4));
  });

  it("leaves no file when it is aborted, abandoned or forgotten", async () => {
    const disk = new SimDisk();
    await disk.makeFolder(folder);
    const controller = new AbortController();
    const options = { disk, folder, name: "1.segment", fileId: 1 };
    const aborted = await SegmentWriter.create({ ...options, signal: controller.signal });
    await aborted.add(plainEntry(utf8("b"), 5));
    controller.abort(new Error("enough"));
    await expect(aborted.finish()).rejects.toThrow("enough");
    expect([...disk.files()]).toEqual([]);
    {
      await using forgotten = await SegmentWriter.create(options);
      await forgotten.add(plainEntry(utf8("b"), 5));
    }
    expect([...disk.files()]).toEqual([]);
    const abandoned = await SegmentWriter.create(options);
    await abandoned.abandon();
    expect(() => abandoned.add(plainEntry(utf8("b"), 5))).toThrow("STORE_CLOSED");
    await expect(abandoned.finish()).rejects.toThrow();
    expect([...disk.files()]).toEqual([]);
  });

  it("writes the same bytes for the same entries", async () => {
    const [one, two] = [await written(numbered(300)), await written(numbered(300).map(copyOf))];
    expect(one.bytes).toEqual(two.bytes);
    expect(one.summary.checksum).toBe(two.summary.checksum);
  });

  it("needs memory for a block, not for all that it writes", async () => {
    const disk = new SimDisk({ faults: [faults.failWrite({ occurrence: 3 })] });
    await disk.makeFolder(folder);
    const writer = await SegmentWriter.create({ disk, folder, name: "1.segment", fileId: 1 });
    const value = new Uint8Array(100_000);
    const write = async (): Promise<void> => {
      for (let sequence = 1; ; sequence++) {
        await writer.add(plainEntry(utf8(String(sequence).padStart(9, "0")), sequence, value));
        expect(writer.entries).toBeLessThan(30);
      }
    };
    await expect(write()).rejects.toMatchObject({ code: "DISK_IO" });
    expect([...disk.files()]).toEqual([]);
  });
});

/** The same disk; notes how many bytes each read asked for. */
function counting(disk: SimDisk, reads: number[]): SimDisk {
  return withFiles(disk, (file) => {
    const readAt = file.readAt.bind(file);
    file.readAt = (bytes, offset) => {
      reads.push(bytes.length);
      return readAt(bytes, offset);
    };
  });
}
