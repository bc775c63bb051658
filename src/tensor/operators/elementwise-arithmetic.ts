/** Arithmetic of several broadcast tensors: Add to Pow, the variadic ones, Clip. */
import { elementsOf } from "../graph/constant.ts";
import { isFloat } from "../ir/element-type.ts";
import {
  add,
  and,
  type BinaryFunction,
  binary,
  cast,
  compare,
  constant,
  div,
  type Expr,
  index as indexConstant,
  max,
  min,
  mul,
  rem,
  select,
  unary,
} from "../ir/expression.ts";
import { broadcastShapes } from "./broadcast.ts";
import type { OperatorContext } from "./context.ts";
import type { OperatorDefinition } from "./definition.ts";
import { elementAt, elementwise, like, requireGroup, requireSameType, requireSingle } from "./elementwise.ts";

function binaryOperator(operator: string, since: number, fn: BinaryFunction): OperatorDefinition {
  return elementwise({ operator, since, inputs: 2, group: "number", compute: ([a, b]) => binary(fn, a!, b!) });
}

function variadic(operator: string, since: number, join: (a: Expr, b: Expr) => Expr): OperatorDefinition {
  return elementwise({
    operator,
    since,
    inputs: "variadic",
    group: "number",
    compute: (all) => all.reduce((a, b) => join(a, b)),
  });
}

/** Mod: with fmod the dividend's sign (C's fmod), else the divisor's (Python's %), which is for integers alone. */
function modulo(a: Expr, b: Expr, context: OperatorContext): Expr {
  const remainder = rem(a, b);
  if (context.int("fmod", 0) !== 0 || a.type === "u32" || a.type === "u64") return remainder;
  const zero = like(a, 0);
  const signsDiffer = binary("xor", compare("lt", remainder, zero), compare("lt", b, zero));
  return select(and(compare("ne", remainder, zero), signsDiffer), add(remainder, b), remainder);
}

function checkModulo(context: OperatorContext): void {
  if (isFloat(context.input(0).type) && context.int("fmod", 0) === 0) {
    context.reject("TENSOR_BAD_ATTRIBUTE", "floats need fmod=1");
  }
}

/** An exponent that is one number known now, and a product or root rather than a power. */
function simplePower(x: Expr, context: OperatorContext): Expr | undefined {
  const { constant: exponent, type } = context.input(1);
  if (!exponent || type === "float16" || type === "bfloat16" || (x.type !== "f32" && x.type !== "f64"))
    return undefined;
  if (!exponent.splat && elementsOf(exponent).length !== 1) return undefined;
  switch (Number(elementsOf({ ...exponent, shape: [] })[0])) {
    case 1:
      return x;
    case 2:
      return mul(x, x);
    case 3:
      return mul(mul(x, x), x);
    case 0.5:
      return unary("sqrt", x);
    case -1:
      return div(like(x, 1), x);
    default:
      return undefined;
  }
}

/** The result has the base's type; bases and exponents of other types meet in a type that holds both. */
function power(base: Expr, exponent: Expr, context: OperatorContext): Expr {
  const simple = simplePower(base, context);
  if (simple) return simple;
  const float = (type: Expr["type"]): boolean => type === "f32" || type === "f64";
  if (base.type === exponent.type) return binary("pow", base, exponent);
  if (float(base.type)) return binary("pow", base, cast(base.type, exponent));
  const common = float(exponent.type) ? "f64" : "i64";
  return cast(base.type, binary("pow", cast(common, base), cast(common, exponent)));
}

/** Clip with its bounds as inputs, each may be left out. */
const clipByInputs: OperatorDefinition = {
  operator: "Clip",
  since: 11,
  infer(context) {
    const type = requireGroup(context, "number");
    for (const place of [1, 2]) {
      if (!context.inputs[place]) continue;
      requireSameType(context, 0, place);
      requireSingle(context, place);
    }
    return [{ type, shape: context.input(0).shape }];
  },
  lower: () => ({
    form: "map",
    elementwise: true,
    at(index, [input, low, high]) {
      let x = input!.at(index);
      if (low) x = max(x, low.atOffset(indexConstant(0)));
      return high ? min(x, high.atOffset(indexConstant(0))) : x;
    },
  }),
};

const clipByAttributes = elementwise({
  operator: "Clip",
  since: 6,
  inputs: 1,
  group: "float",
  compute([x], context) {
    let result = x!;
    if (context.has("min")) result = max(result, like(result, context.float("min")));
    return context.has("max") ? min(result, like(result, context.float("max"))) : result;
  },
});

const mean: OperatorDefinition = elementwise({
  operator: "Mean",
  since: 6,
  inputs: "variadic",
  group: "float",
  compute: (all) =>
    div(
      all.reduce((a, b) => add(a, b)),
      constant(all[0]!.type, all.length),
    ),
});

const where: OperatorDefinition = {
  operator: "Where",
  since: 9,
  infer(context) {
    requireGroup(context, "bool");
    requireSameType(context, 1, 2);
    const shapes = [0, 1, 2].map((place) => context.input(place).shape);
    return [{ type: context.input(1).type, shape: broadcastShapes(context, ...shapes) }];
  },
  lower: () => ({
    form: "map",
    elementwise: true,
    at: (index, [condition, a, b]) => select(elementAt(condition!, index), elementAt(a!, index), elementAt(b!, index)),
  }),
};

export const arithmeticOperators: readonly OperatorDefinition[] = [
  binaryOperator("Add", 7, "add"),
  binaryOperator("Sub", 7, "sub"),
  binaryOperator("Mul", 7, "mul"),
  binaryOperator("Div", 7, "div"),
  elementwise({
    operator: "Mod",
    since: 10,
    inputs: 2,
    group: "number",
    check: checkModulo,
    compute: ([a, b], context) => modulo(a!, b!, context),
  }),
  elementwise({
    operator: "Pow",
    since: 7,
    inputs: 2,
    group: "number",
    oneType: false,
    check: (context) => void requireGroup(context, "number", 1),
    compute: ([a, b], context) => power(a!, b!, context),
  }),
  variadic("Min", 6, min),
  variadic("Max", 6, max),
  variadic("Sum", 6, add),
  mean,
  clipByAttributes,
  clipByInputs,
  where,
];
