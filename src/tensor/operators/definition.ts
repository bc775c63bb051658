/**
 * What an operator is to the compiler: how its outputs' types follow from its inputs (`infer`), and what it computes
 * (`lower`), as loops and expressions. One definition serves shape inference, constant folding, eager execution and
 * code generation.
 *
 * `lower` gives one of four forms, cheapest first:
 *  - alias: the output's elements are the first input's, in the same order; only the shape differs
 *  - map: each output element is an expression of input elements; fused freely into what reads it. `elementwise` says
 *    that element [i…] depends on the inputs at [i…] alone (after broadcasting): such a map may also be fused into
 *    what it reads from
 *  - contraction: a matrix product or convolution, with a `finish` for what happens to each result
 *  - loops: anything else
 */

import type { ConstantData } from "../graph/graph.ts";
import type { ElementType, Shape, TensorType } from "../ir/element-type.ts";
import type { Expr } from "../ir/expression.ts";
import type { Contraction, KernelBuilder, Stmt } from "../ir/kernel.ts";
import type { OperatorContext } from "./context.ts";

/** Read access to an input, wherever its elements come from: memory, a constant, or an expression fused in. */
export interface TensorView {
  readonly type: ElementType;
  readonly shape: Shape;
  /** The element at an index (one i32 expression an axis, each in bounds), in the scalar type of `type`. */
  at(index: readonly Expr[]): Expr;
  /** The element at a row-major offset. */
  atOffset(offset: Expr): Expr;
}

/** Write access to an output. Every element must be stored; an element may be stored more than once. */
export interface TensorSink {
  readonly type: ElementType;
  readonly shape: Shape;
  store(index: readonly Expr[], value: Expr): Stmt[];
}

/** Memory of the operator's own for the time of one run; contents undefined at first. */
export interface ScratchTensor {
  readonly type: ElementType;
  readonly count: number;
  load(offset: Expr): Expr;
  store(offset: Expr, value: Expr): Stmt;
}

export interface LoopsIo {
  readonly inputs: readonly (TensorView | undefined)[];
  readonly outputs: readonly (TensorSink | undefined)[];
  readonly build: KernelBuilder;
  scratch(type: ElementType, count: number): ScratchTensor;
}

export type Lowering =
  | { readonly form: "alias" }
  | {
      readonly form: "map";
      readonly elementwise: boolean;
      /** `output` is the output's number, for operators with several. */
      at(index: readonly Expr[], inputs: readonly (TensorView | undefined)[], output: number): Expr;
    }
  | {
      readonly form: "contraction";
      /** Numbers of the inputs that are the operands. */
      readonly operands: readonly [number, number];
      /** The contraction, reading from the two buffers given. Its result indices are the output's index. */
      describe(first: number, second: number): Contraction;
      /** What is stored for a result; `inputs` are the node's others (bias, addend). */
      finish?(result: Expr, index: readonly Expr[], inputs: readonly (TensorView | undefined)[]): Expr;
    }
  | {
      readonly form: "loops";
      emit(io: LoopsIo): readonly Stmt[];
    };

/** An output's type, and its contents where they follow from shapes alone (as for Shape). */
export interface InferredOutput extends TensorType {
  readonly constant?: ConstantData;
}

export interface OperatorDefinition {
  readonly operator: string;
  /** Default "": ONNX's own. */
  readonly domain?: string;
  /** First opset version with these semantics; a definition holds up to the next one of the same operator. */
  readonly since: number;
  /** Types of all outputs. Throws HoldfastError (TENSOR_*) on inputs that are wrong. */
  infer(context: OperatorContext): readonly InferredOutput[];
  lower(context: OperatorContext): Lowering;
}
