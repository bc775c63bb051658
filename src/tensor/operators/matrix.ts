/** Matrix products: MatMul, Gemm and the integer ones. Float32 becomes a contraction, other types plain loops. */
import { type ElementType, type Shape, scalarTypeOf, stridesOf } from "../ir/element-type.ts";
import { add, cast, constant, type Expr, index, mul, sub } from "../ir/expression.ts";
import type { GemmContraction } from "../ir/kernel.ts";
import { broadcastIndex, broadcastShapes } from "./broadcast.ts";
import type { OperatorContext } from "./context.ts";
import type { Lowering, OperatorDefinition, TensorView } from "./definition.ts";
import { combine } from "./reduction.ts";

export interface Product {
  readonly batch: number[];
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** Operands as matrices, 1-D ones given the axis they lack. */
  readonly a: Shape;
  readonly b: Shape;
  readonly output: number[];
}

/** numpy's matmul rules for shapes. */
export function productOf(context: OperatorContext, first: Shape, second: Shape): Product {
  if (first.length === 0 || second.length === 0)
    context.reject("TENSOR_SHAPE_MISMATCH", "scalars have no matrix product");
  const a = first.length === 1 ? [1, ...first] : [...first];
  const b = second.length === 1 ? [...second, 1] : [...second];
  const [m, k] = a.slice(-2) as [number, number];
  const [kB, n] = b.slice(-2) as [number, number];
  if (k !== kB) context.reject("TENSOR_SHAPE_MISMATCH", `[${first}] times [${second}]: ${k} columns meet ${kB} rows`);
  const batch = broadcastShapes(context, a.slice(0, -2), b.slice(0, -2));
  const output = [...batch, ...(first.length === 1 ? [] : [m]), ...(second.length === 1 ? [] : [n])];
  return { batch, m, n, k, a, b, output };
}

function batchStrides(shape: Shape, batch: Shape): number[] {
  const strides = stridesOf(shape).slice(0, -2);
  const own = shape.slice(0, -2);
  const skip = batch.length - own.length;
  return batch.map((_, axis) => (axis < skip || own[axis - skip] === 1 ? 0 : strides[axis - skip]!));
}

function describeProduct({ a, b, batch, m, n, k }: Product): (first: number, second: number) => GemmContraction {
  const stridesA = batchStrides(a, batch);
  const stridesB = batchStrides(b, batch);
  return (first, second) => ({
    form: "gemm",
    batch: batch.map((extent, axis) => ({ extent, strideA: stridesA[axis]!, strideB: stridesB[axis]! })),
    m,
    n,
    k,
    a: { buffer: first, strideM: k, strideK: 1 },
    b: { buffer: second, strideK: n, strideN: 1 },
  });
}

export type Element = (view: TensorView, place: readonly Expr[]) => Expr;

/** The product as loops: `left` and `right` read elements in the type sums are made in. */
export function productLoops(
  product: Product,
  type: ElementType,
  left: Element,
  right: Element,
  finish = (sum: Expr, _: readonly Expr[]): Expr => sum,
): Lowering {
  const { a, b, batch, m, n, k } = product;
  return {
    form: "loops",
    emit: (io) =>
      io.build.eachIndex([...batch, m, n], (place) => {
        const [first, second] = io.inputs as readonly [TensorView, TensorView];
        const outer = place.slice(0, -2);
        const [row, column] = place.slice(-2) as unknown as [Expr, Expr];
        const element = (view: TensorView, shape: Shape, tail: readonly Expr[], read: Element): Expr => {
          const full = [...broadcastIndex(outer, shape.slice(0, -2)), ...tail];
          // A vector has one axis where its matrix has two.
          return read(view, view.shape.length === 1 ? [shape === a ? full.at(-1)! : full.at(-2)!] : full);
        };
        const scalar = scalarTypeOf(type);
        const { statements, result } = combine(io, [k], "add", constant(scalar, 0), ([t]) =>
          mul(element(first, a, [row, t!], left), element(second, b, [t!, column], right)),
        );
        const output = io.outputs[0]!;
        const own = [
          ...outer,
          ...(first.shape.length === 1 ? [] : [row]),
          ...(second.shape.length === 1 ? [] : [column]),
        ];
        return [...statements, ...output.store(own, finish(result, own))];
      }),
  };
}

const plain: Element = (view, place) => view.at(place);

const matMul: OperatorDefinition = {
  operator: "MatMul",
  since: 1,
  infer(context) {
    const [a, b] = [context.input(0), context.input(1)];
    if (a.type !== b.type || a.type === "bool") context.reject("TENSOR_UNSUPPORTED_TYPE", `${a.type} times ${b.type}`);
    return [{ type: a.type, shape: productOf(context, a.shape, b.shape).output }];
  },
  lower(context) {
    const [a, b] = [context.input(0), context.input(1)];
    const product = productOf(context, a.shape, b.shape);
    if (a.type === "float32" && a.shape.length > 1 && b.shape.length > 1) {
      return { form: "contraction", operands: [0, 1], describe: describeProduct(product) };
    }
    return productLoops(product, a.type, plain, plain);
  },
};

