/**
 * Reverse Polish to a tree whose operators have operands of the right types, as far as the text alone tells.
 *
 * A literal and an operation have a type; a name has one only where it was declared. What cannot be right for any
 * context (`1 + "a"`) is refused here, and so is a tree that is too high to be walked by recursion: all that comes
 * after may recurse.
 */
import { type HoldfastError, nearestName } from "../base/index.ts";
import { policyError } from "./fault.ts";
import type { PolicyLimits } from "./limits.ts";
import { describeValue, shownName } from "./literal.ts";
import { type Operator, type PolicyType, type PolicyValue, xor } from "./operators.ts";
import type { PolishItem } from "./reverse-polish.ts";

interface NodeBase {
  /** Offset into the text, of an operation that of its operator. */
  readonly at: number;
  readonly type: PolicyType | undefined;
  /** Of its tree; a leaf has 1. */
  readonly height: number;
}

export interface LiteralNode extends NodeBase {
  readonly kind: "literal";
  readonly value: PolicyValue;
}

export interface NameNode extends NodeBase {
  readonly kind: "name";
  readonly name: string;
  /** Between the dots. */
  readonly parts: readonly string[];
}

export interface OperationNode extends NodeBase {
  readonly kind: "operation";
  readonly operator: Operator;
  readonly operands: readonly PolicyNode[];
}

export type PolicyNode = LiteralNode | NameNode | OperationNode;

/** What is known of names before there is a context. */
export interface Declarations {
  /** All names that may occur; undefined where any may. */
  readonly names: ReadonlySet<string> | undefined;
  readonly types: ReadonlyMap<string, PolicyType>;
}

export interface PolicyTree {
  readonly root: PolicyNode;
  /** First occurrence of each name, in the order of the text. */
  readonly names: ReadonlyMap<string, NameNode>;
}

export function buildTree(
  items: readonly PolishItem[],
  text: string,
  limits: PolicyLimits,
  declared: Declarations,
): PolicyTree {
  const names = new Map<string, NameNode>();
  const stack: PolicyNode[] = [];
  for (const item of items) {
    if (item.kind === "literal") stack.push({ ...item, type: typeof item.value as PolicyType, height: 1 });
    else if (item.kind === "name") stack.push(nameNode(item, names, text, limits, declared));
    else stack.push(operationNode(item, stack.splice(-item.count), text, limits));
  }
  return { root: stack[0]!, names };
}

function nameNode(
  item: PolishItem & { kind: "name" },
  names: Map<string, NameNode>,
  text: string,
  limits: PolicyLimits,
  declared: Declarations,
): NameNode {
  const { name, at } = item;
  if (declared.names?.has(name) === false) throw unknownName(text, at, name, [...declared.names], "a declared name");
  const node: NameNode = { ...item, parts: name.split("."), type: declared.types.get(name), height: 1 };
  if (names.has(name)) return node;
  if (names.size === limits.names) {
    const hint = "Split the rule, or raise limits.names.";
    const found = "another";
    throw policyError({ code: "POLICY_LIMIT", text, at, expected: `at most ${limits.names} names`, found, hint });
  }
  names.set(name, node);
  return node;
}

function operationNode(
  item: PolishItem & { kind: "operation" },
  operands: readonly PolicyNode[],
  text: string,
  limits: PolicyLimits,
): OperationNode {
  const height = 1 + operands.reduce((most, { height }) => Math.max(most, height), 0);
  if (height > limits.depth) {
    const expected = `a depth of at most ${limits.depth}`;
    const hint = "Split the rule, or raise limits.depth; each operator in a row of them adds one.";
    throw policyError({ code: "POLICY_LIMIT", text, at: item.at, expected, found: "more", hint });
  }
  const node: OperationNode = { ...item, operands, type: item.operator.result, height };
  const wanted = wantedType(node);
  for (const [place, operand] of operands.entries()) {
    if (operand.type === undefined || operand.type === wanted) continue;
    const expected = wanted === undefined ? "a number or a string" : `a ${wanted}`;
    throw operandFault(text, node, place, expected, describeNode(operand));
  }
  return node;
}

/** What type all operands must have whatever the context says; undefined where that depends on the context. */
export function wantedType({ operator, operands }: Pick<OperationNode, "operator" | "operands">) {
  if (operator.rule === "number" || operator.rule === "boolean") return operator.rule;
  // A comparison with a value of known type asks for that type: of two that are known, the left one says which.
  const wanted = operands[0]!.type ?? operands[1]!.type;
  return operator.rule === "order" && wanted === "boolean" ? undefined : wanted;
}

/** POLICY_TYPE at an operand, saying on which side of what it stands. */
export function operandFault(
  text: string,
  { operator, operands }: OperationNode,
  place: number,
  expected: string,
  found: string,
): HoldfastError {
  const operand = operands[place]!;
  let where = `after "${operator.symbol}"`;
  if (operator === xor) where = `as argument ${place + 1} of xor`;
  else if (operands.length === 2) where = `${place === 0 ? "before" : "after"} "${operator.symbol}"`;
  const hint = typeHint(operator, found);
  return policyError({ code: "POLICY_TYPE", text, at: operand.at, expected: `${expected} ${where}`, found, hint });
}

function typeHint({ rule, symbol }: Operator, found: string): string {
  if (rule === "boolean") return "Compare to get a boolean, as in `failures > 0`; nothing is true or false by itself.";
  if (rule === "number" && symbol === "+" && found.includes("string")) return "Strings are compared, never joined.";
  if (rule === "number") return "Give the value as a number; nothing is converted.";
  if (rule === "order" && found === "a boolean") return "Comparisons do not chain; write `1 < x && x < 3`.";
  if (rule === "order" && found.includes("boolean")) return "Booleans have no order; compare them by `==` or `!=`.";
  return "Both sides must have one type; nothing is converted.";
}

function describeNode(node: PolicyNode): string {
  if (node.kind === "literal") return describeValue(node.value);
  return node.kind === "name" ? `${shownName(node.name)}, a ${node.type}` : `a ${node.type}`;
}

const namesInHint = 8;

/** POLICY_UNKNOWN_NAME, with the nearest of the names there are, or some of them. */
export function unknownName(
  text: string,
  at: number,
  name: string,
  known: readonly string[],
  expected: string,
): HoldfastError {
  const nearest = name.length > 100 ? undefined : nearestName(name, known);
  const some = known.slice(0, namesInHint).map(shownName).join(", ");
  const more = known.length > namesInHint ? " and others" : "";
  let hint = nearest === undefined ? `There are: ${some}${more}.` : `Did you mean ${shownName(nearest)}?`;
  if (known.length === 0) hint = "There are no names at all.";
  return policyError({ code: "POLICY_UNKNOWN_NAME", text, at, expected, found: shownName(name), hint });
}
