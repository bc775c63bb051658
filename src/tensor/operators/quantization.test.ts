import { describe, expect, it } from "vitest";
import { int, runOperator } from "../../../test/support/run-operator.ts";
import { denseConstant } from "../graph/constant.ts";

const floats = (shape: number[], elements: number[]) => denseConstant("float32", shape, elements);

describe("QuantizeLinear", () => {
  it("rounds half to even and saturates", () => {
    const zero = denseConstant("int8", [], [1]);
    const [made] = runOperator("QuantizeLinear", [floats([5], [1, 3, 5, 1000, -1000]), floats([], [2]), zero]);
    expect(made!.elements).toEqual([1, 3, 3, 127, -128]);
  });

  it("takes a scale for each block of an axis", () => {
    const [made] = runOperator("QuantizeLinear", [floats([1, 4], [4, 4, 4, 4]), floats([1, 2], [1, 2])], {
      version: 21,
      attributes: { block_size: int(2) },
    });
    expect(made!.elements).toEqual([4, 4, 2, 2]);
  });
});

describe("DynamicQuantizeLinear", () => {
  it("gives zeros for zeros", () => {
    const made = runOperator("DynamicQuantizeLinear", [floats([2], [0, 0])], { outputs: 3 });
    expect(made.map(({ elements }) => elements)).toEqual([[0, 0], [1], [0]]);
  });
});

describe("Einsum", () => {
  it("sums over an ellipsis and over diagonals", () => {
    const matrix = floats([2, 2], [1, 2, 3, 4]);
    const equation = (value: string) => ({ attributes: { equation: { kind: "string", value } as const } });
    expect(runOperator("Einsum", [matrix], equation("ii->"))[0]!.elements).toEqual([5]);
    expect(runOperator("Einsum", [matrix, matrix], equation("ij,jk->ki"))[0]!.elements).toEqual([7, 15, 10, 22]);
    expect(runOperator("Einsum", [matrix, matrix], equation("...j,kj->...k"))[0]!.elements).toEqual([5, 11, 11, 25]);
  });
});
