import { describe, expect, it } from "vitest";
import { int, runOperator } from "../../../test/support/run-operator.ts";
import { denseConstant } from "../graph/constant.ts";
import type { ConstantData } from "../graph/graph.ts";

const i64 = (shape: readonly number[], ...elements: number[]): ConstantData =>
  denseConstant("int64", shape, elements.map(BigInt));
const f32 = (...elements: number[]): ConstantData => denseConstant("float32", [elements.length], elements);

describe("Range", () => {
  it("runs upwards, downwards, and nowhere", () => {
    expect(runOperator("Range", [i64([], 5), i64([], -2), i64([], -3)])[0]!.elements).toEqual([5n, 2n, -1n]);
    expect(runOperator("Range", [i64([], 5), i64([], 9), i64([], -1)])[0]!.shape).toEqual([0]);
  });

  it("refuses no step, no end, and ends known only when running", () => {
    expect(() => runOperator("Range", [i64([], 0), i64([], 9), i64([], 0)])).toThrow(/TENSOR_BAD_INPUT.*step/);
    const one = (value: number): ConstantData => denseConstant("float32", [], [value]);
    expect(() => runOperator("Range", [one(0), one(Infinity), one(1)])).toThrow(/TENSOR_BAD_INPUT.*end/);
    expect(() => runOperator("Range", [one(0), one(9), one(1)], { runtime: [1] })).toThrow(/TENSOR_DYNAMIC/);
    expect(() => runOperator("Range", [i64([], 0), i64([], 2 ** 40), i64([], 1)])).toThrow(/TENSOR_TOO_LARGE/);
  });
});

describe("OneHot", () => {
  it("is off everywhere for indices outside", () => {
    const depth = i64([], 3);
    const [result] = runOperator("OneHot", [i64([3], -1, 3, -4), depth, f32(0, 1)], { runtime: [0] });
    expect(result).toEqual({ type: "float32", shape: [3, 3], elements: [0, 0, 1, 0, 0, 0, 0, 0, 0] });
    expect(() => runOperator("OneHot", [i64([1], 0), depth, f32(1)])).toThrow(/TENSOR_BAD_INPUT/);
  });
});

describe("ConstantOfShape", () => {
  it("fills without holding every element", () => {
    const value = { kind: "tensor" as const, value: denseConstant("int8", [1], [7]) };
    const [filled] = runOperator("ConstantOfShape", [i64([2], 2, 1)], { attributes: { value } });
    expect(filled).toEqual({ type: "int8", shape: [2, 1], elements: [7, 7] });
    expect(() => runOperator("ConstantOfShape", [i64([1], -1)])).toThrow(/TENSOR_BAD_INPUT/);
    expect(() => runOperator("ConstantOfShape", [i64([3], 2000, 2000, 2000)])).toThrow(/TENSOR_TOO_LARGE/);
  });
});

describe("EyeLike and windows", () => {
  it("put ones on a diagonal", () => {
    const x = denseConstant("float32", [2, 3], [9, 9, 9, 9, 9, 9]);
    const [eye] = runOperator("EyeLike", [x], { attributes: { k: int(1), dtype: int(9) } });
    expect(eye).toEqual({ type: "bool", shape: [2, 3], elements: [0, 1, 0, 0, 0, 1] });
  });

  it("are known for every size, also 0 and 1", () => {
    const [window] = runOperator("HannWindow", [i64([], 4)]);
    expect(window!.elements.map((one) => Number(one).toFixed(3))).toEqual(["0.000", "0.500", "1.000", "0.500"]);
    expect(runOperator("HannWindow", [i64([], 0)])[0]!.elements).toEqual([]);
    expect(runOperator("HannWindow", [i64([], 1)], { attributes: { periodic: int(0) } })[0]!.shape).toEqual([1]);
  });
});

describe("AffineGrid", () => {
  it("samples between corners or edges, x first", () => {
    const theta = denseConstant("float32", [1, 2, 3], [1, 0, 0.5, 0, 2, 0]);
    const size = i64([4], 1, 1, 2, 3);
    const grid = (align: number): unknown =>
      runOperator("AffineGrid", [theta, size], { version: 20, attributes: { align_corners: int(align) } })[0];
    const aligned = [-0.5, -2, 0.5, -2, 1.5, -2, -0.5, 2, 0.5, 2, 1.5, 2];
    expect(grid(1)).toEqual({ type: "float32", shape: [1, 2, 3, 2], elements: aligned });
    const edges = (grid(0) as { elements: number[] }).elements.map((one) => Number(one.toFixed(4)));
    expect(edges.slice(0, 6)).toEqual([-0.1667, -1, 0.5, -1, 1.1667, -1]);
    const attempt = (): unknown => runOperator("AffineGrid", [theta, i64([5], 1, 1, 2, 3, 3)], { version: 20 });
    expect(attempt).toThrow(/TENSOR_SHAPE_MISMATCH/);
  });
});

describe("NonZero and Unique", () => {
  it("work on constants, and are dynamic otherwise", () => {
    const x = denseConstant("float32", [2, 2], [1, 0, 2, 1]);
    expect(runOperator("NonZero", [x])[0]).toEqual({
      type: "int64",
      shape: [2, 3],
      elements: [0n, 1n, 1n, 0n, 0n, 1n],
    });
    expect(() => runOperator("NonZero", [x], { runtime: [0] })).toThrow(/TENSOR_DYNAMIC/);
    const unsorted = runOperator("Unique", [f32(2, 1, 1, 3, 2)], { outputs: 4, attributes: { sorted: int(0) } });
    expect(unsorted.map(({ elements }) => elements)).toEqual([
      [2, 1, 3],
      [0n, 1n, 3n],
      [0n, 1n, 1n, 2n, 0n],
      [2n, 2n, 1n],
    ]);
  });
});
