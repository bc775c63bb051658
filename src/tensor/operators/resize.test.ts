import { describe, expect, it } from "vitest";
import { runOperator, string } from "../../../test/support/run-operator.ts";
import { denseConstant, int64Constant } from "../graph/constant.ts";

const row = (elements: number[]) => denseConstant("float32", [1, elements.length], elements);
const scales = (...all: number[]) => denseConstant("float32", [all.length], all);

describe("Resize", () => {
  it("doubles by the nearest neighbour", () => {
    const [made] = runOperator("Resize", [row([1, 2, 3]), undefined, scales(1, 2)], { version: 13 });
    expect(made!.elements).toEqual([1, 1, 2, 2, 3, 3]);
  });

  it("takes the nearest neighbour at scales that are no whole numbers", () => {
    const [made] = runOperator("Resize", [row([1, 2, 3]), undefined, undefined, int64Constant([2], [1, 5])], {
      version: 13,
      attributes: { coordinate_transformation_mode: string("asymmetric"), nearest_mode: string("floor") },
    });
    expect(made!.elements).toEqual([1, 1, 2, 2, 3]);
  });

  it("interpolates between centres and stays at the border beyond them", () => {
    const [made] = runOperator("Resize", [row([0, 4]), undefined, scales(1, 2)], {
      version: 13,
      attributes: { mode: string("linear") },
    });
    expect(made!.elements).toEqual([0, 1, 3, 4]);
  });

  it("keeps the aspect ratio when asked to", () => {
    const image = denseConstant("float32", [2, 4], [1, 2, 3, 4, 5, 6, 7, 8]);
    const [made] = runOperator("Resize", [image, undefined, undefined, int64Constant([2], [8, 8])], {
      version: 18,
      attributes: { keep_aspect_ratio_policy: string("not_larger") },
    });
    expect(made!.shape).toEqual([4, 8]);
  });
});
