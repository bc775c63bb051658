/** Comparisons of broadcast tensors, and tests for NaN and infinity. */
import { type CompareFunction, compare, constant, or } from "../ir/expression.ts";
import type { OperatorDefinition } from "./definition.ts";
import { elementwise, like, type TypeGroup } from "./elementwise.ts";

function comparison(operator: string, since: number, fn: CompareFunction, group: TypeGroup): OperatorDefinition {
  return elementwise({
    operator,
    since,
    inputs: 2,
    group,
    result: () => "bool",
    compute: ([a, b]) => compare(fn, a!, b!),
  });
}

export const comparisonOperators: readonly OperatorDefinition[] = [
  comparison("Equal", 7, "eq", "any"),
  comparison("Less", 7, "lt", "number"),
  comparison("Greater", 7, "gt", "number"),
  comparison("LessOrEqual", 12, "le", "number"),
  comparison("GreaterOrEqual", 12, "ge", "number"),
  elementwise({
    operator: "IsNaN",
    since: 9,
    inputs: 1,
    group: "float",
    result: () => "bool",
    compute: ([x]) => compare("ne", x!, x!),
  }),
  elementwise({
    operator: "IsInf",
    since: 10,
    inputs: 1,
    group: "float",
    result: () => "bool",
    compute([x], context) {
      const never = constant("bool", 0);
      const above = context.int("detect_positive", 1) ? compare("eq", x!, like(x!, Infinity)) : never;
      const below = context.int("detect_negative", 1) ? compare("eq", x!, like(x!, -Infinity)) : never;
      return or(above, below);
    },
  }),
];
