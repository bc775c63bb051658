/** Every form of contraction against a plain loop in doubles, in both variants, with constant and run-time operands. */
import { describe, expect, it } from "vitest";
import type { Contraction, ConvolutionContraction, GemmContraction } from "../ir/kernel.ts";
import { buildLone, convolution, countA, countB, gemm, type LoneOptions } from "./testing/lone-contraction.ts";

/** Small numbers that repeat late, from a linear congruence. */
function numbers(count: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

interface Expected {
  readonly results: Float64Array;
  /** Sums of magnitudes: what rounding errors are measured by. */
  readonly magnitudes: Float64Array;
}

function gemmInDoubles(one: GemmContraction, a: Float32Array, b: Float32Array): Expected {
  const matrices = one.batch.reduce((product, { extent }) => product * extent, 1);
  const results = new Float64Array(matrices * one.m * one.n);
  const magnitudes = new Float64Array(results.length);
  for (let matrix = 0; matrix < matrices; matrix++) {
    let rest = matrix;
    let startA = 0;
    let startB = 0;
    for (const { extent, strideA, strideB } of one.batch.toReversed()) {
      startA += (rest % extent) * strideA;
      startB += (rest % extent) * strideB;
      rest = Math.floor(rest / extent);
    }
    for (let row = 0; row < one.m; row++) {
      for (let column = 0; column < one.n; column++) {
        const place = (matrix * one.m + row) * one.n + column;
        for (let k = 0; k < one.k; k++) {
          const left = a[startA + row * one.a.strideM + k * one.a.strideK]!;
          const product = left * b[startB + k * one.b.strideK + column * one.b.strideN]!;
          results[place]! += product;
          magnitudes[place]! += Math.abs(product);
        }
      }
    }
  }
  return { results, magnitudes };
}

function convolutionInDoubles(one: ConvolutionContraction, input: Float32Array, weights: Float32Array): Expected {
  const results = new Float64Array(one.batch * one.outHeight * one.outWidth * one.outChannels);
  const magnitudes = new Float64Array(results.length);
  const inPerGroup = one.inChannels / one.groups;
  const outPerGroup = one.outChannels / one.groups;
  for (let place = 0; place < results.length; place++) {
    const out = place % one.outChannels;
    const pixel = Math.floor(place / one.outChannels);
    const x = pixel % one.outWidth;
    const y = Math.floor(pixel / one.outWidth) % one.outHeight;
    const image = Math.floor(pixel / one.outWidth / one.outHeight);
    const firstChannel = Math.floor(out / outPerGroup) * inPerGroup;
    for (let ky = 0; ky < one.kernelHeight; ky++) {
      const fromY = y * one.strideY + ky * one.dilationY - one.padTop;
      if (fromY < 0 || fromY >= one.inHeight) continue;
      for (let kx = 0; kx < one.kernelWidth; kx++) {
        const fromX = x * one.strideX + kx * one.dilationX - one.padLeft;
        if (fromX < 0 || fromX >= one.inWidth) continue;
        for (let c = 0; c < inPerGroup; c++) {
          const at = ((image * one.inHeight + fromY) * one.inWidth + fromX) * one.inChannels + firstChannel + c;
          const weight = weights[((out * inPerGroup + c) * one.kernelHeight + ky) * one.kernelWidth + kx]!;
          const product = input[at]! * weight;
          results[place]! += product;
          magnitudes[place]! += Math.abs(product);
        }
      }
    }
  }
  return { results, magnitudes };
}

/** The first wrong result in words; undefined where all are within a few roundings of the sum of magnitudes. */
function firstWrong(contraction: Contraction, options: LoneOptions): string | undefined {
  const lone = buildLone(contraction, options);
  const a = numbers(countA(contraction), 1);
  const b = numbers(countB(contraction), 2);
  const bias = numbers(lone.bias.length, 3);
  lone.a.set(a);
  lone.bias.set(bias);
  lone.setB(b);
  const { results, magnitudes } =
    contraction.form === "gemm" ? gemmInDoubles(contraction, a, b) : convolutionInDoubles(contraction, a, b);
  // Twice: nothing left over from the first call may show in the second.
  for (let call = 0; call < 2; call++) {
    lone.run();
    lone.checkGuards();
    const last = bias.length;
    const rows = results.length / Math.max(1, last);
    for (let place = 0; place < results.length; place++) {
      const row = Math.floor(place / last);
      const column = place % last;
      const expected = options.biasRelu ? Math.max(0, results[place]! + bias[column]!) : results[place]!;
      const found = lone.out[options.transposed ? column * rows + row : place]!;
      const tolerance = (magnitudes[place]! + 1) * 1e-6;
      if (!(Math.abs(found - expected) <= tolerance))
        return `call ${call}, row ${row}, column ${column}: ${found} instead of ${expected}`;
    }
  }
  return undefined;
}

const variants: readonly LoneOptions[] = [
  { relaxed: false, constantB: true, biasRelu: true },
  { relaxed: true, constantB: true },
  { relaxed: false, constantB: false },
  { relaxed: true, constantB: false, biasRelu: true },
  { relaxed: true, constantB: true, transposed: true },
];

function expectRight(contraction: Contraction): void {
  for (const options of variants)
    expect(firstWrong(contraction, options), `${JSON.stringify(options)} ${JSON.stringify(contraction)}`).toBe(
      undefined,
    );
}

describe("matrix products", () => {
  const sizes = [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 16, 17, 25];

  it("are right for every number of rows around a tile's height", () => {
    for (const m of [...sizes, 31, 49]) expectRight(gemm(m, 7, 11));
  });

  it("are right for every number of columns around a panel's width", () => {
    for (const n of [...sizes, 33]) expectRight(gemm(7, 6, n));
  });

  it("are right for every depth around the unrolled steps, the sum over nothing being 0", () => {
    for (const k of [0, ...sizes, 64, 65]) expectRight(gemm(5, k, 9));
  });

  it("are right for single rows and single columns", () => {
    for (const n of [...sizes, 32, 40, 67]) {
      expectRight(gemm(1, 19, n));
      expectRight(gemm(n, 19, 1));
    }
    expectRight(gemm(1, 300, 64));
    expectRight(gemm(1, 1, 1));
  });

  it("are right with B transposed, A transposed, and rows that lie apart", () => {
    for (const [m, k, n] of [
      [6, 5, 8],
      [13, 9, 19],
      [1, 8, 5],
      [3, 1, 2],
      [64, 33, 40],
    ] as const) {
      expectRight(gemm(m, k, n, { transposedB: true }));
      const plain = gemm(m, k, n);
      expectRight({ ...plain, a: { ...plain.a, strideM: 1, strideK: m } });
      expectRight({ ...plain, a: { ...plain.a, strideM: k + 3 }, b: { ...plain.b, strideK: n + 5 } });
      expectRight({ ...plain, b: { ...plain.b, strideK: 3 * n, strideN: 3 } });
    }
  });

  it("are right in batches, of which operands may be shared", () => {
    for (const transposedB of [false, true]) {
      const [m, k, n] = [7, 5, 10];
      const shared = [
        { extent: 2, strideA: 3 * m * k, strideB: 0 },
        { extent: 3, strideA: m * k, strideB: k * n },
      ];
      expectRight(gemm(m, k, n, { transposedB, batch: shared }));
      expectRight(gemm(m, k, n, { transposedB, batch: [{ extent: 3, strideA: 0, strideB: k * n }] }));
      expectRight(gemm(m, k, n, { transposedB, batch: [{ extent: 3, strideA: m * k, strideB: 0 }] }));
      expectRight(gemm(40, 16, 24, { transposedB, batch: [{ extent: 2, strideA: 640, strideB: 384 }] }));
    }
  });

  it("are right where operands exceed the cache blocks", () => {
    expectRight(gemm(130, 600, 20));
    expectRight(gemm(8, 1200, 72, { transposedB: true }));
    expectRight(gemm(70, 130, 260));
    expectRight(gemm(40, 64, 44, { batch: [{ extent: 12, strideA: 2560, strideB: 2816 }] }));
  });

  it("write nothing where there is nothing to write", () => {
    expectRight(gemm(0, 4, 4));
    expectRight(gemm(4, 4, 0));
    expectRight(gemm(4, 4, 4, { batch: [{ extent: 0, strideA: 16, strideB: 16 }] }));
  });
});

describe("convolutions", () => {
  it("are right for every kernel, stride and padding", () => {
    for (const kernel of [1, 2, 3, 5]) {
      for (const stride of [1, 2, 3]) {
        for (const pad of [0, 1, 2]) {
          const sizes = { inHeight: 8, inWidth: 7, inChannels: 3, outChannels: 10, pad };
          expectRight(
            convolution({ ...sizes, kernelHeight: kernel, kernelWidth: kernel, strideY: stride, strideX: stride }),
          );
        }
      }
    }
  });

  it("are right with kernels, strides, dilations and paddings that differ by axis", () => {
    const sizes = { inHeight: 9, inWidth: 11, inChannels: 5, outChannels: 9, kernelHeight: 3, kernelWidth: 2 };
    expectRight(convolution({ ...sizes, dilationY: 2, strideX: 2, padTop: 2, padLeft: 1 }));
    expectRight(convolution({ ...sizes, dilationX: 3, strideY: 2, padTop: 0, padLeft: 3 }));
    expectRight(convolution({ ...sizes, kernelHeight: 1, kernelWidth: 5, padLeft: 2 }));
    expectRight(convolution({ ...sizes, kernelHeight: 4, kernelWidth: 1, padTop: 3 }));
    // More padding behind than before.
    expectRight(convolution({ ...sizes, outHeight: 10, outWidth: 13 }));
  });

  it("are right for every number of channels", () => {
    for (const inChannels of [1, 2, 3, 4, 8, 16, 17]) {
      for (const outChannels of [1, 3, 4, 5, 8, 12, 16, 19]) {
        const sizes = { inHeight: 5, inWidth: 6, inChannels, outChannels };
        expectRight(convolution({ ...sizes, kernelHeight: 3, kernelWidth: 3, pad: 1 }));
      }
    }
  });

  it("are right as matrix products: kernels of one pixel, with strides and padding too", () => {
    for (const stride of [1, 2]) {
      for (const pad of [0, 1]) {
        const sizes = { batch: 2, inHeight: 5, inWidth: 7, inChannels: 12, outChannels: 24, pad };
        expectRight(convolution({ ...sizes, strideY: stride, strideX: stride }));
      }
    }
  });

  it("are right in groups, with channels multiplied too", () => {
    for (const [groups, inChannels, outChannels] of [
      [2, 4, 6],
      [3, 12, 24],
      [4, 4, 8],
      [5, 5, 5],
      [2, 2, 34],
    ] as const) {
      const sizes = { batch: 2, inHeight: 6, inWidth: 5, inChannels, outChannels, groups };
      expectRight(convolution({ ...sizes, kernelHeight: 3, kernelWidth: 3, pad: 1 }));
      expectRight(convolution({ ...sizes, kernelHeight: 2, kernelWidth: 2, dilationX: 2, dilationY: 2, pad: 2 }));
      expectRight(convolution(sizes));
    }
  });

  it("are right by depth, for every number of channels, stride, dilation and width", () => {
    for (const channels of [2, 3, 4, 5, 8, 12, 17, 24, 32, 36]) {
      for (const stride of [1, 2]) {
        for (const size of [1, 3, 6, 9]) {
          const sizes = { inHeight: size, inWidth: size + 1, inChannels: channels, outChannels: channels };
          const base = { ...sizes, groups: channels, strideX: stride, strideY: stride };
          expectRight(convolution({ ...base, kernelHeight: 3, kernelWidth: 3, pad: 1 }));
        }
      }
    }
    const deep = { inHeight: 11, inWidth: 13, inChannels: 8, outChannels: 8, groups: 8, batch: 2 };
    expectRight(convolution({ ...deep, kernelHeight: 5, kernelWidth: 5, pad: 2 }));
    expectRight(convolution({ ...deep, kernelHeight: 3, kernelWidth: 3, dilationX: 2, dilationY: 3, pad: 2 }));
    expectRight(convolution({ ...deep, kernelHeight: 7, kernelWidth: 7, strideX: 3, pad: 3 }));
    expectRight(convolution({ ...deep, kernelHeight: 3, kernelWidth: 3 }));
    expectRight(convolution({ ...deep, kernelHeight: 1, kernelWidth: 3, padLeft: 1 }));
  });

  it("are right in batches and for kernels larger than the image", () => {
    const sizes = { batch: 3, inHeight: 2, inWidth: 3, inChannels: 4, outChannels: 9 };
    expectRight(convolution({ ...sizes, kernelHeight: 5, kernelWidth: 5, pad: 2 }));
    expectRight(convolution({ ...sizes, batch: 0, kernelHeight: 1, kernelWidth: 1 }));
  });

  it("are right where pixels do not fill a tile and images exceed the cache blocks", () => {
    expectRight(
      convolution({
        inHeight: 7,
        inWidth: 7,
        inChannels: 96,
        outChannels: 16,
        kernelHeight: 3,
        kernelWidth: 3,
        pad: 1,
      }),
    );
    expectRight(
      convolution({ inHeight: 40, inWidth: 40, inChannels: 64, outChannels: 9, kernelHeight: 3, kernelWidth: 3 }),
    );
    expectRight(
      convolution({
        inHeight: 23,
        inWidth: 23,
        inChannels: 3,
        outChannels: 16,
        kernelHeight: 7,
        kernelWidth: 7,
        strideX: 2,
        strideY: 2,
        pad: 3,
      }),
    );
  });

  it("are right where they are large enough to call their inner loops", () => {
    const sizes = { batch: 2, inHeight: 14, inWidth: 14, kernelHeight: 3, kernelWidth: 3, pad: 1 };
    expectRight(convolution({ ...sizes, inChannels: 64, outChannels: 52, groups: 2 }));
    expectRight(convolution({ ...sizes, inHeight: 43, inWidth: 41, inChannels: 34, outChannels: 34, groups: 34 }));
  });
});
