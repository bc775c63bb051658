import { describe, expect, it } from "vitest";
import { utf8 } from "../../base/index.ts";
import { hashKey } from "../key.ts";
import { bitsPerKey, decodeFilter, FilterBuilder } from "./filter.ts";

const hash = new Uint32Array(2);
const hashOf = (key: string): [number, number] => {
  hashKey(utf8(key), hash);
  return [hash[0], hash[1]];
};

describe("a filter", () => {
  it.each([1, 10, 1_000, 100_000])("S2: of %i keys holds them all, and few others", (count) => {
    const builder = new FilterBuilder();
    for (let number = 0; number < count; number++) builder.add(...hashOf(`key/${number}`));
    const bytes = builder.finish();
    expect(bytes.length).toBeLessThanOrEqual((count * bitsPerKey) / 8 + 32);
    const filter = decodeFilter(bytes)!;
    let missed = 0;
    for (let number = 0; number < count; number++) if (!filter.mayHold(...hashOf(`key/${number}`))) missed++;
    expect(missed).toBe(0);
    let wrong = 0;
    for (let number = 0; number < 50_000; number++) if (filter.mayHold(...hashOf(`other/${number}`))) wrong++;
    expect(wrong / 50_000).toBeLessThan(0.008);
  });

  it("S8: of an impossible length is none", () => {
    expect(decodeFilter(new Uint8Array(0))).toBeUndefined();
    expect(decodeFilter(new Uint8Array(33))).toBeUndefined();
  });
});
