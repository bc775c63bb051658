import { describe, expect, it } from "vitest";
import type { ElementArray, ElementType } from "../ir/element-type.ts";
import { scalarTypeOf } from "../ir/element-type.ts";
import {
  add,
  binary,
  cast,
  compare,
  constant,
  type Expr,
  index,
  load,
  mul,
  select,
  type UnaryFunction,
  unary,
} from "../ir/expression.ts";
import { float16ToNumber, numberToFloat16 } from "../ir/half-float.ts";
import { type BufferDeclaration, type Contraction, KernelBuilder, type UnitProgram } from "../ir/kernel.ts";
import { executeProgram } from "./execute.ts";
import { eagerSource } from "./print.ts";

/** One output element for each input element. */
function mapped(
  input: ElementArray,
  from: ElementType,
  to: ElementType,
  value: (x: Expr) => Expr,
): (number | bigint)[] {
  const buffers: BufferDeclaration[] = [
    { id: 0, type: from, count: input.length, role: "input" },
    { id: 1, type: to, count: input.length, role: "output" },
  ];
  const body = [
    new KernelBuilder().each(input.length, (offset) => [
      { do: "store", buffer: 1, offset, value: value(load(scalarTypeOf(from), 0, offset)) },
    ]),
  ];
  return [...executeProgram({ buffers, kernels: [{ kind: "loops", body }] }, [input])[0]!];
}

const floats = (...values: number[]): Float32Array => new Float32Array(values);

