/**
 * A tree to closures: each node becomes one small function over the context, made once and called for each evaluation.
 *
 * Where the text tells an operand's type, its closure answers with that type or throws, so that the operation above
 * checks nothing. Every name is read through an own-property check: the engine does that within a few nanoseconds, and
 * without it a polluted prototype would answer for a name that the context lacks.
 */
import { assert, type HoldfastError } from "../base/index.ts";
import { lookUp, type OpenContext } from "./context.ts";
import { policyError } from "./fault.ts";
import type { PolicyLimits } from "./limits.ts";
import { describeValue, shownName } from "./literal.ts";
import { type PolicyType, type PolicyValue, xor } from "./operators.ts";
import { type NameNode, type OperationNode, operandFault, type PolicyNode, wantedType } from "./tree.ts";

export type Run<T extends PolicyValue = PolicyValue> = (context: OpenContext) => T;

/** What a closure needs besides its node: where faults are shown, and what values may be. */
export interface Scope {
  readonly text: string;
  readonly limits: PolicyLimits;
}

type Refusal = (value: PolicyValue) => HoldfastError;

const hasOwn = Object.hasOwn;

/** Calls itself once for each level of the tree, and so do the closures; `limits.depth` bounds both. */
export function compileNode(node: PolicyNode, scope: Scope): Run {
  if (node.kind === "literal") {
    const { value } = node;
    return () => value;
  }
  if (node.kind === "operation") return compileOperation(node, scope);
  return node.type === undefined ? anyName(node, scope) : typedName(node, node.type, scope, declaredFault(node, scope));
}

function compileOperation(node: OperationNode, scope: Scope): Run {
  const { rule, symbol } = node.operator;
  const runs = node.operands.map((_, place) => operandRun(node, place, scope));
  if (node.operator === xor) return exclusive(runs as Run<boolean>[]);
  if (runs.length === 1) return unary(symbol, runs[0]!);
  const [left, right] = runs as [Run, Run];
  if (rule === "number") return arithmetic(symbol, left as Run<number>, right as Run<number>);
  if (rule === "boolean") return logic(symbol, left as Run<boolean>, right as Run<boolean>);
  return comparison(node, left, right, scope);
}

/** Answers with the wanted type: the tree has refused literals and operations of another, so only names are checked. */
function operandRun(parent: OperationNode, place: number, scope: Scope): Run {
  const operand = parent.operands[place]!;
  const wanted = wantedType(parent);
  if (operand.kind !== "name" || wanted === undefined) return compileNode(operand, scope);
  const refusal: Refusal = (value) =>
    operandFault(scope.text, parent, place, `a ${wanted}`, describeOperand(operand, value));
  return typedName(operand, wanted, scope, refusal);
}

function declaredFault({ at, name, type }: NameNode, { text }: Scope): Refusal {
  return (value) =>
    policyError({
      code: "POLICY_TYPE",
      text,
      at,
      expected: `a ${type} in ${shownName(name)}, as declared`,
      found: describeValue(value),
      hint: "The context and the declared types must agree; nothing is converted.",
    });
}

function anyName(node: NameNode, { text, limits }: Scope): Run {
  const { name } = node;
  return (context) => {
    const value = hasOwn(context, name) ? context[name] : undefined;
    return typeof value === "number" || typeof value === "boolean" ? value : lookUp(context, node, text, limits);
  };
}

/** Reads a value of its type at once; all else (strings, other groupings, faults) takes the careful way. */
function typedName(node: NameNode, wanted: PolicyType, { text, limits }: Scope, refusal: Refusal): Run {
  const { name } = node;
  const carefully: Run = (context) => {
    const value = lookUp(context, node, text, limits);
    if (typeof value !== wanted) throw refusal(value);
    return value;
  };
  if (wanted === "string") return carefully;
  if (wanted === "boolean") {
    return (context) => {
      const value = hasOwn(context, name) ? context[name] : undefined;
      return typeof value === "boolean" ? value : carefully(context);
    };
  }
  return (context) => {
    const value = hasOwn(context, name) ? context[name] : undefined;
    return typeof value === "number" ? value : carefully(context);
  };
}

