import { describe, expect, it } from "vitest";
import { int, ints, runOperator, string } from "../../../test/support/run-operator.ts";
import { denseConstant } from "../graph/constant.ts";
import type { ConstantData } from "../graph/graph.ts";

const f32 = (shape: readonly number[], ...elements: number[]): ConstantData =>
  denseConstant("float32", shape, elements);
const i64 = (...elements: number[]): ConstantData => denseConstant("int64", [elements.length], elements.map(BigInt));
const scalar = (value: number): ConstantData => denseConstant("int64", [], [BigInt(value)]);
const count = (shape: readonly number[]): ConstantData =>
  f32(shape, ...Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, place) => place));

describe("Slice", () => {
  it("clamps starts, ends and steps however large", () => {
    const x = count([5]);
    const cut = (start: number, end: number, step: number): unknown =>
      runOperator("Slice", [x, i64(start), i64(end), i64(0), i64(step)])[0]!.elements;
    expect(cut(-100, 2 ** 62, 2)).toEqual([0, 2, 4]);
    expect(cut(2 ** 62, -(2 ** 62), -2)).toEqual([4, 2, 0]);
    expect(cut(3, 1, 1)).toEqual([]);
    expect(cut(1, 5, 2 ** 40)).toEqual([1]);
    expect(cut(-1, -6, -1)).toEqual([4, 3, 2, 1, 0]);
  });

  it("refuses a step of 0 and axes named twice", () => {
    expect(() => runOperator("Slice", [count([5]), i64(0), i64(1), i64(0), i64(0)])).toThrow(/TENSOR_BAD_INPUT.*step/);
    expect(() => runOperator("Slice", [count([5]), i64(0, 0), i64(1, 1), i64(0, -1)])).toThrow(/TENSOR_BAD_ATTRIBUTE/);
  });
});

describe("Pad", () => {
  const mode = (name: string): { attributes: { mode: ReturnType<typeof string> }; version: number } => ({
    attributes: { mode: string(name) },
    version: 19,
  });

  it("reflects and wraps more than once, and crops where negative", () => {
    const x = count([3]);
    expect(runOperator("Pad", [x, i64(5, 0)], mode("reflect"))[0]!.elements).toEqual([1, 0, 1, 2, 1, 0, 1, 2]);
    expect(runOperator("Pad", [x, i64(4, 1)], mode("wrap"))[0]!.elements).toEqual([2, 0, 1, 2, 0, 1, 2, 0]);
    expect(runOperator("Pad", [x, i64(-1, 2)], mode("edge"))[0]!.elements).toEqual([1, 2, 2, 2]);
    expect(runOperator("Pad", [x, i64(-2, -1)], mode("constant"))[0]!.elements).toEqual([]);
  });

  it("pads chosen axes with a value, also a tensor that is empty", () => {
    const options = mode("constant");
    const value = f32([], 7);
    const padded = runOperator("Pad", [count([1, 2]), i64(1, 0), value, i64(-1)], options)[0]!;
    expect(padded).toEqual({ type: "float32", shape: [1, 3], elements: [7, 0, 1] });
    expect(runOperator("Pad", [f32([0]), i64(1, 1), value], options)[0]!.elements).toEqual([7, 7]);
    expect(() => runOperator("Pad", [f32([0]), i64(1, 1)], mode("edge"))).toThrow(/TENSOR_SHAPE_MISMATCH/);
    expect(() => runOperator("Pad", [count([1]), i64(1, 1)], mode("tapestry"))).toThrow(/TENSOR_BAD_ATTRIBUTE/);
  });

  it("crops and pads about the centre", () => {
    const wanted = runOperator("CenterCropPad", [count([2, 5]), i64(4, 2)])[0]!;
    expect(wanted).toEqual({ type: "float32", shape: [4, 2], elements: [0, 0, 1, 2, 6, 7, 0, 0] });
  });
});