describe("expressions printed as JavaScript", () => {
  it("wrap narrow integers when they are stored", () => {
    const input = new Int32Array([127, 128, 255, 256, -129, 65535, 32768]);
    expect(mapped(input, "int32", "int8", (x) => x)).toEqual([127, -128, -1, 0, 127, -1, 0]);
    expect(mapped(input, "int32", "uint8", (x) => x)).toEqual([127, 128, 255, 0, 127, 255, 0]);
    expect(mapped(input, "int32", "int16", (x) => x)).toEqual([127, 128, 255, 256, -129, -1, -32768]);
  });

  it("wrap integer arithmetic, and divide by zero to 0", () => {
    const edge = new Int32Array([2147483647, -2147483648, 7]);
    expect(mapped(edge, "int32", "int32", (x) => add(x, index(1)))).toEqual([-2147483648, -2147483647, 8]);
    expect(mapped(edge, "int32", "int32", (x) => binary("div", x, index(-1)))).toEqual([-2147483647, -2147483648, -7]);
    expect(mapped(edge, "int32", "int32", (x) => binary("div", x, binary("sub", x, x)))).toEqual([0, 0, 0]);
    expect(mapped(edge, "int32", "int32", (x) => binary("rem", x, index(-4)))).toEqual([3, 0, 3]);
    const wide = new BigInt64Array([2n ** 63n - 1n, -(2n ** 63n), -7n]);
    const two = constant("i64", 2);
    expect(mapped(wide, "int64", "int64", (x) => mul(x, two))).toEqual([-2n, 0n, -14n]);
    expect(mapped(wide, "int64", "int64", (x) => binary("rem", x, two))).toEqual([1n, 0n, -1n]);
    expect(mapped(wide, "int64", "int64", (x) => binary("div", x, constant("i64", 0)))).toEqual([0n, 0n, 0n]);
    expect(mapped(wide, "int64", "int64", (x) => binary("div", x, constant("i64", -1)))).toEqual([
      1n - 2n ** 63n,
      -(2n ** 63n),
      7n,
    ]);
  });

  it("shift to nothing beyond the width", () => {
    const input = new Int32Array([-8, 5]);
    expect(mapped(input, "int32", "int32", (x) => binary("shr", x, index(40)))).toEqual([-1, 0]);
    expect(mapped(input, "int32", "int32", (x) => binary("shl", x, index(32)))).toEqual([0, 0]);
    const big = new BigUint64Array([2n ** 63n, 3n]);
    expect(mapped(big, "uint64", "uint64", (x) => binary("shl", x, constant("u64", 1)))).toEqual([0n, 6n]);
    expect(mapped(big, "uint64", "uint64", (x) => binary("shr", x, constant("u64", 64)))).toEqual([0n, 0n]);
  });

  it("saturate casts from floats, and give 0 for NaN", () => {
    const input = floats(NaN, Infinity, -Infinity, 3e9, -1.9, 1.9);
    expect(mapped(input, "float32", "int32", (x) => cast("i32", x))).toEqual([
      0, 2147483647, -2147483648, 2147483647, -1, 1,
    ]);
    expect(mapped(input, "float32", "uint32", (x) => cast("u32", x))).toEqual([0, 4294967295, 0, 3000000000, 0, 1]);
    const max = 2n ** 63n - 1n;
    expect(mapped(input, "float32", "int64", (x) => cast("i64", x))).toEqual([
      0n,
      max,
      -max - 1n,
      3000000000n,
      -1n,
      1n,
    ]);
    expect(mapped(input, "float32", "bool", (x) => cast("bool", x))).toEqual([1, 1, 1, 1, 1, 1]);
  });

  it("round 64-bit integers to float32 once", () => {
    // Rounded to double first, the odd one would be a tie and go down to even.
    const input = new BigInt64Array([2n ** 60n + 2n ** 36n + 1n, -(2n ** 60n) - 2n ** 36n - 1n, -5n, 2n ** 31n]);
    const expected = [2 ** 60 + 2 ** 37, -(2 ** 60) - 2 ** 37, -5, 2 ** 31];
    expect(mapped(input, "int64", "float32", (x) => cast("f32", x))).toEqual(expected);
    expect(mapped(input, "int64", "float32", (x) => cast("f32", add(x, constant("i64", 0))))).toEqual(expected);
    expect(mapped(input, "int64", "int32", (x) => cast("i32", x))).toEqual([1, -1, -5, -2147483648]);
  });

  it("round every operation on float32", () => {
    const input = floats(1e8, 0.1);
    const once = mapped(input, "float32", "float32", (x) => binary("sub", add(x, constant("f32", 1)), x));
    expect(once).toEqual(input.reduce<number[]>((all, x) => [...all, Math.fround(Math.fround(x + 1) - x)], []));
  });

  it("round half to even, and keep the sign of zero", () => {
    const rounded = mapped(floats(0.5, 1.5, 2.5, -0.5, -2.5, NaN, 1e30), "float32", "float32", (x) =>
      unary("nearest", x),
    );
    expect(rounded).toEqual([0, 2, 2, -0, -2, NaN, Math.fround(1e30)]);
  });

  it("hand NaN through min and max, and compare it as unordered", () => {
    const input = floats(NaN, 1);
    expect(mapped(input, "float32", "float32", (x) => binary("max", x, constant("f32", 0)))).toEqual([NaN, 1]);
    expect(mapped(input, "float32", "bool", (x) => compare("ne", x, x))).toEqual([1, 0]);
    expect(mapped(input, "float32", "bool", (x) => compare("le", x, x))).toEqual([0, 1]);
  });

  it("give the error function and powers to float32's precision", () => {
    const input = floats(0, 0.5, -1, 2.7, 2.8, -3.5, 7, NaN);
    const erf = [0, 0.5204998778, -0.8427007929, 0.9998656673, 0.9999249868, -0.9999992569, 1, NaN];
    for (const [place, value] of mapped(input, "float32", "float32", (x) => unary("erf", x)).entries()) {
      if (Number.isNaN(erf[place])) expect(value).toBeNaN();
      else expect(value).toBeCloseTo(erf[place]!, 6);
    }
    const powers = mapped(floats(1, -1, 0, 2), "float32", "float32", (x) =>
      binary("pow", x, constant("f32", Infinity)),
    );
    expect(powers).toEqual([1, 1, 0, Infinity]);
    expect(mapped(new Int32Array([2, -3, 0]), "int32", "int32", (x) => binary("pow", x, index(3)))).toEqual([
      8, -27, 0,
    ]);
  });

  it("know every function", () => {
    const functions: readonly UnaryFunction[] = [
      "neg",
      "abs",
      "floor",
      "ceil",
      "trunc",
      "sqrt",
      "exp",
      "log",
      "sin",
      "cos",
    ];
    const more: readonly UnaryFunction[] = [
      "tan",
      "asin",
      "acos",
      "atan",
      "sinh",
      "cosh",
      "tanh",
      "asinh",
      "atanh",
      "acosh",
    ];
    for (const fn of [...functions, ...more]) {
      const expected = Math.fround(fn === "neg" ? -1 : (Math[fn as "exp"](1) as number));
      expect(mapped(floats(1), "float32", "float32", (x) => unary(fn, x))).toEqual([expected]);
    }
  });
});

