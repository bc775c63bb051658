/** Why a rule said what it said: each part of the expression with its value, innermost first. */
import { canonicalForm } from "./canonical.ts";
import { compileNode, type Scope } from "./closures.ts";
import type { OpenContext } from "./context.ts";
import type { PolicyValue } from "./operators.ts";
import type { PolicyNode } from "./tree.ts";

export interface PolicyStep {
  /** A name or an operation, in canonical form. */
  readonly expression: string;
  /** Undefined where `&&` or `||` was decided without it. */
  readonly value: PolicyValue | undefined;
  /** Offset into the text, in UTF-16 units from 0; of an operation that of its operator. */
  readonly at: number;
}

export interface PolicyExplanation {
  readonly result: PolicyValue;
  /** In the order of evaluation; literals are left out. */
  readonly steps: readonly PolicyStep[];
}

export function explainTree(root: PolicyNode, context: OpenContext, scope: Scope): PolicyStep[] {
  const steps: PolicyStep[] = [];
  const visit = (node: PolicyNode, reached: boolean): PolicyValue | undefined => {
    const value = reached ? compileNode(node, scope)(context) : undefined;
    if (node.kind === "literal") return value;
    if (node.kind === "operation") visitOperands(node.operator.symbol, node.operands, reached);
    steps.push({ expression: canonicalForm(node).text, value, at: node.at });
    return value;
  };
  const visitOperands = (symbol: string, operands: readonly PolicyNode[], reached: boolean): void => {
    let needed = reached;
    for (const operand of operands) {
      const value = visit(operand, needed);
      if ((symbol === "&&" && value === false) || (symbol === "||" && value === true)) needed = false;
    }
  };
  visit(root, true);
  return steps;
}