function exclusive(runs: readonly Run<boolean>[]): Run {
  return (context) => {
    let odd = false;
    for (const run of runs) odd = run(context) !== odd;
    return odd;
  };
}

function logic(symbol: string, left: Run<boolean>, right: Run<boolean>): Run {
  if (symbol === "&&") return (context) => left(context) && right(context);
  return (context) => left(context) || right(context);
}

function unary(symbol: string, operand: Run): Run {
  if (symbol === "!") return (context) => !operand(context);
  const number = operand as Run<number>;
  return symbol === "-" ? (context) => -number(context) : (context) => ~number(context);
}

function arithmetic(symbol: string, left: Run<number>, right: Run<number>): Run {
  switch (symbol) {
    case "+":
      return (context) => left(context) + right(context);
    case "-":
      return (context) => left(context) - right(context);
    case "*":
      return (context) => left(context) * right(context);
    case "/":
      return (context) => left(context) / right(context);
    case "%":
      return (context) => left(context) % right(context);
    case "<<":
      return (context) => left(context) << right(context);
    default:
      assert(symbol === ">>", `no arithmetic ${symbol}`);
      return (context) => left(context) >> right(context);
  }
}

/**
 * Numbers are compared in place; whatever else may meet is left to `otherwise`. Two names, and a name with a number,
 * are most of what rules compare: these are read in the comparison's own closure, which saves two calls of three.
 */
function comparison(node: OperationNode, left: Run, right: Run, scope: Scope): Run {
  const symbol = node.operator.symbol as ComparisonSymbol;
  const carefully: Run = (context) => {
    const a = left(context);
    const b = right(context);
    if (typeof a === "number" && typeof b === "number") return compare(symbol, a, b);
    checkComparable(node, a, b, scope);
    return compare(symbol, a, b);
  };
  const [first, second] = node.operands as readonly [PolicyNode, PolicyNode];
  const wanted = wantedType(node);
  if (first.kind !== "name" || (wanted !== undefined && wanted !== "number")) return carefully;
  if (second.kind === "name") return compareNames(symbol, first.name, second.name, carefully);
  if (second.kind !== "literal" || typeof second.value !== "number") return carefully;
  return compareNameWithNumber(symbol, first.name, second.value, carefully);
}

function compareNames(symbol: ComparisonSymbol, left: string, right: string, carefully: Run): Run {
  return (context) => {
    const a = hasOwn(context, left) ? context[left] : undefined;
    const b = hasOwn(context, right) ? context[right] : undefined;
    return typeof a === "number" && typeof b === "number" ? compare(symbol, a, b) : carefully(context);
  };
}

function compareNameWithNumber(symbol: ComparisonSymbol, name: string, limit: number, carefully: Run): Run {
  return (context) => {
    const value = hasOwn(context, name) ? context[name] : undefined;
    return typeof value === "number" ? compare(symbol, value, limit) : carefully(context);
  };
}

type ComparisonSymbol = "==" | "!=" | "<" | ">" | "<=" | ">=";

/** Strings by their UTF-16 units, which no locale changes. */
function compare(symbol: ComparisonSymbol, a: PolicyValue, b: PolicyValue): boolean {
  switch (symbol) {
    case "<":
      return a < b;
    case ">":
      return a > b;
    case "<=":
      return a <= b;
    case ">=":
      return a >= b;
    case "==":
      return a === b;
    default:
      return a !== b;
  }
}

function checkComparable(node: OperationNode, a: PolicyValue, b: PolicyValue, { text }: Scope): void {
  const orderOfBooleans = node.operator.rule === "order" && typeof a === "boolean";
  if (typeof a === typeof b && !orderOfBooleans) return;
  const place = orderOfBooleans ? 0 : 1;
  const expected = orderOfBooleans ? "a number or a string" : `a ${typeof a}`;
  throw operandFault(text, node, place, expected, describeOperand(node.operands[place]!, orderOfBooleans ? a : b));
}

function describeOperand(operand: PolicyNode, value: PolicyValue): string {
  return operand.kind === "name" ? `${describeValue(value)} in ${shownName(operand.name)}` : describeValue(value);
}
