import { describe, expect, it } from "vitest";
import { int, runOperator } from "../../../test/support/run-operator.ts";
import { denseConstant, int64Constant } from "../graph/constant.ts";

describe("TopK", () => {
  it("orders equal elements by their place and counts NaN as greatest", () => {
    const input = denseConstant("float32", [6], [2, 5, Number.NaN, 5, -1, 7]);
    const [values, places] = runOperator("TopK", [input, int64Constant([1], [4])], { outputs: 2 });
    expect(values!.elements).toEqual([Number.NaN, 7, 5, 5]);
    expect(places!.elements).toEqual([2n, 5n, 1n, 3n]);
  });

  it("takes the least of integers along an outer axis", () => {
    const input = denseConstant("int32", [3, 2], [4, 1, 2, 9, 3, 0]);
    const [values, places] = runOperator("TopK", [input, int64Constant([1], [2])], {
      outputs: 2,
      attributes: { axis: int(0), largest: int(0) },
    });
    expect(values!.elements).toEqual([2, 0, 3, 1]);
    expect(places!.elements).toEqual([1n, 2n, 2n, 0n]);
  });

  it("rejects a count that is only known when running", () => {
    const input = denseConstant("float32", [2], [1, 2]);
    expect(() => runOperator("TopK", [input, int64Constant([1], [1])], { runtime: [1] })).toThrow(
      expect.objectContaining({ code: "TENSOR_DYNAMIC" }),
    );
  });
});
