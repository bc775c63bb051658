/**
 * Softmax, LogSoftmax and Hardmax. Up to opset 12 the tensor is seen as a matrix, everything from `axis` on being one
 * row; from 13 on the one axis is normalised.
 */
import { elementCount, isFloat, type Shape, scalarTypeOf } from "../ir/element-type.ts";
import { compare, constant, div, type Expr, index, select, sub, unary } from "../ir/expression.ts";
import type { Stmt } from "../ir/kernel.ts";
import type { OperatorContext } from "./context.ts";
import type { LoopsIo, OperatorDefinition } from "./definition.ts";
import { combine, eachKept, identityOf } from "./reduction.ts";

function axesOf(context: OperatorContext): number[] {
  const rank = context.input(0).shape.length;
  if (context.version >= 13) return [context.axis(context.int("axis", -1), rank)];
  const axis = context.int("axis", 1);
  const first = axis === rank ? rank : context.axis(axis, rank);
  return Array.from({ length: rank - first }, (_, place) => first + place);
}

type Row = (io: LoopsIo, at: (reduced: readonly Expr[]) => Expr, extents: readonly number[], store: Store) => Stmt[];
type Store = (value: (reduced: readonly Expr[]) => Expr) => Stmt[];

function normalised(operator: string, row: Row): OperatorDefinition {
  return {
    operator,
    since: 1,
    infer(context) {
      const { type, shape } = context.input(0);
      if (!isFloat(type)) context.reject("TENSOR_UNSUPPORTED_TYPE", `${type} is not taken, only floats`);
      axesOf(context);
      return [{ type, shape }];
    },
    lower(context) {
      const axes = axesOf(context);
      return {
        form: "loops",
        emit: (io) =>
          eachKept(io, axes, true, (_, full, extents) => {
            const store: Store = (value) =>
              io.build.eachIndex(extents, (reduced) => io.outputs[0]!.store(full(reduced), value(reduced)));
            return row(io, (reduced) => io.inputs[0]!.at(full(reduced)), extents, store);
          }),
      };
    },
  };
}

function greatestAndSum(io: LoopsIo, at: (reduced: readonly Expr[]) => Expr, extents: readonly number[]) {
  const { type } = io.inputs[0]!;
  const greatest = combine(io, extents, "max", identityOf("max", type), at);
  const zero = constant(scalarTypeOf(type), 0);
  const sum = combine(io, extents, "add", zero, (reduced) => unary("exp", sub(at(reduced), greatest.result)));
  return { statements: [...greatest.statements, ...sum.statements], greatest: greatest.result, sum: sum.result };
}

const softmaxRow: Row = (io, at, extents, store) => {
  const { statements, greatest, sum } = greatestAndSum(io, at, extents);
  const scale = io.build.variable(sum.type);
  return [
    ...statements,
    { do: "let", target: scale, value: div(constant(sum.type, 1), sum) },
    ...store((reduced) => ({
      op: "binary",
      type: sum.type,
      fn: "mul",
      a: unary("exp", sub(at(reduced), greatest)),
      b: scale,
    })),
  ];
};

const logSoftmaxRow: Row = (io, at, extents, store) => {
  const { statements, greatest, sum } = greatestAndSum(io, at, extents);
  const logSum = io.build.variable(sum.type);
  return [
    ...statements,
    { do: "let", target: logSum, value: unary("log", sum) },
    ...store((reduced) => sub(sub(at(reduced), greatest), logSum)),
  ];
};

/** 1 at the first of the greatest elements, 0 elsewhere. */
const hardmaxRow: Row = (io, at, extents, store) => {
  const { type } = io.inputs[0]!;
  const greatest = combine(io, extents, "max", identityOf("max", type), at);
  const position = (reduced: readonly Expr[]): Expr => flat(reduced, extents);
  const none = index(elementCount(extents));
  const first = combine(io, extents, "min", none, (reduced) =>
    select(compare("eq", at(reduced), greatest.result), position(reduced), none),
  );
  const scalar = scalarTypeOf(type);
  return [
    ...greatest.statements,
    ...first.statements,
    ...store((reduced) =>
      select(compare("eq", position(reduced), first.result), constant(scalar, 1), constant(scalar, 0)),
    ),
  ];
};

function flat(place: readonly Expr[], extents: Shape): Expr {
  return place.reduce<Expr>((offset, part, axis) => {
    const scaled: Expr = { op: "binary", type: "i32", fn: "mul", a: offset, b: index(extents[axis]!) };
    return { op: "binary", type: "i32", fn: "add", a: scaled, b: part };
  }, index(0));
}

export const softmax: readonly OperatorDefinition[] = [
  normalised("Softmax", softmaxRow),
  normalised("LogSoftmax", logSoftmaxRow),
  normalised("Hardmax", hardmaxRow),
];
