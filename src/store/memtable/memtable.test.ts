import { describe, expect, it } from "vitest";
import { seededRandom, utf8, utf8Text } from "../../base/index.ts";
import { scanEntries } from "../merge/scan.ts";
import { copyOf, plainEntry, randomEntry, randomKey, tombstone, VersionModel } from "../testing/model.ts";
import { gathered, rest, walked } from "../testing/walk.ts";
import { Memtable } from "./memtable.ts";

const textsOf = (entries: readonly { readonly key: Uint8Array }[]): string[] => entries.map(({ key }) => utf8Text(key));

describe("a memtable", () => {
  it.each([1, 2, 3, 4])("S1: answers as a list of all versions does, whatever is written (seed %i)", async (seed) => {
    const random = seededRandom(seed);
    const table = new Memtable();
    const model = new VersionModel();
    const pick = (): Uint8Array => randomKey(random, 300);
    for (let sequence = 1; sequence <= 900; sequence++) {
      const entry = randomEntry(random, pick(), sequence);
      table.put(entry);
      model.put(entry);
      const key = pick();
      const atSequence = 1 + Math.floor(random() * sequence);
      expect(table.get(key, atSequence)).toEqual(model.get(key, atSequence));
      if (sequence % 60 !== 0) continue;
      const range = { from: pick(), to: random() < 0.5 ? pick() : undefined, reverse: random() < 0.5 };
      expect(await walked(table, range)).toEqual(model.walk(range));
      const prefix = { prefix: pick().subarray(0, 2), reverse: random() < 0.5 };
      const at = { atSequence, nowMs: 500 };
      expect(await gathered(scanEntries([table], { ...prefix, ...at }))).toEqual(model.scan(prefix, at));
    }
    expect(table.entries).toBe(900);
    expect(table.keys).toBe(new Set(model.entries.map(({ key }) => key.join())).size);
    expect(table.tombstones).toBe(model.entries.filter(({ kind }) => kind === 3).length);
    expect(table.sequences).toEqual({ smallest: 1, largest: 900 });
  });

  it("S1: is walked as it was when the walk began, forwards and backwards, while writes go on", async () => {
    const table = new Memtable();
    const random = seededRandom(9);
    const model = new VersionModel();
    for (let sequence = 1; sequence <= 2_000; sequence++) {
      const entry = plainEntry(utf8(String(Math.floor(random() * 1_500))), sequence, utf8(String(sequence)));
      table.put(entry);
      model.put(entry);
    }
    for (const reverse of [false, true]) {
      const before = model.walk({ reverse });
      const cursor = table.cursor({ reverse });
      cursor.advance();
      const first = copyOf(cursor.entry());
      let sequence = table.sequences.largest;
      for (let count = 0; count < 5_000; count++) {
        const entry = plainEntry(utf8(String(Math.floor(random() * 9_000))), ++sequence);
        table.put(entry);
        model.entries.push(entry);
      }
      expect([first, ...(await rest(cursor))]).toEqual(before);
      model.entries.sort((a, b) => Buffer.compare(a.key, b.key) || b.sequence - a.sequence);
    }
  });

  it("S1: keeps its order over many keys, in whatever order they come", async () => {
    const numbers = Array.from({ length: 20_000 }, (_, place) => (place * 7_919) % 20_000);
    for (const order of [numbers, numbers.toSorted((a, b) => a - b), numbers.toSorted((a, b) => b - a)]) {
      const table = new Memtable();
      for (const [place, number] of order.entries())
        table.put(plainEntry(utf8(String(number).padStart(6, "0")), place + 1));
      const keys = textsOf(await walked(table));
      expect(keys).toEqual(numbers.toSorted((a, b) => a - b).map((number) => String(number).padStart(6, "0")));
    }
  });

  it("S1: takes keys and values of any length, in chunks and beyond them", () => {
    const table = new Memtable();
    const lengths = [0, 1, 23, 24, 25, 65_535];
    for (const [place, length] of lengths.entries()) {
      const value = new Uint8Array(place === 2 ? 2 ** 20 : length).fill(place);
      table.put(plainEntry(new Uint8Array(length).fill(7), place + 1, value));
    }
    for (const [place, length] of lengths.entries()) {
      const found = table.get(new Uint8Array(length).fill(7));
      expect(found?.sequence).toBe(place + 1);
      expect(found?.value.length).toBe(place === 2 ? 2 ** 20 : length);
      expect(found?.value.every((byte) => byte === place)).toBe(true);
    }
    expect(table.usedBytes).toBeGreaterThan(2 ** 20);
    expect(table.allocatedBytes).toBeLessThan(2 ** 21);
  });

  it("S1: a tombstone is an answer, and hides nothing from an older snapshot", () => {
    const table = new Memtable();
    table.put(plainEntry(utf8("a"), 1, utf8("x")));
    table.put(tombstone(utf8("a"), 2));
    expect(table.get(utf8("a"))).toMatchObject({ kind: 3, sequence: 2 });
    expect(table.get(utf8("a"), 1)).toMatchObject({ kind: 1, sequence: 1 });
    expect(table.get(utf8("a"), 0)).toBeUndefined();
    expect(table.get(utf8("b"))).toBeUndefined();
  });

  it("refuses what would break its order, and everything once it is frozen", () => {
    const table = new Memtable();
    table.put(plainEntry(utf8("a"), 5));
    expect(() => table.put(plainEntry(utf8("a"), 5))).toThrow("later sequence number");
    expect(() => table.put(plainEntry(new Uint8Array(65_536), 6))).toThrow("65,535");
    expect(() => table.put({ ...plainEntry(utf8("b"), 6), kind: 2 })).toThrow("24 bytes");
    table.freeze();
    expect(() => table.put(plainEntry(utf8("b"), 6))).toThrow("frozen");
    expect(table.get(utf8("a"))?.sequence).toBe(5);
  });
});
