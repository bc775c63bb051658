/** Det: Gaussian elimination with row exchange, in scratch; each matrix of a batch by itself. */
import { elementCount, scalarTypeOf } from "../ir/element-type.ts";
import { add, compare, constant, div, type Expr, index, mul, select, sub, unary } from "../ir/expression.ts";
import type { Stmt } from "../ir/kernel.ts";
import { linearize } from "./broadcast.ts";
import type { LoopsIo, OperatorDefinition, ScratchTensor } from "./definition.ts";

/** Makes the matrix at `base` triangular, and multiplies `determinant` by its diagonal. */
function eliminate(io: LoopsIo, work: ScratchTensor, base: Expr, n: number, determinant: Expr & { op: "var" }): Stmt {
  const at = (row: Expr, column: Expr): Expr => add(base, add(mul(row, index(n)), column));
  return io.build.sequence(n, (step) => {
    const best = io.build.variable("i32");
    const kept = io.build.variable(determinant.type);
    const factor = io.build.variable(determinant.type);
    const below = sub(index(n - 1), step);
    const nth = (offset: Expr): Expr => add(step, add(offset, index(1)));
    const greater = (row: Expr): Expr =>
      compare("gt", unary("abs", work.load(at(row, step))), unary("abs", work.load(at(best, step))));
    const pivot = work.load(at(step, step));
    const zero = constant(determinant.type, 0);
    return [
      { do: "assign", target: best, value: step },
      io.build.sequence(below, (row) => [
        {
          do: "if",
          condition: greater(nth(row)),
          then: [{ do: "assign", target: best, value: nth(row) }],
          otherwise: [],
        },
      ]),
      {
        do: "if",
        condition: compare("ne", best, step),
        then: [
          io.build.sequence(n, (column) => [
            { do: "let", target: kept, value: work.load(at(step, column)) },
            work.store(at(step, column), work.load(at(best, column))),
            work.store(at(best, column), kept),
          ]),
          { do: "assign", target: determinant, value: unary("neg", determinant) },
        ],
        otherwise: [],
      },
      { do: "assign", target: determinant, value: mul(determinant, pivot) },
      io.build.sequence(below, (row) => [
        // With a pivot of zero the determinant is zero already.
        {
          do: "let",
          target: factor,
          value: select(compare("eq", pivot, zero), zero, div(work.load(at(nth(row), step)), pivot)),
        },
        io.build.sequence(n, (column) => [
          work.store(
            at(nth(row), column),
            sub(work.load(at(nth(row), column)), mul(factor, work.load(at(step, column)))),
          ),
        ]),
      ]),
    ];
  });
}

const det: OperatorDefinition = {
  operator: "Det",
  since: 11,
  infer(context) {
    const { type, shape } = context.input(0);
    if (type !== "float32" && type !== "float64") context.reject("TENSOR_UNSUPPORTED_TYPE", `${type} is not taken`);
    if (shape.length < 2 || shape.at(-1) !== shape.at(-2))
      context.reject("TENSOR_SHAPE_MISMATCH", `[${shape}] are no square matrices`);
    return [{ type, shape: shape.slice(0, -2) }];
  },
  lower(context) {
    const { type, shape } = context.input(0);
    const n = shape.at(-1)!;
    const outer = shape.slice(0, -2);
    return {
      form: "loops",
      emit: (io) => {
        const work = io.scratch(type, Math.max(1, elementCount(shape)));
        const copy = io.build.each(elementCount(shape), (offset) => [
          work.store(offset, io.inputs[0]!.atOffset(offset)),
        ]);
        const each = io.build.eachIndex(outer, (place) => {
          const determinant = io.build.variable(scalarTypeOf(type));
          const base = mul(linearize(place, outer), index(n * n));
          return [
            { do: "assign", target: determinant, value: constant(determinant.type, 1) },
            eliminate(io, work, base, n, determinant),
            ...io.outputs[0]!.store(place, determinant),
          ];
        });
        return [copy, ...each];
      },
    };
  },
};

export const determinant: readonly OperatorDefinition[] = [det];
