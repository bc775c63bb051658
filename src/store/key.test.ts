import { describe, expect, it } from "vitest";
import { seededRandom } from "../base/index.ts";
import { afterPrefix, boundsOf, compareKeys, hashKey, separatorOf } from "./key.ts";
import { randomKey } from "./testing/model.ts";

describe("keys", () => {
  it("S1: are ordered as unsigned bytes, the shorter first", () => {
    const random = seededRandom(1);
    for (let turn = 0; turn < 3_000; turn++) {
      const [a, b] = [randomKey(random, 500), randomKey(random, 500)];
      expect(Math.sign(compareKeys(a, b))).toBe(Buffer.compare(a, b));
    }
  });

  it("S1: a separator is after what is before, not after what follows, and not longer", () => {
    const random = seededRandom(2);
    for (let turn = 0; turn < 3_000; turn++) {
      const [before, after] = [randomKey(random, 2_000), randomKey(random, 2_000)].sort(compareKeys);
      if (compareKeys(before, after) === 0) continue;
      const separator = separatorOf(before, after);
      expect(compareKeys(before, separator)).toBeLessThan(0);
      expect(compareKeys(separator, after)).toBeLessThanOrEqual(0);
      expect(separator.length).toBeLessThanOrEqual(after.length);
    }
  });

  it("S1: a prefix narrows a range from both sides", () => {
    const key = (...bytes: number[]): Uint8Array => Uint8Array.from(bytes);
    expect(afterPrefix(key(1, 0xff))).toEqual(key(2));
    expect(afterPrefix(key(0xff, 0xff))).toBeUndefined();
    expect(boundsOf({ from: key(1), to: key(9), prefix: key(5) })).toEqual({ from: key(5), to: key(6) });
    expect(boundsOf({ from: key(5, 3), to: key(5, 7), prefix: key(5) })).toEqual({ from: key(5, 3), to: key(5, 7) });
  });

  it("S2: have hashes that are part of the format, and that differ in all bits", () => {
    const hash = new Uint32Array(2);
    hashKey(new TextEncoder().encode("holdfast"), hash);
    expect([...hash].map((half) => half.toString(16))).toEqual(["93ce7d3", "d85e8372"]);
    const counts = new Uint32Array(64);
    const seen = new Set<string>();
    for (let number = 0; number < 20_000; number++) {
      hashKey(new TextEncoder().encode(`user:${number}`), hash);
      seen.add(hash.join());
      for (let bit = 0; bit < 64; bit++) counts[bit] += (hash[bit >>> 5] >>> (bit & 31)) & 1;
    }
    expect(seen.size).toBe(20_000);
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500);
  });
});
