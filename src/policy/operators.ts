/** The operators: how tightly each binds, what it takes and what it yields. One table, read by every stage. */

export type PolicyType = "number" | "string" | "boolean";
export type PolicyValue = number | string | boolean;

/** `order` takes two numbers or two strings, `equality` any two of one type. */
export type OperandRule = "number" | "boolean" | "order" | "equality";

export interface Operator {
  /** As reverse Polish names it. */
  readonly name: string;
  readonly symbol: string;
  /** The higher binds first. Binary operators of one precedence group from the left, unary ones from the right. */
  readonly precedence: number;
  readonly rule: OperandRule;
  readonly result: "number" | "boolean";
}

function operator(
  symbol: string,
  precedence: number,
  rule: OperandRule,
  result: Operator["result"],
  name = symbol,
): Operator {
  return { name, symbol, precedence, rule, result };
}

const binaryList = [
  operator("||", 1, "boolean", "boolean"),
  operator("&&", 2, "boolean", "boolean"),
  operator("==", 3, "equality", "boolean"),
  operator("!=", 3, "equality", "boolean"),
  operator("<", 4, "order", "boolean"),
  operator(">", 4, "order", "boolean"),
  operator("<=", 4, "order", "boolean"),
  operator(">=", 4, "order", "boolean"),
  operator("<<", 8, "number", "number"),
  operator(">>", 8, "number", "number"),
  operator("+", 9, "number", "number"),
  operator("-", 9, "number", "number"),
  operator("*", 10, "number", "number"),
  operator("/", 10, "number", "number"),
  operator("%", 10, "number", "number"),
];

const unaryList = [
  operator("!", 11, "boolean", "boolean"),
  operator("~", 11, "number", "number"),
  operator("-", 11, "number", "number", "-/1"),
];

/** Precedence from SPEC P1. */
export const binaryOperators: ReadonlyMap<string, Operator> = new Map(binaryList.map((each) => [each.symbol, each]));
export const unaryOperators: ReadonlyMap<string, Operator> = new Map(unaryList.map((each) => [each.symbol, each]));

/** The one operator without a symbol of its own: true where an odd number of its operands is. */
export const xor = operator("xor", 12, "boolean", "boolean");

/** Names that can only be called. `and`, `or` and `not` are other spellings of operators. */
export const functionNames = ["and", "or", "not", "xor"] as const;
export type FunctionName = (typeof functionNames)[number];

export function isFunctionName(name: string): name is FunctionName {
  return (functionNames as readonly string[]).includes(name);
}
