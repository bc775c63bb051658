import { describe, expect, it } from "vitest";
import { compileNode, type UnitInput } from "../../../test/support/unit.ts";
import { pack, packedCount, packingOf } from "./packing.ts";

/** Largest error allowed beside the root mean square of the results: float32 sums of up to a few thousand terms. */
const limit = 1e-5;

function check(object: ReturnType<typeof compileNode>): void {
  for (const validation of [object.strictValidation, object.relaxedValidation]) {
    expect(validation?.maxRelativeError).toBeLessThan(limit);
    expect(Number(validation?.elements)).toBeGreaterThan(0);
  }
}

describe("matrix products", () => {
  const sizes = [
    [1, 1, 1],
    [1, 8, 16],
    [1, 1000, 64],
    [2, 3, 5],
    [3, 7, 1],
    [4, 4, 4],
    [5, 9, 17],
    [6, 8, 31],
    [7, 12, 33],
    [13, 15, 64],
    [32, 128, 128],
    [49, 20, 100],
  ] as const;
  for (const [m, n, k] of sizes) {
    for (const weight of [true, false]) {
      it(`F1: ${m}×${k} times ${k}×${n}, ${weight ? "packed at link time" : "read as it lies"}`, () => {
        check(compileNode({ operator: "MatMul", inputs: [{ shape: [m, k] }, { shape: [k, n], weight }] }));
      });
    }
  }

  for (const transA of [0, 1]) {
    for (const transB of [0, 1]) {
      for (const weight of [true, false]) {
        it(`F1: Gemm transA ${transA} transB ${transB}${weight ? ", packed" : ""}, with addend and factors`, () => {
          const inputs: UnitInput[] = [
            { shape: transA ? [19, 11] : [11, 19] },
            { shape: transB ? [13, 19] : [19, 13], weight },
            { shape: [13], weight },
          ];
          const attributes = {
            transA: { kind: "int", value: transA },
            transB: { kind: "int", value: transB },
            alpha: { kind: "float", value: 0.5 },
            beta: { kind: "float", value: 2 },
          } as const;
          check(compileNode({ operator: "Gemm", attributes, inputs }));
        });
      }
    }
  }

  it("F1: batches broadcast", () => {
    check(compileNode({ operator: "MatMul", inputs: [{ shape: [2, 3, 5, 7] }, { shape: [3, 7, 4] }] }));
    check(compileNode({ operator: "MatMul", inputs: [{ shape: [2, 1, 5, 7] }, { shape: [3, 7, 4], weight: true }] }));
    check(compileNode({ operator: "MatMul", inputs: [{ shape: [4, 5, 7] }, { shape: [7, 9], weight: true }] }));
  });
});

interface Case {
  readonly image: readonly [number, number, number];
  readonly out: number;
  readonly kernel: readonly [number, number];
  readonly strides?: readonly [number, number];
  readonly dilations?: readonly [number, number];
  readonly pads?: readonly [number, number, number, number];
  readonly group?: number;
  readonly batch?: number;
}

const convolutions: readonly Case[] = [
  { image: [1, 1, 1], out: 1, kernel: [1, 1] },
  { image: [7, 7, 16], out: 24, kernel: [1, 1] },
  { image: [8, 9, 3], out: 5, kernel: [3, 3], pads: [1, 1, 1, 1] },
  { image: [14, 14, 32], out: 16, kernel: [3, 3], pads: [1, 1, 1, 1] },
  { image: [15, 13, 3], out: 12, kernel: [7, 7], strides: [2, 2], pads: [3, 3, 3, 3] },
  { image: [11, 12, 8], out: 9, kernel: [3, 2], strides: [1, 2], pads: [0, 1, 2, 0] },
  { image: [12, 12, 4], out: 8, kernel: [3, 3], dilations: [2, 3], pads: [2, 3, 2, 3] },
  { image: [9, 9, 12], out: 18, kernel: [3, 3], pads: [1, 1, 1, 1], group: 3 },
  { image: [6, 5, 8], out: 8, kernel: [1, 1], strides: [2, 2] },
  { image: [10, 1, 4], out: 6, kernel: [4, 1], strides: [3, 1] },
  { image: [7, 7, 16], out: 8, kernel: [5, 5], pads: [2, 2, 2, 2], batch: 3 },
  { image: [5, 5, 6], out: 10, kernel: [5, 5] },
  { image: [8, 8, 16], out: 16, kernel: [3, 3], pads: [1, 1, 1, 1], group: 16 },
  { image: [9, 11, 7], out: 7, kernel: [3, 3], pads: [1, 1, 1, 1], group: 7 },
  { image: [9, 9, 20], out: 20, kernel: [5, 5], strides: [2, 2], pads: [2, 2, 2, 2], group: 20, batch: 2 },
  { image: [3, 2, 5], out: 5, kernel: [3, 2], pads: [1, 0, 1, 0], group: 5 },
  { image: [12, 10, 6], out: 6, kernel: [3, 3], dilations: [2, 2], group: 6 },
  { image: [6, 6, 4], out: 8, kernel: [3, 3], group: 4 },
  { image: [17, 17, 3], out: 3, kernel: [9, 9], pads: [4, 4, 4, 4], group: 3 },
];

describe("convolutions", () => {
  for (const one of convolutions) {
    const { image, out, kernel, strides = [1, 1], dilations = [1, 1], pads = [0, 0, 0, 0], group = 1, batch = 1 } = one;
    for (const weight of [true, false]) {
      const title = `${batch}×${image.join("×")} to ${out} by ${kernel.join("×")}, strides ${strides}, dilations ${dilations}, pads ${pads}`;
      it(`F1: ${title}, ${group} groups, ${weight ? "packed at link time" : "packed when running"}`, () => {
        const ints = (value: readonly number[]) => ({ kind: "ints", value }) as const;
        const inputs: UnitInput[] = [
          { shape: [batch, ...image] },
          { shape: [out, image[2] / group, ...kernel], weight },
          { shape: [out], weight },
        ];
        const attributes = {
          strides: ints(strides),
          dilations: ints(dilations),
          pads: ints(pads),
          group: { kind: "int", value: group },
        } as const;
        check(compileNode({ operator: "ConvolutionChannelsLast", domain: "holdfast", version: 1, attributes, inputs }));
      });
    }
  }
});

describe("packing", () => {
  it("F4: keeps every weight once and fills panels with zeros", () => {
    const contraction = {
      form: "gemm",
      batch: [],
      m: 1,
      n: 11,
      k: 3,
      a: { buffer: 0, strideM: 3, strideK: 1 },
      b: { buffer: 1, strideK: 11, strideN: 1 },
    } as const;
    const packing = packingOf(contraction, ["input", "weight"])!;
    const data = Float32Array.from({ length: 33 }, (_, place) => place + 1);
    const packed = pack(packing, data);
    expect(packed.length).toBe(packedCount(packing));
    expect(packed.filter((value) => value !== 0).toSorted()).toEqual(data);
    expect(packed.length - 33).toBe(packed.filter((value) => value === 0).length);
    expect(packingOf(contraction, ["weight", "input"])).toBeUndefined();
  });
});
