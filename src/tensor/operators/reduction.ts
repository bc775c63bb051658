/**
 * Reductions over axes: one loop nest over what is kept, one combining nest over what goes.
 *
 * Reduced axes that lie side by side are walked as one. The kept axes keep their order, so that where the innermost
 * axis is kept its loop runs along memory.
 */
import { type ElementType, elementCount, isFloat, type Shape, scalarTypeOf } from "../ir/element-type.ts";
import { add, compare, constant, div, type Expr, index, mul, select, unary, type VarExpr } from "../ir/expression.ts";
import type { Accumulator, Stmt } from "../ir/kernel.ts";
import { delinearize } from "./broadcast.ts";
import type { OperatorContext } from "./context.ts";
import type { InferredOutput, LoopsIo, OperatorDefinition } from "./definition.ts";

interface Reduction {
  readonly fn: Accumulator["fn"];
  /** What is combined, of an element. */
  readonly before?: (element: Expr) => Expr;
  /** What becomes of the result. */
  readonly after?: (result: Expr, count: number) => Expr;
  readonly floatOnly?: boolean;
}

const square = (x: Expr): Expr => mul(x, x);
const mean = (sum: Expr, count: number): Expr => div(sum, constant(sum.type, count));

const reductions: Readonly<Record<string, Reduction>> = {
  ReduceSum: { fn: "add" },
  ReduceMean: { fn: "add", after: mean },
  ReduceMax: { fn: "max" },
  ReduceMin: { fn: "min" },
  ReduceProd: { fn: "mul" },
  ReduceL1: { fn: "add", before: (x) => unary("abs", x) },
  ReduceL2: { fn: "add", before: square, after: (sum) => unary("sqrt", sum), floatOnly: true },
  ReduceSumSquare: { fn: "add", before: square },
  ReduceLogSum: { fn: "add", after: (sum) => unary("log", sum), floatOnly: true },
};

/** The version from which axes come as an input. */
function axesInputSince(operator: string): number {
  return operator === "ReduceSum" ? 13 : 18;
}

/** The axes a node reduces, sorted; `undefined` where it does nothing (noop_with_empty_axes). */
function axesOf(context: OperatorContext): number[] | undefined {
  const rank = context.input(0).shape.length;
  const byInput = context.version >= axesInputSince(context.node.operator);
  const given = byInput ? (context.inputs[1] ? context.constantNumbers(1) : []) : context.ints("axes", []);
  if (given.length === 0) {
    if (byInput && context.int("noop_with_empty_axes", 0) === 1) return undefined;
    return Array.from({ length: rank }, (_, axis) => axis);
  }
  return [...new Set(given.map((axis) => context.axis(axis, rank)))].sort((a, b) => a - b);
}

function reducedShape(shape: Shape, axes: readonly number[], keep: boolean): number[] {
  return keep
    ? shape.map((extent, axis) => (axes.includes(axis) ? 1 : extent))
    : shape.filter((_, axis) => !axes.includes(axis));
}

function inferReduced(context: OperatorContext): InferredOutput[] {
  const { type, shape } = context.input(0);
  const axes = axesOf(context);
  if (!axes) return [{ type, shape }];
  return [{ type, shape: reducedShape(shape, axes, context.int("keepdims", 1) === 1) }];
}

/** The value a combination starts from: what changes nothing. */
export function identityOf(fn: Accumulator["fn"], type: ElementType): Expr {
  const scalar = scalarTypeOf(type);
  if (fn === "add" || fn === "or") return constant(scalar, 0);
  if (fn === "mul" || fn === "and") return constant(scalar, 1);
  const low = fn === "max";
  if (isFloat(type)) return constant(scalar, low ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY);
  const bits = { i32: 32, u32: 32, i64: 64, u64: 64, bool: 1 }[scalar as "i32"];
  const signed = scalar === "i32" || scalar === "i64";
  const least = signed ? -(2n ** BigInt(bits - 1)) : 0n;
  const most = signed ? 2n ** BigInt(bits - 1) - 1n : 2n ** BigInt(bits) - 1n;
  return constant(scalar, low ? least : most);
}