const gemm: OperatorDefinition = {
  operator: "Gemm",
  since: 1,
  infer(context) {
    const [a, b, c] = [context.input(0), context.input(1), context.inputs[2]];
    if (a.shape.length !== 2 || b.shape.length !== 2)
      context.reject("TENSOR_SHAPE_MISMATCH", `[${a.shape}] times [${b.shape}]: both must be matrices`);
    const transA = context.int("transA", 0) !== 0;
    const transB = context.int("transB", 0) !== 0;
    const [m, k] = transA ? [a.shape[1]!, a.shape[0]!] : [a.shape[0]!, a.shape[1]!];
    const [kB, n] = transB ? [b.shape[1]!, b.shape[0]!] : [b.shape[0]!, b.shape[1]!];
    if (k !== kB)
      context.reject("TENSOR_SHAPE_MISMATCH", `[${a.shape}] times [${b.shape}]: ${k} columns meet ${kB} rows`);
    if (a.type === "bool") context.reject("TENSOR_UNSUPPORTED_TYPE", "the operands are bool");
    if (b.type !== a.type || (c && c.type !== a.type))
      context.reject("TENSOR_UNSUPPORTED_TYPE", "the operands are of different types");
    const shape = [m, n];
    if (c && String(broadcastShapes(context, shape, c.shape)) !== String(shape)) {
      context.reject("TENSOR_SHAPE_MISMATCH", `C of shape [${c.shape}] does not broadcast to [${shape}]`);
    }
    return [{ type: a.type, shape }];
  },
  lower(context) {
    const [a, b, c] = [context.input(0), context.input(1), context.inputs[2]];
    const transA = context.int("transA", 0) !== 0;
    const transB = context.int("transB", 0) !== 0;
    const [alpha, beta] = [context.float("alpha", 1), context.float("beta", 1)];
    const n = transB ? b.shape[0]! : b.shape[1]!;
    const rows = transA ? a.shape[1]! : a.shape[0]!;
    const k = transA ? a.shape[0]! : a.shape[1]!;
    const scalar = scalarTypeOf(a.type);
    const scale = (value: Expr, factor: number): Expr => (factor === 1 ? value : mul(value, constant(scalar, factor)));
    const finish = (sum: Expr, place: readonly Expr[], inputs: readonly (TensorView | undefined)[]): Expr => {
      const product = scale(sum, alpha);
      return c && beta !== 0 ? add(product, scale(inputs[2]!.at(broadcastIndex(place, c.shape)), beta)) : product;
    };
    if (a.type === "float32") {
      return {
        form: "contraction",
        operands: [0, 1],
        describe: (first, second) => ({
          form: "gemm",
          batch: [],
          m: rows,
          n,
          k,
          a: { buffer: first, strideM: transA ? 1 : k, strideK: transA ? rows : 1 },
          b: { buffer: second, strideK: transB ? 1 : n, strideN: transB ? k : 1 },
        }),
        finish,
      };
    }
    return {
      form: "loops",
      emit: (io) =>
        io.build.eachIndex([rows, n], (place) => {
          const [row, column] = place as readonly [Expr, Expr];
          const { statements, result } = combine(io, [k], "add", constant(scalar, 0), ([t]) =>
            mul(
              io.inputs[0]!.at(transA ? [t!, row] : [row, t!]),
              io.inputs[1]!.at(transB ? [column, t!] : [t!, column]),
            ),
          );
          return [...statements, ...io.outputs[0]!.store(place, finish(result, place, io.inputs))];
        }),
    };
  },
};

/** An 8-bit element less its zero point, as i32; zero points may be one number, or one a row or column. */
export function centred(zeroPoint: TensorView | undefined, axis: number): Element {
  return (view, place) => {
    const value = cast("i32", view.at(place));
    if (!zeroPoint) return value;
    const single = zeroPoint.shape.every((extent) => extent === 1);
    const at = single ? zeroPoint.atOffset(index(0)) : zeroPoint.atOffset(place.at(axis)!);
    return sub(value, cast("i32", at));
  };
}

/** Operands of 8 bits; a zero point is one number, or one a row of the first or a column of the second. */
export function checkIntegerOperands(
  context: OperatorContext,
  extents: readonly [number | undefined, number | undefined],
): void {
  for (const operand of [0, 1] as const) {
    const { type } = context.input(operand);
    if (type !== "int8" && type !== "uint8")
      context.reject("TENSOR_UNSUPPORTED_TYPE", `input ${operand} is ${type}, not of 8 bits`);
    const zero = context.inputs[operand + 2];
    if (!zero) continue;
    if (zero.type !== type) context.reject("TENSOR_UNSUPPORTED_TYPE", `a zero point of ${zero.type} for ${type}`);
    const single = zero.shape.every((extent) => extent === 1);
    if (!single && (zero.shape.length !== 1 || zero.shape[0] !== extents[operand])) {
      context.reject("TENSOR_UNSUPPORTED_FORM", `zero points of shape [${zero.shape}]`);
    }
  }
}

const matMulInteger: OperatorDefinition = {
  operator: "MatMulInteger",
  since: 10,
  infer(context) {
    const [a, b] = [context.input(0).shape, context.input(1).shape];
    checkIntegerOperands(context, [a.length > 1 ? a.at(-2) : 1, b.length > 1 ? b.at(-1) : 1]);
    return [{ type: "int32", shape: productOf(context, a, b).output }];
  },
  lower(context) {
    const product = productOf(context, context.input(0).shape, context.input(1).shape);
    return {
      form: "loops",
      emit: (io) => {
        const lowered = productLoops(product, "int32", centred(io.inputs[2], -2), centred(io.inputs[3], -1));
        return lowered.form === "loops" ? lowered.emit(io) : [];
      },
    };
  },
};

export const matrix: readonly OperatorDefinition[] = [matMul, gemm, matMulInteger];
