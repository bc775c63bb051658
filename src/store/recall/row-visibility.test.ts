import { describe, expect, it } from "vitest";
import { seededRandom } from "../../base/index.ts";
import { bothOf, RowVisibility } from "./row-visibility.ts";

interface Plain {
  readonly sequence: number;
  readonly expiryMs: number;
  hiddenBy: number;
}

function rowsIn(bits: Uint32Array | undefined, count: number): number[] {
  const all = Array.from({ length: count }, (_, row) => row);
  return bits === undefined ? all : all.filter((row) => ((bits[row >>> 5]! >>> (row & 31)) & 1) === 1);
}

describe("what a reader sees of rows", () => {
  it("S1: is what was written until then, not hidden until then, and not expired, whatever the order of asking", () => {
    for (let seed = 1; seed <= 40; seed++) {
      const random = seededRandom(seed);
      const below = (limit: number): number => Math.floor(random() * limit);
      const visibility = new RowVisibility(below(3) * 40);
      const plain: Plain[] = [];
      for (let turn = 0; turn < 400; turn++) {
        const what = random();
        if (what < 0.4) {
          const row = { sequence: 1 + below(60), expiryMs: random() < 0.3 ? 1 + below(50) : 0, hiddenBy: Infinity };
          visibility.add(row.sequence, row.expiryMs);
          plain.push(row);
        } else if (what < 0.7 && plain.length > 0) {
          const [row, by] = [below(plain.length), below(80)];
          visibility.hide(row, by);
          if (by > plain[row]!.sequence) plain[row]!.hiddenBy = Math.min(plain[row]!.hiddenBy, by);
        } else if (what < 0.72 && plain.length > 0) {
          const row = below(plain.length);
          visibility.retire(row);
          plain[row]!.hiddenBy = plain[row]!.sequence;
        }
        const [sequence, nowMs] = [random() < 0.3 ? 100 : 20 + below(3), below(60)];
        const seen = plain.flatMap(({ sequence: from, expiryMs, hiddenBy }, row) =>
          from <= sequence && hiddenBy > sequence && (expiryMs === 0 || expiryMs > nowMs) ? [row] : [],
        );
        expect(rowsIn(visibility.at(sequence, nowMs), plain.length)).toEqual(seen);
        expect(visibility.count).toBe(plain.length);
      }
    }
  });

  it("costs no bitmap while all rows are to be seen", () => {
    const visibility = new RowVisibility(1);
    visibility.add(1, 0);
    visibility.add(2, 5);
    expect([visibility.at(2, 4), visibility.at(9, 0)]).toEqual([undefined, undefined]);
    expect(rowsIn(visibility.at(1, 4), 2)).toEqual([0]);
    expect(rowsIn(visibility.at(2, 5), 2)).toEqual([0]);
  });

  it("of two bitmaps is what both have; none stands for all", () => {
    const [a, b] = [Uint32Array.of(6, 1), Uint32Array.of(3)];
    expect(bothOf(a, b)).toEqual(Uint32Array.of(2));
    expect([bothOf(a, undefined), bothOf(undefined, b), bothOf(undefined, undefined)]).toEqual([a, b, undefined]);
  });
});