/** Runs of neighbouring axes as single extents. */
export function mergeAxes(
  shape: Shape,
  axes: readonly number[],
): { readonly extents: number[]; readonly of: number[][] } {
  const extents: number[] = [];
  const of: number[][] = [];
  for (const axis of axes) {
    const last = of.at(-1);
    if (last && last.at(-1) === axis - 1) {
      last.push(axis);
      extents[extents.length - 1]! *= shape[axis]!;
    } else {
      of.push([axis]);
      extents.push(shape[axis]!);
    }
  }
  return { extents, of };
}

/** The full index from that of the kept axes and that of the merged reduced ones. */
export function joinIndex(
  shape: Shape,
  kept: ReadonlyMap<number, Expr>,
  merged: ReturnType<typeof mergeAxes>,
  reduced: readonly Expr[],
): Expr[] {
  const full = shape.map((_, axis) => kept.get(axis) ?? index(0));
  for (const [place, axes] of merged.of.entries()) {
    const parts =
      axes.length === 1
        ? [reduced[place]!]
        : delinearize(
            reduced[place]!,
            axes.map((axis) => shape[axis]!),
          );
    for (const [position, axis] of axes.entries()) full[axis] = parts[position]!;
  }
  return full;
}

/**
 * Loops over the kept axes of input 0; `body` gets the output's index and a function that gives the full index for
 * indices of the merged reduced axes.
 */
export function eachKept(
  io: LoopsIo,
  axes: readonly number[],
  keep: boolean,
  body: (
    output: readonly Expr[],
    full: (reduced: readonly Expr[]) => Expr[],
    extents: readonly number[],
  ) => readonly Stmt[],
): Stmt[] {
  const { shape } = io.inputs[0]!;
  const keptAxes = shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
  const merged = mergeAxes(shape, axes);
  return io.build.eachIndex(
    keptAxes.map((axis) => shape[axis]!),
    (indices) => {
      const kept = new Map(keptAxes.map((axis, place): [number, VarExpr] => [axis, indices[place]!]));
      const output = keep ? shape.map((_, axis) => kept.get(axis) ?? index(0)) : indices;
      return body(output, (reduced) => joinIndex(shape, kept, merged, reduced), merged.extents);
    },
  );
}

/** The combination over all extents; a single element where there is nothing to combine over. */
export function combine(
  io: LoopsIo,
  extents: readonly number[],
  fn: Accumulator["fn"],
  init: Expr,
  value: (reduced: readonly Expr[]) => Expr,
): { readonly statements: readonly Stmt[]; readonly result: Expr } {
  if (extents.length === 0) return { statements: [], result: value([]) };
  return io.build.reduce(extents, fn, init, value);
}

function definitionOf(operator: string, reduction: Reduction, since: number): OperatorDefinition {
  return {
    operator,
    since,
    infer(context) {
      const { type } = context.input(0);
      if (type === "bool" && context.version < 20) context.reject("TENSOR_UNSUPPORTED_TYPE", "bool is not reduced");
      if (reduction.floatOnly && !isFloat(type))
        context.reject("TENSOR_UNSUPPORTED_TYPE", `${type} is not taken, only floats`);
      return inferReduced(context);
    },
    lower(context) {
      const axes = axesOf(context) ?? [];
      const { type, shape } = context.input(0);
      const count = elementCount(axes.map((axis) => shape[axis]!));
      const keep = context.int("keepdims", 1) === 1;
      const { before = (x) => x, after = (x) => x, fn } = reduction;
      return {
        form: "loops",
        emit: (io) =>
          eachKept(io, axes, keep || axes.length === 0, (output, full, extents) => {
            const { statements, result } = combine(io, extents, fn, identityOf(fn, type), (reduced) =>
              before(io.inputs[0]!.at(full(reduced))),
            );
            return [...statements, ...io.outputs[0]!.store(output, after(result, count))];
          }),
      };
    },
  };
}

