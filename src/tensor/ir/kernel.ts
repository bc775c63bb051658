/**
 * Loops over expressions: the primitive every operator lowers to, and what one unit is made of.
 *
 * A `UnitProgram` names its buffers and runs its kernels in order. A kernel is either plain loops or a contraction
 * (matrix product or convolution) with an epilogue. The eager printer reads loops alone: it is handed the program in
 * which every operator stands by itself, unfused, contractions written as loops. The code generator is handed the
 * fused program. That makes the one an oracle for the other.
 */
import { assert } from "../../base/index.ts";
import type { ElementType, ScalarType } from "./element-type.ts";
import type { Expr, VarExpr } from "./expression.ts";

export interface BufferDeclaration {
  /** Equal to its place in UnitProgram.buffers. */
  readonly id: number;
  readonly type: ElementType;
  /** Elements, not bytes. */
  readonly count: number;
  /** `weight` holds data known when the module is linked; `scratch` belongs to the unit and dies with its call. */
  readonly role: "input" | "weight" | "output" | "scratch";
  /** A weight the code generator wants in another order than the logical one: see contraction/packing.ts. */
  readonly packing?: Packing;
}

/** How a constant operand of a contraction is laid out at link time. Applied by `pack` in contraction/packing.ts. */
export type Packing =
  | {
      /** B of a matrix product: panels of `panel` columns, each k-major. */
      readonly form: "gemm-b";
      readonly k: number;
      readonly n: number;
      readonly strideK: number;
      readonly strideN: number;
      /** Independent matrices one after the other, each of `k * n` logical elements. */
      readonly batch: number;
      readonly panel: number;
    }
  | {
      /** Weights [outChannels][inChannels / groups][kernelHeight][kernelWidth] of a convolution. */
      readonly form: "convolution";
      readonly outChannels: number;
      readonly inChannelsPerGroup: number;
      readonly kernelHeight: number;
      readonly kernelWidth: number;
      readonly groups: number;
      readonly panel: number;
    }
  | {
      /** Weights [channels][1][kernelHeight][kernelWidth] of a depthwise convolution, channels made innermost. */
      readonly form: "depthwise";
      readonly channels: number;
      readonly kernelHeight: number;
      readonly kernelWidth: number;
    };

export type Stmt =
  | {
      /** index runs 0 .. extent-1. `parallel`: no iteration reads what another writes, so lanes may be used. */
      readonly do: "for";
      readonly index: VarExpr;
      readonly extent: Expr;
      readonly parallel: boolean;
      readonly body: readonly Stmt[];
    }
  | {
      /**
       * A loop that only combines: accumulators start at `init` and after each turn are `fn(accumulator, value)`; the
       * body computes lets the values need. `fn` is associative and may be reordered. After it the accumulators' vars
       * hold the results.
       */
      readonly do: "reduce";
      readonly index: VarExpr;
      readonly extent: Expr;
      readonly body: readonly Stmt[];
      readonly accumulators: readonly Accumulator[];
    }
  | { readonly do: "let"; readonly target: VarExpr; readonly value: Expr }
  | { readonly do: "assign"; readonly target: VarExpr; readonly value: Expr } // also declares
  | { readonly do: "store"; readonly buffer: number; readonly offset: Expr; readonly value: Expr }
  | { readonly do: "if"; readonly condition: Expr; readonly then: readonly Stmt[]; readonly otherwise: readonly Stmt[] }
  | { readonly do: "while"; readonly condition: Expr; readonly body: readonly Stmt[] };

export interface Accumulator {
  readonly target: VarExpr;
  readonly fn: "add" | "mul" | "min" | "max" | "and" | "or";
  readonly init: Expr;
  readonly value: Expr;
}

export interface LoopKernel {
  readonly kind: "loops";
  readonly body: readonly Stmt[];
}

/**
 * C[batch, m, n] = sum over k of A[batch, m, k] * B[batch, k, n], float32. Strides in elements, so transposed operands
 * need no copy. `batch` lists the batch axes outermost first; a stride of 0 broadcasts.
 */
export interface GemmContraction {
  readonly form: "gemm";
  readonly batch: readonly { readonly extent: number; readonly strideA: number; readonly strideB: number }[];
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly a: { readonly buffer: number; readonly strideM: number; readonly strideK: number };
  readonly b: { readonly buffer: number; readonly strideK: number; readonly strideN: number };
}

