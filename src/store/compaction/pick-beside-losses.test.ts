import { describe, expect, it } from "vitest";
import { utf8 } from "../../base/index.ts";
import type { ManifestFile } from "../manifest/state.ts";
import { pickBesideLosses } from "./pick-beside-losses.ts";

/** Number 1 is the oldest. */
function segment(id: number): ManifestFile {
  return {
    ...{ id, kind: "segment", level: 0, sizeBytes: 1_000, checksum: 0, entries: 10, tombstones: 1 },
    ...{ smallestKey: utf8("a"), largestKey: utf8("z"), smallestSequence: id * 10, largestSequence: id * 10 + 9 },
  };
}

function picked(count: number, lost: readonly number[]): (readonly [number[], boolean])[] {
  const files = Array.from({ length: count }, (_, place) => segment(place + 1));
  return pickBesideLosses(files, new Set(lost)).map(({ inputs, isBottom }) => [inputs.map(({ id }) => id), isBottom]);
}

describe("a compaction of everything", () => {
  it("S4: is one merge where nothing was lost", () => {
    expect(picked(4, [])).toEqual([[[4, 3, 2, 1], true]]);
    expect(picked(1, [])).toEqual([[[1], true]]);
    expect(picked(0, [])).toEqual([]);
  });

  it("S8: merges what was lost of with newer ones only, and drops no deletion above older ones", () => {
    expect(picked(5, [3])).toEqual([
      [[5, 4, 3], false],
      [[2, 1], true],
    ]);
    expect(picked(3, [3])).toEqual([[[2, 1], true]]);
    expect(picked(3, [3, 2])).toEqual([[[1], true]]);
    expect(picked(3, [1])).toEqual([[[3, 2, 1], expect.any(Boolean)]]);
    expect(picked(1, [1])).toEqual([]);
  });
});
