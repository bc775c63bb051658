/**
 * One contraction as a module of its own, for tests and measurements: the operands' data goes in, bias and relu may
 * follow in the epilogue, results come out. Between buffers, and in scratch, lie bytes that read as NaN.
 */
import { generateUnit } from "../../codegen/unit.ts";
import { add, constant, type Expr, index, load, max, mul } from "../../ir/expression.ts";
import {
  type BufferDeclaration,
  type Contraction,
  type ConvolutionContraction,
  type Epilogue,
  type GemmContraction,
  KernelBuilder,
  type Stmt,
} from "../../ir/kernel.ts";
import { linkModule } from "../../wasm/module-linker.ts";
import { pack, packedCount, packingOf } from "../packing.ts";

const guard = 0xff;
/** Buffer numbers in the contractions given here. */
export const buffers = { a: 0, b: 1, bias: 2, out: 3 };

export interface LoneOptions {
  readonly relaxed: boolean;
  /** Whether the second operand is known when linking. */
  readonly constantB: boolean;
  /** Adds a bias for each last index and cuts at 0. */
  readonly biasRelu?: boolean;
  /** Stores results with the last index outermost, so that lanes cannot be used. */
  readonly transposed?: boolean;
}

export interface LoneContraction {
  readonly a: Float32Array;
  readonly bias: Float32Array;
  readonly out: Float32Array;
  readonly scratchBytes: number;
  readonly codeBytes: number;
  setB(data: Float32Array): void;
  run(): void;
  /** Throws where a byte between the buffers, or behind scratch, has changed. */
  checkGuards(): void;
}

export function resultShape(contraction: Contraction): number[] {
  if (contraction.form === "gemm")
    return [...contraction.batch.map(({ extent }) => extent), contraction.m, contraction.n];
  const { batch, outHeight, outWidth, outChannels } = contraction;
  return [batch, outHeight, outWidth, outChannels];
}

function reach(terms: readonly (readonly [extent: number, stride: number])[]): number {
  if (terms.some(([extent]) => extent === 0)) return 0;
  return terms.reduce((sum, [extent, stride]) => sum + (extent - 1) * stride, 1);
}

export function countA(contraction: Contraction): number {
  if (contraction.form === "convolution")
    return contraction.batch * contraction.inHeight * contraction.inWidth * contraction.inChannels;
  const { batch, m, k, a } = contraction;
  return reach([...batch.map(({ extent, strideA }) => [extent, strideA] as const), [m, a.strideM], [k, a.strideK]]);
}

export function countB(contraction: Contraction): number {
  if (contraction.form === "convolution") {
    const { outChannels, inChannels, groups, kernelHeight, kernelWidth } = contraction;
    return outChannels * (inChannels / groups) * kernelHeight * kernelWidth;
  }
  const { batch, n, k, b } = contraction;
  return reach([...batch.map(({ extent, strideB }) => [extent, strideB] as const), [k, b.strideK], [n, b.strideN]]);
}

function epilogueOf(shape: readonly number[], options: LoneOptions): Epilogue {
  const kernel = new KernelBuilder();
  const indices = shape.map(() => kernel.variable("i32"));
  const result = kernel.variable("f32");
  const last = indices.at(-1)!;
  const rows = indices.slice(0, -1).reduce<Expr>((sum, one, axis) => add(mul(sum, index(shape[axis]!)), one), index(0));
  const rowCount = shape.slice(0, -1).reduce((product, extent) => product * extent, 1);
  const offset = options.transposed
    ? add(mul(last, index(rowCount)), rows)
    : add(mul(rows, index(shape.at(-1)!)), last);
  const value = options.biasRelu
    ? max(add(result, load("f32", buffers.bias, last)), constant("f32", 0))
    : (result as Expr);
  const store: Stmt = { do: "store", buffer: buffers.out, offset, value };
  return { indices, result, body: [store] };
}

