import { describe, expect, it } from "vitest";
import { int, runOperator, string } from "../../../test/support/run-operator.ts";
import { denseConstant } from "../graph/constant.ts";

const floats = (shape: number[], elements: number[]) => denseConstant("float32", shape, elements);
const relu = { kind: "strings", value: ["Relu"] } as const;
/** h' = relu(x + h): a running sum of what is not negative. */
const summing = (directions: number) => [
  floats([directions, 1, 1], new Array<number>(directions).fill(1)),
  floats([directions, 1, 1], new Array<number>(directions).fill(1)),
];

describe("RNN", () => {
  it("ends short sequences with zeros and keeps their last state, backwards from their own end", () => {
    const x = floats([3, 2, 1], [1, 10, 2, 20, 3, 30]);
    const lengths = denseConstant("int32", [2], [3, 2]);
    const attributes = { activations: relu, hidden_size: int(1), direction: string("reverse") };
    const [all, last] = runOperator("RNN", [x, ...summing(1), undefined, lengths], {
      attributes,
      outputs: 2,
      version: 14,
    });
    expect(all!.elements).toEqual([6, 30, 5, 20, 3, 0]);
    expect(last!.elements).toEqual([6, 30]);
  });

  it("walks both ways at once", () => {
    const activations = { kind: "strings", value: ["Relu", "Relu"] } as const;
    const attributes = { activations, hidden_size: int(1), direction: string("bidirectional") };
    const [all, last] = runOperator("RNN", [floats([2, 1, 1], [1, 2]), ...summing(2)], { attributes, outputs: 2 });
    expect(all!.elements).toEqual([1, 3, 3, 2]);
    expect(last!.elements).toEqual([3, 3]);
  });
});

describe("GRU", () => {
  it("applies the reset gate after the product when linear_before_reset is set", () => {
    // All gates see a bias alone: z = 0.5, r = 0.5; the candidate is tanh(r · (h + 1)).
    const zeros = floats([1, 3, 1], [0, 0, 0]);
    const recurrent = floats([1, 3, 1], [0, 0, 1]);
    const bias = floats([1, 6], [0, 0, 0, 0, 0, 1]);
    const state = floats([1, 1, 1], [3]);
    const [, last] = runOperator("GRU", [floats([1, 1, 1], [0]), zeros, recurrent, bias, undefined, state], {
      attributes: { hidden_size: int(1), linear_before_reset: int(1) },
      outputs: 2,
    });
    expect(last!.elements[0]).toBeCloseTo(0.5 * Math.tanh(2) + 1.5, 6);
  });
});

describe("LSTM", () => {
  it("rejects clip, on which runtimes differ", () => {
    const weights = floats([1, 4, 1], [0, 0, 0, 0]);
    const attributes = { hidden_size: int(1), clip: { kind: "float", value: 1 } } as const;
    expect(() => runOperator("LSTM", [floats([1, 1, 1], [0]), weights, weights], { attributes })).toThrow(
      expect.objectContaining({ code: "TENSOR_UNSUPPORTED_FORM" }),
    );
  });
});
