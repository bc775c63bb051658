/** Mathematical functions of one number. */
import {
  add,
  compare,
  constant,
  div,
  type Expr,
  max,
  min,
  mul,
  select,
  sub,
  type UnaryFunction,
  unary,
} from "../ir/expression.ts";
import type { OperatorDefinition } from "./definition.ts";
import { elementwise, like } from "./elementwise.ts";

/** Operators that are one function of the expression language, on floats. */
const floatFunctions: readonly (readonly [operator: string, since: number, fn: UnaryFunction])[] = [
  ["Ceil", 1, "ceil"],
  ["Floor", 1, "floor"],
  ["Round", 11, "nearest"],
  ["Sqrt", 1, "sqrt"],
  ["Exp", 1, "exp"],
  ["Log", 1, "log"],
  ["Sin", 7, "sin"],
  ["Cos", 7, "cos"],
  ["Tan", 7, "tan"],
  ["Asin", 7, "asin"],
  ["Acos", 7, "acos"],
  ["Atan", 7, "atan"],
  ["Sinh", 9, "sinh"],
  ["Cosh", 9, "cosh"],
  ["Tanh", 1, "tanh"],
  ["Asinh", 9, "asinh"],
  ["Acosh", 9, "acosh"],
  ["Atanh", 9, "atanh"],
  ["Erf", 9, "erf"],
  ["Sigmoid", 1, "sigmoid"],
];

function sign(x: Expr): Expr {
  const zero = like(x, 0);
  const below = x.type === "u32" || x.type === "u64" ? x : select(compare("lt", x, zero), like(x, -1), x);
  return select(compare("gt", x, zero), like(x, 1), below);
}

export const mathOperators: readonly OperatorDefinition[] = [
  ...floatFunctions.map(([operator, since, fn]) =>
    elementwise({ operator, since, inputs: 1, group: "float", compute: ([x]) => unary(fn, x!) }),
  ),
  elementwise({ operator: "Abs", since: 1, inputs: 1, group: "number", compute: ([x]) => absolute(x!) }),
  elementwise({ operator: "Neg", since: 1, inputs: 1, group: "number", compute: ([x]) => unary("neg", x!) }),
  elementwise({ operator: "Sign", since: 9, inputs: 1, group: "number", compute: ([x]) => sign(x!) }),
  elementwise({
    operator: "Reciprocal",
    since: 1,
    inputs: 1,
    group: "float",
    compute: ([x]) => div(like(x!, 1), x!),
  }),
];

export function absolute(x: Expr): Expr {
  return x.type === "u32" || x.type === "u64" ? x : unary("abs", x);
}

/** `log(1 + exp(x))` that does not overflow, exact for large negative numbers too. */
export function softplus(x: Expr): Expr {
  return add(max(x, like(x, 0)), logarithmOf1Plus(unary("exp", unary("neg", unary("abs", x)))));
}

/** `log(1 + x)` for x >= 0: what rounding of `1 + x` takes away is given back (after W. Kahan). */
function logarithmOf1Plus(x: Expr): Expr {
  const one = like(x, 1);
  const sum = add(one, x);
  return select(compare("eq", sum, one), x, mul(unary("log", sum), div(x, sub(sum, one))));
}

export function clamp(x: Expr, low: number, high: number): Expr {
  return min(max(x, like(x, low)), constant(x.type, high));
}
