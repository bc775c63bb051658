import { expect, it } from "vitest";
import { IndexCore } from "./index-core.ts";
import { settingsOf } from "./options.ts";
import { restoreReach, unreachableRows } from "./reach.ts";

/** Five rows on a line with the links given, in a graph of four links a row. */
function coreOf(links: readonly (readonly number[])[]): IndexCore {
  const settings = settingsOf({ dimension: 1, metric: "l2", connectivity: 2, exactBelow: 0 });
  const core = new IndexCore(settings, links.length);
  for (const [row, to] of links.entries()) {
    core.add(row, Float32Array.of(row));
    core.graph.append(0);
    core.graph.link(row, 0, Uint32Array.from(to), to.length);
  }
  core.graph.entry = 0;
  return core;
}

it("S3: a row that nothing leads to takes a free place of the nearest that has one", () => {
  const core = coreOf([[1, 2], [0], [0, 3], [2], [2]]);
  expect(unreachableRows(core)).toEqual([4]);
  for (const _ of restoreReach(core));
  expect(unreachableRows(core)).toEqual([]);
  expect([...core.graph.base.subarray(3 * 4, 3 * 4 + 2)]).toEqual([2, 4]);
});

it("S3: where all places are taken, it comes in between two rows, and neither is lost", () => {
  // The only way to row 5 is the last link of row 0, which is the nearest to row 6.
  const core = coreOf([
    [1, 2, 3, 5],
    [0, 2, 3, 4],
    [0, 1, 3, 4],
    [0, 1, 2, 4],
    [0, 1, 2, 3],
    [0, 1, 2, 3],
    [1, 2, 3, 4],
  ]);
  core.column.vectorAt(6).fill(-1);
  expect(unreachableRows(core)).toEqual([6]);
  for (const _ of restoreReach(core));
  expect(unreachableRows(core)).toEqual([]);
  expect(core.graph.base[3]).toBe(6);
});

it("S3: a deleted row needs no way to it, but is one to others", () => {
  const core = coreOf([[1], [2], [3], [0], [0]]);
  core.delete(1);
  core.delete(4);
  expect(unreachableRows(core)).toEqual([]);
  const before = core.graph.base.slice();
  for (const _ of restoreReach(core));
  expect(core.graph.base).toEqual(before);
});