/** log of the sum of exponentials, from the greatest downwards so that nothing overflows. */
const logSumExp: OperatorDefinition = {
  operator: "ReduceLogSumExp",
  since: 1,
  infer(context) {
    if (!isFloat(context.input(0).type)) context.reject("TENSOR_UNSUPPORTED_TYPE", "only floats are taken");
    return inferReduced(context);
  },
  lower(context) {
    const axes = axesOf(context) ?? [];
    const { type } = context.input(0);
    const keep = context.int("keepdims", 1) === 1;
    return {
      form: "loops",
      emit: (io) =>
        eachKept(io, axes, keep || axes.length === 0, (output, full, extents) => {
          const input = io.inputs[0]!;
          const greatest = combine(io, extents, "max", identityOf("max", type), (reduced) => input.at(full(reduced)));
          const zero = constant(scalarTypeOf(type), 0);
          const finite = compare(
            "lt",
            unary("abs", greatest.result),
            constant(scalarTypeOf(type), Number.POSITIVE_INFINITY),
          );
          const shift = io.build.variable(scalarTypeOf(type));
          const sum = combine(io, extents, "add", zero, (reduced) => unary("exp", sub(input.at(full(reduced)), shift)));
          return [
            ...greatest.statements,
            { do: "let", target: shift, value: select(finite, greatest.result, zero) },
            ...sum.statements,
            ...io.outputs[0]!.store(output, add(unary("log", sum.result), shift)),
          ];
        }),
    };
  },
};

function sub(a: Expr, b: Expr): Expr {
  return add(a, unary("neg", b));
}

/** The place of the greatest or least element along an axis; the first of equals, or the last if asked. */
function argDefinition(operator: "ArgMax" | "ArgMin"): OperatorDefinition {
  return {
    operator,
    since: 1,
    infer(context) {
      const { shape } = context.input(0);
      const axis = context.axis(context.int("axis", 0), shape.length);
      if (shape[axis] === 0) context.reject("TENSOR_SHAPE_MISMATCH", `axis ${axis} of [${shape}] has no element`);
      return [{ type: "int64", shape: reducedShape(shape, [axis], context.int("keepdims", 1) === 1) }];
    },
    lower(context) {
      const { shape, type } = context.input(0);
      const axis = context.axis(context.int("axis", 0), shape.length);
      const keep = context.int("keepdims", 1) === 1;
      const last = context.int("select_last_index", 0) === 1;
      const better = operator === "ArgMax" ? (last ? "ge" : "gt") : last ? "le" : "lt";
      return {
        form: "loops",
        emit: (io) =>
          eachKept(io, [axis], keep, (output, full, extents) => {
            const best = io.build.variable(scalarTypeOf(type));
            const place = io.build.variable("i32");
            const candidate = io.build.variable(scalarTypeOf(type));
            const walk = io.build.sequence(extents[0]!, (k) => [
              { do: "let", target: candidate, value: io.inputs[0]!.at(full([k])) },
              {
                do: "if",
                condition: compare(better, candidate, best),
                then: [
                  { do: "assign", target: best, value: candidate },
                  { do: "assign", target: place, value: k },
                ],
                otherwise: [],
              },
            ]);
            return [
              { do: "assign", target: best, value: io.inputs[0]!.at(full([index(0)])) },
              { do: "assign", target: place, value: index(0) },
              walk,
              ...io.outputs[0]!.store(output, { op: "cast", type: "i64", a: place }),
            ];
          }),
      };
    },
  };
}

export const reduction: readonly OperatorDefinition[] = [
  ...Object.entries(reductions).map(([operator, one]) => definitionOf(operator, one, 1)),
  logSumExp,
  argDefinition("ArgMax"),
  argDefinition("ArgMin"),
];
