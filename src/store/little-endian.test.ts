import { describe, expect, it } from "vitest";
import { utf8 } from "../base/index.ts";
import { checksumAt, readU64, viewOf, writeU64 } from "./little-endian.ts";

describe("numbers and checksums of the store's files", () => {
  it("S8: binds every checksum to the file and to the place", () => {
    const bytes = utf8("the same bytes");
    const sums = [
      checksumAt(1, 64, bytes),
      checksumAt(2, 64, bytes),
      checksumAt(1, 128, bytes),
      checksumAt(1, 64, bytes),
    ];
    expect(new Set(sums).size).toBe(3);
    expect(sums[0]).toBe(sums[3]);
    expect(checksumAt(2 ** 40, 64, bytes)).not.toBe(checksumAt(0, 64, bytes));
  });

  it("S8: has no number that a double cannot hold", () => {
    const view = viewOf(new Uint8Array(8));
    for (const value of [0, 1, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
      writeU64(view, 0, value);
      expect(readU64(view, 0)).toBe(value);
    }
    expect(() => writeU64(view, 0, 2 ** 53)).toThrow("safe integer");
    view.setBigUint64(0, 2n ** 53n, true);
    expect(readU64(view, 0)).toBeNaN();
  });
});
