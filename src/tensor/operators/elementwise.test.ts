import { describe, expect, it } from "vitest";
import { int, runOperator, string } from "../../../test/support/run-operator.ts";
import { denseConstant } from "../graph/constant.ts";
import type { ConstantData } from "../graph/graph.ts";
import type { ElementType } from "../ir/element-type.ts";
import { numberToFloat16 } from "../ir/half-float.ts";

const tensor = (type: ElementType, ...elements: (number | bigint)[]): ConstantData =>
  denseConstant(type, [elements.length], elements);

describe("arithmetic", () => {
  it("wraps narrow integers as their type does", () => {
    const [sum] = runOperator("Add", [tensor("uint8", 250, 1), tensor("uint8", 10, 2)]);
    expect(sum).toEqual({ type: "uint8", shape: [2], elements: [4, 3] });
    expect(runOperator("Mul", [tensor("int8", 100, -128), tensor("int8", 2, -1)])[0]!.elements).toEqual([-56, -128]);
    expect(runOperator("Abs", [tensor("int8", -128, -1)])[0]!.elements).toEqual([-128, 1]);
    expect(runOperator("Sub", [tensor("uint64", 0n), tensor("uint64", 1n)])[0]!.elements).toEqual([2n ** 64n - 1n]);
    expect(
      runOperator("BitShift", [tensor("uint8", 200), tensor("uint8", 1)], {
        attributes: { direction: string("LEFT") },
      })[0]!.elements,
    ).toEqual([144]);
  });

  it("divides integers towards zero, and by zero to 0", () => {
    expect(runOperator("Div", [tensor("int32", -7, 7, 5), tensor("int32", 2, -2, 0)])[0]!.elements).toEqual([
      -3, -3, 0,
    ]);
  });

  it("takes the divisor's sign for Mod, the dividend's for fmod", () => {
    const [a, b] = [tensor("int32", -7, 7, -6, 7), tensor("int32", 3, -3, 3, 0)];
    expect(runOperator("Mod", [a, b])[0]!.elements).toEqual([2, -2, 0, 0]);
    expect(runOperator("Mod", [a, b], { attributes: { fmod: int(1) } })[0]!.elements).toEqual([-1, 1, 0, 0]);
    expect(() => runOperator("Mod", [tensor("float32", 1), tensor("float32", 2)])).toThrow(
      /TENSOR_BAD_ATTRIBUTE.*fmod=1/,
    );
  });

  it("raises to powers in a type that holds both", () => {
    expect(runOperator("Pow", [tensor("int32", 2, 9), tensor("float32", -1, 0.5)])[0]!.elements).toEqual([0, 3]);
    expect(runOperator("Pow", [tensor("int64", 3n), tensor("int32", 40)])[0]!.elements).toEqual([
      BigInt.asIntN(64, 3n ** 40n),
    ]);
    expect(runOperator("Pow", [tensor("float32", -2, 3), tensor("float32", 2)])[0]!.elements).toEqual([4, 9]);
  });

  it("broadcasts, and says which shapes do not", () => {
    const row = denseConstant("float32", [1, 3], [1, 2, 3]);
    const column = denseConstant("float32", [2, 1], [10, 20]);
    expect(runOperator("Add", [row, column])[0]).toEqual({
      type: "float32",
      shape: [2, 3],
      elements: [11, 12, 13, 21, 22, 23],
    });
    const attempt = (): unknown => runOperator("Add", [row, denseConstant("float32", [2], [1, 2])]);
    expect(attempt).toThrow(/TENSOR_SHAPE_MISMATCH.*\[1,3\] and \[2\]/);
  });

  it("refuses types an operator does not take, and mixed ones", () => {
    expect(() => runOperator("Add", [tensor("bool", 1), tensor("bool", 1)])).toThrow(/TENSOR_UNSUPPORTED_TYPE/);
    expect(() => runOperator("Sqrt", [tensor("int32", 4)])).toThrow(/TENSOR_UNSUPPORTED_TYPE/);
    expect(() => runOperator("Add", [tensor("int32", 1), tensor("float32", 1)])).toThrow(
      /TENSOR_BAD_INPUT.*int32 and float32/,
    );
  });

  it("rounds float16 results to float16", () => {
    const half = (x: number): number => numberToFloat16(x);
    const [sum] = runOperator("Add", [tensor("float16", half(2048)), tensor("float16", half(1))]);
    expect(sum!.elements).toEqual([half(2048)]);
  });

  it("clips to inputs that may be left out, and keeps NaN", () => {
    const x = tensor("float32", -5, NaN, 5);
    const bound = (value: number): ConstantData => denseConstant("float32", [], [value]);
    expect(runOperator("Clip", [x, undefined, bound(1)])[0]!.elements).toEqual([-5, NaN, 1]);
    expect(runOperator("Clip", [x, bound(3), bound(1)])[0]!.elements).toEqual([1, NaN, 1]);
    expect(runOperator("Clip", [tensor("int8", -5, 100), denseConstant("int8", [], [0])])[0]!.elements).toEqual([
      0, 100,
    ]);
  });

  it("gives the sign of every number", () => {
    expect(runOperator("Sign", [tensor("float32", -2, 0, 3, NaN)])[0]!.elements).toEqual([-1, 0, 1, NaN]);
    expect(runOperator("Sign", [tensor("uint32", 0, 4_000_000_000)])[0]!.elements).toEqual([0, 1]);
  });

  it("lets the slope of PRelu broadcast to the input only", () => {
    const x = denseConstant("float32", [2, 2], [-1, 1, -2, 2]);
    expect(runOperator("PRelu", [x, tensor("float32", 0.5, 0.25)])[0]!.elements).toEqual([-0.5, 1, -1, 2]);
    expect(() => runOperator("PRelu", [tensor("float32", 1, 2), x])).toThrow(/TENSOR_SHAPE_MISMATCH/);
  });
});

