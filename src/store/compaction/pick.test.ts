import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { seededRandom, utf8 } from "../../base/index.ts";
import type { ManifestFile } from "../manifest/state.ts";
import { contentFile, segmentFile } from "../testing/manifests.ts";
import { type PickOptions, pickCompaction, pickEverything, pickOnly, segmentsByAge } from "./pick.ts";

/** Entries of a segment by key: the sequence number, negative for a tombstone. */
type Versions = ReadonlyMap<number, number>;

const entryBytes = 1_000;

/** Flushes and merges without files: what there is, what was written, and whether lookups would still be right. */
class Shelf {
  files: ManifestFile[] = [];
  readonly #versions = new Map<number, Versions>();
  readonly #newest = new Map<number, number>();
  #sequence = 0;
  #lastId = 0;
  flushedEntries = 0;
  mergedEntries = 0;
  mostFiles = 0;
  merges = 0;

  /** Keys; a negative number deletes its opposite. */
  flush(keys: Iterable<number>): void {
    const versions = new Map<number, number>();
    for (const key of keys) versions.set(Math.abs(key), Math.sign(key || 1) * ++this.#sequence);
    for (const [key, sequence] of versions) this.#newest.set(key, sequence);
    this.flushedEntries += versions.size;
    this.#add(versions, 0);
    this.mostFiles = Math.max(this.mostFiles, this.files.length);
  }

  /** Merges until nothing is left to do. */
  settle(options: PickOptions = {}): void {
    for (let rounds = 0; this.mergeOnce(options); rounds++) expect(rounds).toBeLessThan(60);
  }

  mergeOnce(options: PickOptions = {}): boolean {
    const picked = pickCompaction(this.files, options);
    if (picked === undefined) return false;
    const merged = new Map<number, number>();
    for (const { id } of picked.inputs.toReversed())
      for (const [key, sequence] of this.#versions.get(id)!) merged.set(key, sequence);
    if (picked.isBottom) for (const [key, sequence] of merged) if (sequence < 0) merged.delete(key);
    this.files = this.files.filter((file) => !picked.inputs.includes(file));
    for (const { id } of picked.inputs) this.#versions.delete(id);
    this.mergedEntries += merged.size;
    this.merges++;
    this.#add(merged, picked.level);
    return true;
  }

  /** The first segment that knows a key knows its newest version, and what was deleted stays so. */
  check(): void {
    const byAge = segmentsByAge(this.files);
    for (const [key, sequence] of this.#newest) {
      const found = byAge.map(({ id }) => this.#versions.get(id)!.get(key)).find((one) => one !== undefined);
      if (sequence > 0) expect(found).toBe(sequence);
      else expect([sequence, undefined]).toContain(found);
    }
  }

  get amplification(): number {
    return (this.flushedEntries + this.mergedEntries) / this.flushedEntries;
  }

  #add(versions: Versions, level: number): void {
    if (versions.size === 0) return;
    const keys = [...versions.keys()];
    const sequences = [...versions.values()].map(Math.abs);
    const [smallest, largest] = [keys.reduce((a, b) => Math.min(a, b)), keys.reduce((a, b) => Math.max(a, b))];
    const id = ++this.#lastId;
    this.#versions.set(id, versions);
    this.files.push({
      ...segmentFile(id, level),
      sizeBytes: versions.size * entryBytes,
      entries: versions.size,
      tombstones: [...versions.values()].filter((sequence) => sequence < 0).length,
      smallestKey: keyBytes(smallest),
      largestKey: keyBytes(largest),
      smallestSequence: sequences.reduce((a, b) => Math.min(a, b)),
      largestSequence: sequences.reduce((a, b) => Math.max(a, b)),
    });
  }
}

const keyBytes = (key: number): Uint8Array => utf8(String(key).padStart(9, "0"));
const between = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, place) => from + place);