describe("Concat, Split and Tile", () => {
  it("join tensors of which some are empty", () => {
    const parts = [count([2, 1]), f32([2, 0]), f32([2, 2], 5, 6, 7, 8)];
    const [joined] = runOperator("Concat", parts, { attributes: { axis: int(-1) } });
    expect(joined).toEqual({ type: "float32", shape: [2, 3], elements: [0, 5, 6, 1, 7, 8] });
    const attempt = (): unknown =>
      runOperator("Concat", [count([2, 1]), count([3, 1])], { attributes: { axis: int(1) } });
    expect(attempt).toThrow(/TENSOR_SHAPE_MISMATCH/);
  });

  it("split unevenly since version 18, and only evenly before", () => {
    const parts = runOperator("Split", [count([7])], { outputs: 3, attributes: { num_outputs: int(3) } });
    expect(parts.map(({ elements }) => elements)).toEqual([[0, 1, 2], [3, 4, 5], [6]]);
    expect(() => runOperator("Split", [count([7])], { outputs: 3, version: 13 })).toThrow(/TENSOR_SHAPE_MISMATCH/);
    const old = runOperator("Split", [count([3])], { outputs: 2, version: 11, attributes: { split: ints(1, 2) } });
    expect(old.map(({ elements }) => elements)).toEqual([[0], [1, 2]]);
  });

  it("repeat along every axis, also not at all", () => {
    expect(runOperator("Tile", [count([1, 2]), i64(2, 2)])[0]!.elements).toEqual([0, 1, 0, 1, 0, 1, 0, 1]);
    expect(runOperator("Tile", [count([2]), i64(0)])[0]).toEqual({ type: "float32", shape: [0], elements: [] });
    expect(() => runOperator("Tile", [count([2]), i64(2 ** 33)])).toThrow(/TENSOR_TOO_LARGE/);
  });
});

describe("Transpose", () => {
  it("moves elements, or none where only axes of extent 1 move", () => {
    expect(runOperator("Transpose", [count([2, 3])])[0]!.elements).toEqual([0, 3, 1, 4, 2, 5]);
    const [same] = runOperator("Transpose", [count([1, 3, 2])], { attributes: { perm: ints(1, 0, 2) } });
    expect(same).toEqual({ type: "float32", shape: [3, 1, 2], elements: [0, 1, 2, 3, 4, 5] });
    const attempt = (): unknown => runOperator("Transpose", [count([2, 3])], { attributes: { perm: ints(0, 0) } });
    expect(attempt).toThrow(/TENSOR_BAD_ATTRIBUTE/);
  });
});

describe("CumSum, ReverseSequence, Compress and Trilu", () => {
  it("sum along an axis, in reverse and without the element itself", () => {
    const attributes = { exclusive: int(1), reverse: int(1) };
    const [sums] = runOperator("CumSum", [count([2, 3]), scalar(-1)], { attributes });
    expect(sums!.elements).toEqual([3, 2, 0, 9, 5, 0]);
    expect(() => runOperator("CumSum", [count([2]), scalar(1)])).toThrow(/TENSOR_BAD_ATTRIBUTE/);
  });

  it("stay inside the tensor for lengths that are wrong", () => {
    const attributes = { batch_axis: int(0), time_axis: int(1) };
    const [reversed] = runOperator("ReverseSequence", [count([2, 3]), i64(2, 100)], { attributes });
    expect(reversed!.elements).toEqual([1, 0, 2, 5, 5, 5]);
  });

  it("keep what a condition shorter than the axis keeps", () => {
    const condition = denseConstant("bool", [2], [0, 1]);
    expect(runOperator("Compress", [count([3, 2]), condition], { attributes: { axis: int(0) } })[0]!.elements).toEqual([
      2, 3,
    ]);
    expect(runOperator("Compress", [count([3, 2]), condition])[0]!.elements).toEqual([1]);
    expect(() => runOperator("Compress", [count([3]), condition], { runtime: [1] })).toThrow(/TENSOR_DYNAMIC/);
  });

  it("cut triangles at a diagonal known only when running", () => {
    const options = { runtime: [1], attributes: { upper: int(0) } };
    expect(runOperator("Trilu", [count([2, 3]), scalar(1)], options)[0]!.elements).toEqual([0, 1, 0, 3, 4, 5]);
    expect(() => runOperator("Trilu", [count([3])])).toThrow(/TENSOR_SHAPE_MISMATCH/);
  });
});

describe("Col2Im", () => {
  it("adds up overlapping blocks and leaves the padding out", () => {
    const [image] = runOperator("Col2Im", [count([1, 2, 4]), i64(1, 4), i64(1, 2)], {
      attributes: { pads: ints(0, 1, 0, 0) },
    });
    // Blocks of two begin at -1, 0, 1, 2: element x is the second of block x and the first of block x + 1.
    expect(image).toEqual({ type: "float32", shape: [1, 1, 1, 4], elements: [4 + 1, 5 + 2, 6 + 3, 7] });
    const strided = runOperator("Col2Im", [count([1, 4, 2]), i64(5), i64(2)], { attributes: { strides: ints(3) } });
    expect(strided[0]).toEqual({ type: "float32", shape: [1, 2, 5], elements: [0, 2, 0, 1, 3, 4, 6, 0, 5, 7] });
    expect(() => runOperator("Col2Im", [count([1, 3, 2]), i64(5), i64(2)])).toThrow(/TENSOR_SHAPE_MISMATCH/);
  });
});