describe("casts", () => {
  const to = (onnx: number): { attributes: { to: ReturnType<typeof int> } } => ({ attributes: { to: int(onnx) } });

  it("wrap to narrow integers and saturate from floats", () => {
    expect(runOperator("Cast", [tensor("int64", 300n, -1n)], to(2))[0]!.elements).toEqual([44, 255]);
    expect(runOperator("Cast", [tensor("float32", 3e10, NaN, -1.5)], to(6))[0]!.elements).toEqual([2147483647, 0, -1]);
    expect(runOperator("Cast", [tensor("float32", 0.5, 0, NaN)], to(9))[0]!.elements).toEqual([1, 0, 1]);
    expect(runOperator("Cast", [tensor("float64", 65519)], to(10))[0]!.elements).toEqual([numberToFloat16(65504)]);
  });

  it("refuse strings", () => {
    expect(() => runOperator("Cast", [tensor("float32", 1)], to(8))).toThrow(/TENSOR_UNSUPPORTED_TYPE.*type 8/);
  });
});

describe("Dropout", () => {
  it("passes on when not training, and refuses to be random", () => {
    const x = tensor("float32", 1, 2);
    expect(runOperator("Dropout", [x], { outputs: 2 })[1]).toEqual({ type: "bool", shape: [2], elements: [1, 1] });
    const training = denseConstant("bool", [], [1]);
    expect(() => runOperator("Dropout", [x, undefined, training])).toThrow(/TENSOR_UNSUPPORTED_FORM.*random/);
    const zero = denseConstant("float32", [], [0]);
    expect(runOperator("Dropout", [x, zero, training])[0]!.elements).toEqual([1, 2]);
  });
});

describe("shapes", () => {
  it("are told for parts of them", () => {
    const x = denseConstant("float32", [2, 3, 1], [1, 2, 3, 4, 5, 6]);
    const attributes = { start: int(-2), end: int(99) };
    expect(runOperator("Shape", [x], { attributes })[0]!.elements).toEqual([3n, 1n]);
    expect(runOperator("Size", [x])[0]).toEqual({ type: "int64", shape: [], elements: [6n] });
  });

  it("reshape with 0 and -1, and refuse what does not fit", () => {
    const x = denseConstant("float32", [2, 3], [1, 2, 3, 4, 5, 6]);
    const shape = (...list: number[]): ConstantData => tensor("int64", ...list.map(BigInt));
    expect(runOperator("Reshape", [x, shape(0, -1, 1)])[0]!.shape).toEqual([2, 3, 1]);
    for (const wrong of [shape(4, -1), shape(5), shape(-2, -3), shape(2, 3, 0)]) {
      expect(() => runOperator("Reshape", [x, wrong])).toThrow(/TENSOR_(SHAPE_MISMATCH|BAD_INPUT)/);
    }
    expect(() => runOperator("Reshape", [x, shape(6)], { runtime: [1] })).toThrow(/TENSOR_DYNAMIC/);
  });

  it("refuse axes that do not exist, or come twice", () => {
    const x = denseConstant("float32", [1, 3], [1, 2, 3]);
    const axes = (...list: number[]): ConstantData => tensor("int64", ...list.map(BigInt));
    expect(runOperator("Squeeze", [x, axes(-2)])[0]!.shape).toEqual([3]);
    expect(() => runOperator("Squeeze", [x, axes(1)])).toThrow(/TENSOR_SHAPE_MISMATCH/);
    expect(() => runOperator("Squeeze", [x, axes(2)])).toThrow(/TENSOR_BAD_ATTRIBUTE.*axis 2/);
    expect(() => runOperator("Unsqueeze", [x, axes(0, -4)])).toThrow(/TENSOR_BAD_ATTRIBUTE.*twice/);
  });
});