describe("half floats", () => {
  it("come back from numbers as they were, and round as the engine does", () => {
    for (let bits = 0; bits < 65536; bits++) {
      const value = float16ToNumber(bits);
      if (Number.isNaN(value)) expect(float16ToNumber(numberToFloat16(value))).toBeNaN();
      else expect(numberToFloat16(value)).toBe(bits);
    }
    for (const x of [65519.9, 65520, 1e-8, 2.98e-8, 2.99e-8, 6.1e-5, 0.1, -Math.PI, 1.0004883, 1e9]) {
      const single = Math.fround(x);
      expect(float16ToNumber(numberToFloat16(single))).toBe(Math.f16round(single));
    }
  });

  it("are stored and loaded by printed programs in the same way", () => {
    const input = floats(0.1, 65520, -1e-7, NaN);
    const halves = mapped(input, "float32", "float16", (x) => x);
    expect(halves).toEqual([...input].map((x) => numberToFloat16(x)));
    const back = mapped(Uint16Array.from(halves, Number), "float16", "float32", (x) => x);
    expect(back).toEqual([...input].map((x) => Math.f16round(x)));
    const brains = mapped(floats(1.00390625, 1.01171875, NaN), "float32", "bfloat16", (x) => x);
    expect(brains).toEqual([0x3f80, 0x3f82, 0x7fc0]);
  });
});

describe("statements printed as JavaScript", () => {
  it("sum in double precision and round once, through nested loops", () => {
    const build = new KernelBuilder();
    const buffers: BufferDeclaration[] = [
      { id: 0, type: "float32", count: 4, role: "input" },
      { id: 1, type: "float32", count: 1, role: "output" },
    ];
    const sum = build.reduce([2, 2], "add", constant("f32", 0), ([a, b]) => load("f32", 0, add(mul(a!, index(2)), b!)));
    const body = [...sum.statements, { do: "store" as const, buffer: 1, offset: index(0), value: sum.result }];
    const [result] = executeProgram({ buffers, kernels: [{ kind: "loops", body }] }, [floats(1e8, 1, 1, -1e8)]);
    expect([...result!]).toEqual([2]);
  });

  it("compute a shared node once in a statement", () => {
    let shared: Expr = load("f32", 0, index(0));
    for (let depth = 0; depth < 40; depth++) shared = add(shared, shared);
    const program: UnitProgram = {
      buffers: [
        { id: 0, type: "float32", count: 1, role: "input" },
        { id: 1, type: "float32", count: 1, role: "output" },
      ],
      kernels: [{ kind: "loops", body: [{ do: "store", buffer: 1, offset: index(0), value: shared }] }],
    };
    expect(eagerSource(program).length).toBeLessThan(5_000);
    expect(executeProgram(program, [floats(1)])[0]![0]).toBe(2 ** 40);
  });

  it("run conditions, loops of unknown length and scratch memory", () => {
    const build = new KernelBuilder();
    const n = build.variable("i32");
    const body = [
      { do: "assign" as const, target: n, value: index(0) },
      {
        do: "while" as const,
        condition: compare("lt", n, index(5)),
        body: [
          { do: "store" as const, buffer: 2, offset: n, value: cast("i64", mul(n, index(-3))) },
          { do: "assign" as const, target: n, value: add(n, index(1)) },
        ],
      },
      build.each(5, (at) => [
        {
          do: "if" as const,
          condition: compare("lt", at, index(3)),
          then: [{ do: "store" as const, buffer: 0, offset: at, value: load("i64", 2, at) }],
          otherwise: [{ do: "store" as const, buffer: 0, offset: at, value: constant("i64", 9) }],
        },
      ]),
    ];
    const program: UnitProgram = {
      buffers: [
        { id: 0, type: "int64", count: 5, role: "output" },
        { id: 1, type: "bool", count: 1, role: "scratch" },
        { id: 2, type: "int64", count: 5, role: "scratch" },
      ],
      kernels: [{ kind: "loops", body }],
    };
    expect([...executeProgram(program, [])[0]!]).toEqual([0n, -3n, -6n, 9n, 9n]);
  });

  it("keep bools as 0 and 1", () => {
    const input = new Uint8Array([0, 1, 1]);
    expect(mapped(input, "bool", "bool", (x) => unary("not", x))).toEqual([1, 0, 0]);
    expect(mapped(input, "bool", "int64", (x) => cast("i64", x))).toEqual([0n, 1n, 1n]);
    expect(mapped(input, "bool", "float32", (x) => select(x, constant("f32", 2), constant("f32", 3)))).toEqual([
      3, 2, 2,
    ]);
    expect(mapped(input, "bool", "bool", (x) => binary("xor", x, constant("bool", 1)))).toEqual([1, 0, 0]);
  });
});

