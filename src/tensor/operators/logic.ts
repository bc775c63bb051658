/** Logic on bools and on the bits of integers. */
import { type BinaryFunction, binary, unary } from "../ir/expression.ts";
import type { OperatorDefinition } from "./definition.ts";
import { elementwise, type TypeGroup } from "./elementwise.ts";

function joining(operator: string, since: number, fn: BinaryFunction, group: TypeGroup): OperatorDefinition {
  return elementwise({ operator, since, inputs: 2, group, compute: ([a, b]) => binary(fn, a!, b!) });
}

export const logicOperators: readonly OperatorDefinition[] = [
  joining("And", 7, "and", "bool"),
  joining("Or", 7, "or", "bool"),
  joining("Xor", 7, "xor", "bool"),
  elementwise({ operator: "Not", since: 1, inputs: 1, group: "bool", compute: ([x]) => unary("not", x!) }),
  joining("BitwiseAnd", 18, "and", "integer"),
  joining("BitwiseOr", 18, "or", "integer"),
  joining("BitwiseXor", 18, "xor", "integer"),
  elementwise({
    operator: "BitwiseNot",
    since: 18,
    inputs: 1,
    group: "integer",
    compute: ([x]) => unary("bitnot", x!),
  }),
  elementwise({
    operator: "BitShift",
    since: 11,
    inputs: 2,
    group: "integer",
    check(context) {
      const direction = context.string("direction");
      if (direction !== "LEFT" && direction !== "RIGHT") {
        context.reject("TENSOR_BAD_ATTRIBUTE", `direction is ${JSON.stringify(direction)}`);
      }
    },
    compute: ([a, b], context) => binary(context.string("direction") === "LEFT" ? "shl" : "shr", a!, b!),
  }),
];
