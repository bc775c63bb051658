/** A sample of what `npm run fuzz:store -- --flips` does with every byte. */
import { beforeAll, describe, expect, it } from "vitest";
import { type FlipStore, makeFlipStore } from "./flip-store.ts";
import { flipBytes } from "./flips.ts";

let store: FlipStore;

beforeAll(async () => {
  store = await makeFlipStore({ scale: 0.4 });
});

describe("a store of which one byte was changed", () => {
  it("S8: answers rightly, or with an error that names the file and the place", { timeout: 60_000 }, async () => {
    const { counts, faults } = await flipBytes(store, { stride: 83, start: 5, mendEach: Number.POSITIVE_INFINITY });
    expect(faults).toEqual([]);
    expect(counts.flips).toBeGreaterThan(2_000);
    expect(counts.refused).toBeGreaterThan(20);
    expect(counts.partly).toBeGreaterThan(counts.flips / 3);
  });

  it("S8: is mended: what can be read stays, what is lost is named, and no merge changes that", {
    timeout: 60_000,
  }, async () => {
    const { counts, faults } = await flipBytes(store, { stride: 6_007, start: 11, mendEach: 1 });
    expect(faults).toEqual([]);
    expect(counts.mended).toBeGreaterThan(20);
    expect(counts.mendedWhole).toBeGreaterThan(5);
    expect(counts.mendedRight).toBeGreaterThan(counts.mendedLost * 4);
  });
});
