/**
 * TopK: the greatest (or least) k elements along an axis, in order, equal ones by their place. NaN counts as greater
 * than every number. Each row keeps its best so far in order and inserts what beats the last of them.
 */
import { elementCount, scalarTypeOf } from "../ir/element-type.ts";
import { add, and, cast, compare, type Expr, index, max, min, mul, or, sub } from "../ir/expression.ts";
import type { Stmt } from "../ir/kernel.ts";
import { linearize } from "./broadcast.ts";
import type { OperatorContext } from "./context.ts";
import type { LoopsIo, OperatorDefinition } from "./definition.ts";
import { eachKept } from "./reduction.ts";

interface Choice {
  readonly axis: number;
  readonly k: number;
  readonly shape: number[];
}

function choiceOf(context: OperatorContext): Choice {
  const { shape } = context.input(0);
  const axis = context.axis(context.int("axis", -1), shape.length);
  const k = context.version < 10 ? context.int("k") : context.constantNumbers(1)[0];
  if (k === undefined || !Number.isInteger(k) || k < 0 || k > shape[axis]!) {
    context.reject("TENSOR_BAD_INPUT", `${k} of ${shape[axis]} elements are asked for`);
  }
  return { axis, k, shape: shape.with(axis, k) };
}

const isNumber = (x: Expr): Expr => compare("eq", x, x);
const isNotANumber = (x: Expr): Expr => compare("ne", x, x);

function better(a: Expr, b: Expr, largest: boolean): Expr {
  const before = compare(largest ? "gt" : "lt", a, b);
  if (a.type !== "f32" && a.type !== "f64") return before;
  return or(before, largest ? and(isNotANumber(a), isNumber(b)) : and(isNumber(a), isNotANumber(b)));
}

function insertion(io: LoopsIo, rows: number, k: number, largest: boolean) {
  const { type } = io.inputs[0]!;
  const values = io.scratch(type, rows * k);
  const places = io.scratch("int32", rows * k);
  const insert = (base: Expr, value: Expr, place: Expr): Stmt[] => {
    const hole = io.build.variable("i32");
    const before = max(sub(hole, index(1)), index(0));
    const worse = better(value, values.load(add(base, before)), largest);
    return [
      { do: "assign", target: hole, value: min(place, index(k - 1)) },
      {
        do: "if",
        condition: or(compare("lt", place, index(k)), better(value, values.load(add(base, index(k - 1))), largest)),
        then: [
          {
            do: "while",
            condition: and(compare("gt", hole, index(0)), worse),
            body: [
              values.store(add(base, hole), values.load(add(base, before))),
              places.store(add(base, hole), places.load(add(base, before))),
              { do: "assign", target: hole, value: sub(hole, index(1)) },
            ],
          },
          values.store(add(base, hole), value),
          places.store(add(base, hole), place),
        ],
        otherwise: [],
      },
    ];
  };
  return { values, places, insert };
}

const topK: OperatorDefinition = {
  operator: "TopK",
  since: 1,
  infer(context) {
    const { type } = context.input(0);
    if (type === "bool") context.reject("TENSOR_UNSUPPORTED_TYPE", "bool has no order");
    const { shape } = choiceOf(context);
    return [
      { type, shape },
      { type: "int64", shape },
    ];
  },
  lower(context) {
    const input = context.input(0).shape;
    const { axis, k, shape } = choiceOf(context);
    const largest = context.int("largest", 1) !== 0;
    const rowShape = input.with(axis, 1);
    return {
      form: "loops",
      emit: (io) => {
        if (elementCount(shape) === 0) return [];
        const kept = insertion(io, elementCount(rowShape), k, largest);
        return eachKept(io, [axis], true, (row, full) => {
          const base = mul(linearize(row, rowShape), index(k));
          const value = io.build.variable(scalarTypeOf(io.inputs[0]!.type));
          const walk = io.build.sequence(input[axis]!, (place) => [
            { do: "let", target: value, value: io.inputs[0]!.at(full([place])) },
            ...kept.insert(base, value, place),
          ]);
          const write = io.build.sequence(k, (place) => {
            const from = add(base, place);
            return [
              ...(io.outputs[0]?.store(full([place]), kept.values.load(from)) ?? []),
              ...(io.outputs[1]?.store(full([place]), cast("i64", kept.places.load(from))) ?? []),
            ];
          });
          return [walk, write];
        });
      },
    };
  },
};

export const sorting: readonly OperatorDefinition[] = [topK];