describe("what is merged next", () => {
  it("S4: four flushes, then four of what came of them, and nothing else", () => {
    const shelf = new Shelf();
    for (let flush = 0; flush < 3; flush++) shelf.flush(between(flush * 10, flush * 10 + 10));
    expect(pickCompaction([...shelf.files, contentFile(99)])).toBeUndefined();
    shelf.flush(between(30, 40));
    const picked = pickCompaction(shelf.files);
    expect(picked?.inputs.map(({ id }) => id)).toEqual([4, 3, 2, 1]);
    expect(picked).toMatchObject({ level: 1, isBottom: true });
    for (let flush = 4; flush < 16; flush++) {
      shelf.settle();
      shelf.flush(between(flush * 10, flush * 10 + 10));
    }
    shelf.settle();
    expect(shelf.files.map(({ level, entries }) => [level, entries])).toEqual([[2, 160]]);
  });

  it("S4: keeps lookups right and comes to rest, whatever is flushed and however many merges are behind", () => {
    let merges = 0;
    const keys = fc.array(fc.integer({ min: -30, max: 30 }), { maxLength: 12 });
    fc.assert(
      fc.property(fc.array(fc.tuple(keys, fc.integer({ min: 0, max: 3 })), { maxLength: 60 }), (steps) => {
        const shelf = new Shelf();
        for (const [flushedKeys, count] of steps) {
          shelf.flush(flushedKeys);
          for (let turn = 0; turn < count; turn++) shelf.mergeOnce();
          shelf.check();
        }
        shelf.settle();
        shelf.check();
        expect(segmentsByAge(shelf.files).map(({ level }) => level)).toEqual(
          shelf.files.map(({ level }) => level).sort((a, b) => a - b),
        );
        merges += shelf.merges;
      }),
      { numRuns: 150 },
    );
    expect(merges).toBeGreaterThan(300);
  });

  it("S7: writes what is inserted fewer than five times, and holds at most 12 segments for a million items", () => {
    const million = new Shelf();
    for (let flush = 0; flush < 100; flush++) {
      million.flush(between(flush * 100, flush * 100 + 100));
      million.settle();
    }
    expect(million.mostFiles).toBeLessThanOrEqual(12);
    const long = new Shelf();
    for (let flush = 0; flush < 1_000; flush++) {
      long.flush(between(flush * 20, flush * 20 + 20));
      long.settle();
    }
    expect(long.amplification).toBeLessThan(5);
    expect(long.mostFiles).toBeLessThanOrEqual(15);
  });

  it("S7: holds no more segments for being overwritten, however often", () => {
    const random = seededRandom(5);
    const figures = [20, 200, 2_000].map((keys) => {
      const shelf = new Shelf();
      for (let flush = 0; flush < 1_000; flush++) {
        shelf.flush(between(0, 20).map(() => Math.floor(random() * keys)));
        shelf.settle();
      }
      shelf.check();
      return [keys, shelf.mostFiles, Number(shelf.amplification.toFixed(1))] as const;
    });
    for (const [, mostFiles, amplification] of figures) {
      expect(mostFiles).toBeLessThanOrEqual(14);
      expect(amplification).toBeLessThan(5);
    }
  });

  it("S4: carries tombstones to what they delete where that pays, down to nothing", () => {
    const shelf = new Shelf();
    shelf.flush(between(0, 100));
    shelf.flush(between(200, 202));
    shelf.flush(between(1, 11).map((key) => -key));
    shelf.settle();
    expect(shelf.files.map(({ tombstones, entries }) => [tombstones, entries])).toEqual([
      [0, 100],
      [10, 12],
    ]);
    shelf.flush(between(11, 60).map((key) => -key));
    shelf.settle();
    shelf.check();
    expect(shelf.files.map(({ tombstones, entries }) => [tombstones, entries])).toEqual([[0, 43]]);
  });

  it("S8: lets tombstones of a damaged segment alone, and never takes it for the bottom", () => {
    const old: ManifestFile = { ...segmentFile(1), tombstones: 9, smallestSequence: 1, largestSequence: 5 };
    expect(pickCompaction([old])).toMatchObject({ inputs: [old], isBottom: true });
    expect(pickCompaction([old], { lost: new Set([1]) })).toBeUndefined();
    const elsewhere = { smallestKey: utf8("zz1"), largestKey: utf8("zz2"), smallestSequence: 6, largestSequence: 9 };
    const newer: ManifestFile = { ...segmentFile(2), ...elsewhere, tombstones: 9 };
    const clean = { ...old, tombstones: 0 };
    expect(pickCompaction([clean, newer])).toMatchObject({ inputs: [newer], isBottom: true });
    expect(pickCompaction([clean, newer], { lost: new Set([1]) })).toMatchObject({ inputs: [newer, clean] });
  });

  it("S1: writes a segment anew whose entries expired an hour ago", () => {
    const file = { ...segmentFile(1), tombstones: 0 };
    const expiringOf = () => ({ expiring: 6, earliestExpiryMs: 1_000 });
    expect(pickCompaction([file], { nowMs: 3_600_999, expiringOf })).toBeUndefined();
    expect(pickCompaction([file], { nowMs: 3_601_000, expiringOf })).toMatchObject({ inputs: [file], level: 0 });
    expect(pickCompaction([file], { nowMs: 3_601_000 })).toBeUndefined();
    const few = () => ({ expiring: 4, earliestExpiryMs: 1_000 });
    expect(pickCompaction([file], { nowMs: 3_601_000, expiringOf: few })).toBeUndefined();
  });

  it("S5: picks nothing of a job that is under way, and goes on beside it", () => {
    const shelf = new Shelf();
    for (let flush = 0; flush < 4; flush++) shelf.flush(between(flush * 10, flush * 10 + 10));
    const first = pickCompaction(shelf.files)!;
    const busy = new Set(first.inputs.map(({ id }) => id));
    expect(pickCompaction(shelf.files, { busy })).toBeUndefined();
    expect(pickEverything(shelf.files, { busy })).toBeUndefined();
    for (let flush = 4; flush < 8; flush++) shelf.flush(between(flush * 10, flush * 10 + 10));
    const second = pickCompaction(shelf.files, { busy })!;
    expect(second.inputs.map(({ id }) => id)).toEqual([8, 7, 6, 5]);
    expect(pickEverything(shelf.files)).toMatchObject({ isBottom: true, level: 1 });
    expect(pickEverything(shelf.files)?.inputs).toHaveLength(8);
    expect(pickEverything([])).toBeUndefined();
  });

  it("S4: writes anew the wanted ones alone, neighbours together, and says which of these are at the bottom", () => {
    const shelf = new Shelf();
    for (let flush = 0; flush < 6; flush++) shelf.flush(between(flush * 10, flush * 10 + 15));
    const picked = pickOnly(shelf.files, new Set([6, 4, 3, 1]));
    expect(picked.map(({ inputs, level, isBottom }) => [inputs.map(({ id }) => id), level, isBottom])).toEqual([
      [[6], 0, false],
      [[4, 3], 1, false],
      [[1], 0, true],
    ]);
    expect(pickOnly(shelf.files, new Set())).toEqual([]);
    expect(pickOnly([], new Set([1]))).toEqual([]);
  });

  it("S4: takes no more than eight at once, the oldest of them", () => {
    const shelf = new Shelf();
    for (let flush = 0; flush < 11; flush++) shelf.flush(between(flush * 10, flush * 10 + 10));
    expect(pickCompaction(shelf.files)?.inputs.map(({ id }) => id)).toEqual([8, 7, 6, 5, 4, 3, 2, 1]);
  });

  it("S2: refuses segments of which nobody could say which is the newer one", () => {
    const files = [segmentFile(1), segmentFile(5)];
    expect(() => pickCompaction(files)).toThrow("hold different spans of the log");
  });
});