function contracted(contraction: Contraction, inputs: readonly Float32Array[], shape: readonly number[]): number[] {
  const build = new KernelBuilder();
  const indices = shape.map(() => build.variable("i32"));
  const result = build.variable("f32");
  const offset = indices.reduce<Expr>((sum, at, axis) => add(mul(sum, index(shape[axis]!)), at), index(0));
  const count = shape.reduce((a, b) => a * b, 1);
  const buffers: BufferDeclaration[] = [
    ...inputs.map((input, id): BufferDeclaration => ({ id, type: "float32", count: input.length, role: "input" })),
    { id: inputs.length, type: "float32", count, role: "output" },
  ];
  const body = [{ do: "store" as const, buffer: inputs.length, offset, value: result }];
  const program: UnitProgram = {
    buffers,
    kernels: [{ kind: "contraction", contraction, epilogue: { indices, result, body } }],
  };
  return [...(executeProgram(program, inputs)[0] as Float32Array)];
}

const counting = (count: number): Float32Array =>
  Float32Array.from({ length: count }, (_, place) => ((place * 7) % 11) - 5);

describe("contractions printed as JavaScript", () => {
  it("multiply batches of matrices, transposed or broadcast", () => {
    const [m, n, k] = [3, 5, 6];
    for (const transposed of [false, true]) {
      const [a, b] = [counting(2 * m * k), counting(n * k)];
      const strides = transposed ? { strideK: 1, strideN: k } : { strideK: n, strideN: 1 };
      const found = contracted(
        {
          form: "gemm",
          batch: [{ extent: 2, strideA: m * k, strideB: 0 }],
          m,
          n,
          k,
          a: { buffer: 0, strideM: k, strideK: 1 },
          b: { buffer: 1, ...strides },
        },
        [a, b],
        [2, m, n],
      );
      const expected = Array.from({ length: 2 * m * n }, (_, place) => {
        const [row, column] = [Math.floor(place / n), place % n];
        let sum = 0;
        for (let at = 0; at < k; at++) sum += a[row * k + at]! * b[at * strides.strideK + column * strides.strideN]!;
        return sum;
      });
      expect(found).toEqual(expected);
    }
  });

  // Few and many channels a group are summed in different ways.
  it.each([6, 18])("convolve with groups, strides, dilation and padding into %i channels", (outChannels) => {
    const form = {
      form: "convolution" as const,
      batch: 2,
      inHeight: 5,
      inWidth: 6,
      inChannels: 4,
      outHeight: 3,
      outWidth: 6,
      outChannels,
      kernelHeight: 3,
      kernelWidth: 2,
      strideY: 2,
      strideX: 1,
      dilationY: 1,
      dilationX: 2,
      padTop: 1,
      padLeft: 1,
      groups: 2,
      input: 0,
      weights: 1,
    };
    const [input, weights] = [counting(2 * 5 * 6 * 4), counting(outChannels * 2 * 3 * 2)];
    const shape = [2, 3, 6, outChannels];
    const expected = Array.from({ length: 2 * 3 * 6 * outChannels }, (_, place) => {
      const pixel = Math.floor(place / outChannels);
      const [b, y, x, o] = [Math.floor(pixel / 18), Math.floor(pixel / 6) % 3, pixel % 6, place % outChannels];
      let sum = 0;
      for (let c = 0; c < 2; c++) {
        for (let ky = 0; ky < 3; ky++) {
          for (let kx = 0; kx < 2; kx++) {
            const [sy, sx] = [y * 2 - 1 + ky, x - 1 + kx * 2];
            if (sy < 0 || sy >= 5 || sx < 0 || sx >= 6) continue;
            const channel = Math.floor(o / (outChannels / 2)) * 2 + c;
            sum += input[((b * 5 + sy) * 6 + sx) * 4 + channel]! * weights[((o * 2 + c) * 3 + ky) * 2 + kx]!;
          }
        }
      }
      return sum;
    });
    expect(contracted(form, [input, weights], shape)).toEqual(expected);
  });
});
