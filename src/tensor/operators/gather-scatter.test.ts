import { describe, expect, it } from "vitest";
import { int, runOperator, string } from "../../../test/support/run-operator.ts";
import { denseConstant } from "../graph/constant.ts";
import type { ConstantData } from "../graph/graph.ts";

const f32 = (shape: readonly number[], ...elements: number[]): ConstantData =>
  denseConstant("float32", shape, elements);
const i64 = (shape: readonly number[], ...elements: number[]): ConstantData =>
  denseConstant("int64", shape, elements.map(BigInt));

describe("gathering", () => {
  const data = f32([3, 2], 0, 1, 2, 3, 4, 5);

  it("counts from the end, and clamps indices that lie outside", () => {
    expect(runOperator("Gather", [data, i64([3], -1, 99, -99)], { runtime: [1] })[0]!.elements).toEqual([
      4, 5, 4, 5, 0, 1,
    ]);
    const [elements] = runOperator("GatherElements", [data, i64([1, 2], -1, 7)], { runtime: [1] });
    expect(elements!.elements).toEqual([4, 5]);
    expect(runOperator("GatherND", [data, i64([2, 2], -1, -1, 9, -9)], { runtime: [1] })[0]!.elements).toEqual([5, 4]);
  });

  it("takes a scalar index away from the shape", () => {
    const [column] = runOperator("Gather", [data, i64([], 1)], { attributes: { axis: int(-1) } });
    expect(column).toEqual({ type: "float32", shape: [3], elements: [1, 3, 5] });
  });

  it("refuses shapes that do not fit, and reading from nothing", () => {
    expect(() => runOperator("Gather", [f32([0, 2]), i64([1], 0)])).toThrow(/TENSOR_SHAPE_MISMATCH/);
    expect(() => runOperator("GatherElements", [data, i64([1], 0)])).toThrow(/TENSOR_SHAPE_MISMATCH/);
    expect(() => runOperator("GatherND", [data, i64([1, 3], 0, 0, 0)])).toThrow(/TENSOR_SHAPE_MISMATCH/);
    expect(() => runOperator("Gather", [data, f32([1], 0)])).toThrow(/TENSOR_UNSUPPORTED_TYPE/);
    expect(() => runOperator("Gather", [data, i64([1], 0)], { attributes: { axis: int(2) } })).toThrow(/axis 2/);
  });
});

describe("scattering", () => {
  it("lets the last update win, and clamps", () => {
    const [result] = runOperator("ScatterElements", [
      f32([4], 0, 0, 0, 0),
      i64([4], 1, 1, -1, 77),
      f32([4], 5, 6, 7, 8),
    ]);
    expect(result!.elements).toEqual([0, 6, 0, 8]);
  });

  it("joins updates of one place", () => {
    const inputs = [
      denseConstant("int8", [2], [100, 3]),
      i64([3, 1], 0, 0, 1),
      denseConstant("int8", [3], [20, 20, -4]),
    ];
    const joined = (reduction: string): unknown =>
      runOperator("ScatterND", inputs, { attributes: { reduction: string(reduction) } })[0]!.elements;
    expect(joined("add")).toEqual([-116, -1]);
    expect(joined("mul")).toEqual([64, -12]);
    expect(joined("min")).toEqual([20, -4]);
    expect(joined("max")).toEqual([100, 3]);
    expect(() => joined("median")).toThrow(/TENSOR_BAD_ATTRIBUTE/);
  });

  it("refuses updates of another shape or type", () => {
    const data = f32([2, 2], 0, 0, 0, 0);
    expect(() => runOperator("ScatterND", [data, i64([1, 1], 0), f32([1], 1)])).toThrow(/TENSOR_SHAPE_MISMATCH/);
    expect(() => runOperator("ScatterElements", [data, i64([1, 1], 0), i64([1, 1], 1)])).toThrow(/TENSOR_BAD_INPUT/);
    expect(() => runOperator("ScatterElements", [data, i64([1, 3], 0, 0, 0), f32([1, 3], 1, 1, 1)])).toThrow(
      /TENSOR_SHAPE_MISMATCH/,
    );
  });
});