export function buildLone(contraction: Contraction, options: LoneOptions): LoneContraction {
  const shape = resultShape(contraction);
  const outCount = shape.reduce((product, extent) => product * extent, 1);
  const packing = packingOf(contraction, ["input", options.constantB ? "weight" : "input"]);
  const bCount = countB(contraction);
  const counts = [countA(contraction), packing ? packedCount(packing) : bCount, shape.at(-1)!, outCount];
  const declarations: BufferDeclaration[] = [
    { id: 0, type: "float32", count: counts[0]!, role: "input" },
    {
      id: 1,
      type: "float32",
      count: bCount,
      role: options.constantB ? "weight" : "input",
      ...(packing ? { packing } : {}),
    },
    { id: 2, type: "float32", count: counts[2]!, role: "weight" },
    { id: 3, type: "float32", count: outCount, role: "output" },
  ];
  const code = generateUnit(
    { buffers: declarations, kernels: [{ kind: "contraction", contraction, epilogue: epilogueOf(shape, options) }] },
    { symbol: "lone", relaxed: options.relaxed },
  );
  const offsets: number[] = [];
  let end = 64;
  for (const count of counts) {
    offsets.push(end);
    end = Math.ceil((end + count * 4 + 16) / 64) * 64;
  }
  const scratch = end;
  const scratchEnd = scratch + code.scratchBytes;
  const module = linkModule({
    functions: code.functions,
    exports: new Map([["lone", "run"]]),
    memoryPages: Math.ceil((scratchEnd + 128) / 65536),
  });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module as Uint8Array<ArrayBuffer>));
  const { buffer } = instance.exports.memory as WebAssembly.Memory;
  const bytes = new Uint8Array(buffer).fill(guard);
  const view = (id: number): Float32Array => new Float32Array(buffer, offsets[id]!, counts[id]!);
  const run = instance.exports.run as (...pointers: number[]) => void;
  const spans = [...counts.map((count, id) => [offsets[id]!, offsets[id]! + count * 4]), [scratch, scratchEnd]];
  return {
    a: view(buffers.a),
    bias: view(buffers.bias),
    out: view(buffers.out),
    scratchBytes: code.scratchBytes,
    codeBytes: module.length,
    setB: (data) => view(buffers.b).set(packing ? pack(packing, data) : data),
    run: () => run(...offsets, scratch),
    checkGuards: () => {
      let from = 0;
      for (const [start, stop] of [...spans, [bytes.length, bytes.length]] as [number, number][]) {
        for (let at = from; at < start; at++) {
          if (bytes[at] !== guard) throw new RangeError(`byte ${at} between buffers was written`);
        }
        from = stop;
      }
    },
  };
}

type Sizes<T> = Partial<Omit<T, "form" | "a" | "b" | "input" | "weights">>;

/** A convolution with everything 1 or 0 but what is named; the output's size follows where it is not given. */
export function convolution(sizes: Sizes<ConvolutionContraction> & { readonly pad?: number }): ConvolutionContraction {
  const { pad = 0, ...named } = sizes;
  const base = {
    batch: 1,
    inHeight: 1,
    inWidth: 1,
    inChannels: 1,
    outChannels: 1,
    kernelHeight: 1,
    kernelWidth: 1,
    strideY: 1,
    strideX: 1,
    dilationY: 1,
    dilationX: 1,
    padTop: pad,
    padLeft: pad,
    groups: 1,
    ...named,
  };
  const extent = (size: number, kernel: number, dilation: number, stride: number, before: number): number =>
    Math.floor((size + 2 * before - (kernel - 1) * dilation - 1) / stride) + 1;
  return {
    form: "convolution",
    outHeight: extent(base.inHeight, base.kernelHeight, base.dilationY, base.strideY, base.padTop),
    outWidth: extent(base.inWidth, base.kernelWidth, base.dilationX, base.strideX, base.padLeft),
    ...base,
    input: buffers.a,
    weights: buffers.b,
  };
}

/** A product of row-major matrices; `transposedB` takes B as [n][k]. */
export function gemm(
  m: number,
  k: number,
  n: number,
  options: { readonly transposedB?: boolean; readonly batch?: GemmContraction["batch"] } = {},
): GemmContraction {
  const b = options.transposedB ? { strideK: 1, strideN: k } : { strideK: n, strideN: 1 };
  return {
    form: "gemm",
    batch: options.batch ?? [],
    m,
    n,
    k,
    a: { buffer: buffers.a, strideM: k, strideK: 1 },
    b: { buffer: buffers.b, ...b },
  };
}