/**
 * Two-dimensional convolution, float32, input NHWC ([batch][height][width][channels]), weights OIHW
 * ([outChannels][inChannels / groups][kernelHeight][kernelWidth]), result indexed [batch, y, x, outChannel].
 * One-dimensional convolution has height 1.
 */
export interface ConvolutionContraction {
  readonly form: "convolution";
  readonly batch: number;
  readonly inHeight: number;
  readonly inWidth: number;
  readonly inChannels: number;
  readonly outHeight: number;
  readonly outWidth: number;
  readonly outChannels: number;
  readonly kernelHeight: number;
  readonly kernelWidth: number;
  readonly strideY: number;
  readonly strideX: number;
  readonly dilationY: number;
  readonly dilationX: number;
  readonly padTop: number;
  readonly padLeft: number;
  readonly groups: number;
  readonly input: number;
  readonly weights: number;
}

export type Contraction = GemmContraction | ConvolutionContraction;

/**
 * What is done with each result of a contraction. `indices` are bound to the result's place, in order: for gemm the
 * batch axes, m, n; for a convolution batch, y, x, channel. The last index is the one lanes run along. `body` holds
 * lets and stores, no loops.
 */
export interface Epilogue {
  readonly indices: readonly VarExpr[];
  readonly result: VarExpr;
  readonly body: readonly Stmt[];
}

export interface ContractionKernel {
  readonly kind: "contraction";
  readonly contraction: Contraction;
  readonly epilogue: Epilogue;
}

export type Kernel = LoopKernel | ContractionKernel;

export interface UnitProgram {
  /** In order: inputs, weights, outputs, then scratch. */
  readonly buffers: readonly BufferDeclaration[];
  readonly kernels: readonly Kernel[];
}

/** Hands out variables with ids unique within a unit, and builds statements over them. */
export class KernelBuilder {
  #next = 0;

  variable(type: ScalarType): VarExpr {
    return { op: "var", type, id: this.#next++ };
  }

  /** A loop whose iterations do not depend on one another. */
  each(extent: number | Expr, body: (index: VarExpr) => readonly Stmt[]): Stmt {
    return this.#loop(extent, true, body);
  }

  /** A loop whose iterations run in order. */
  sequence(extent: number | Expr, body: (index: VarExpr) => readonly Stmt[]): Stmt {
    return this.#loop(extent, false, body);
  }

  /** Nested independent loops over a shape, outermost axis first; none at all where it has no element. */
  eachIndex(shape: readonly number[], body: (indices: readonly VarExpr[]) => readonly Stmt[]): Stmt[] {
    if (shape.includes(0)) return [];
    const nest = (axis: number, indices: readonly VarExpr[]): readonly Stmt[] =>
      axis === shape.length ? body(indices) : [this.each(shape[axis]!, (index) => nest(axis + 1, [...indices, index]))];
    return [...nest(0, [])];
  }

  /**
   * A combining loop over a shape (outermost first). `value` gives what is combined at an index; statements it needs
   * are pushed to `lets`. Returns the statements and the variable that holds the result after them.
   */
  reduce(
    shape: readonly number[],
    fn: Accumulator["fn"],
    init: Expr,
    value: (indices: readonly VarExpr[]) => Expr,
  ): { readonly statements: readonly Stmt[]; readonly result: VarExpr } {
    assert(shape.length > 0, "reduce needs at least one axis");
    const nest = (axis: number, indices: readonly VarExpr[], target: VarExpr, start: Expr): Stmt => {
      const loopIndex = this.variable("i32");
      const all = [...indices, loopIndex];
      const extent: Expr = { op: "const", type: "i32", value: shape[axis]! };
      if (axis === shape.length - 1) {
        return {
          do: "reduce",
          index: loopIndex,
          extent,
          body: [],
          accumulators: [{ target, fn, init: start, value: value(all) }],
        };
      }
      const inner = this.variable(init.type);
      const body = [nest(axis + 1, all, inner, init)];
      return {
        do: "reduce",
        index: loopIndex,
        extent,
        body,
        accumulators: [{ target, fn, init: start, value: inner }],
      };
    };
    const result = this.variable(init.type);
    return { statements: [nest(0, [], result, init)], result };
  }

  #loop(extent: number | Expr, parallel: boolean, body: (index: VarExpr) => readonly Stmt[]): Stmt {
    const index = this.variable("i32");
    const bound: Expr = typeof extent === "number" ? { op: "const", type: "i32", value: extent } : extent;
    return { do: "for", index, extent: bound, parallel, body: body(index) };
  }
}
