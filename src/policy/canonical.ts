/**
 * A tree as text, in the one form that all texts of the same tree share: a space on both sides of a binary operator,
 * parentheses only where the tree would otherwise be another, literals in their one spelling.
 */
import { literalText } from "./literal.ts";
import { type Operator, xor } from "./operators.ts";
import type { PolicyNode } from "./tree.ts";

export interface CanonicalForm {
  readonly text: string;
  readonly tokens: number;
}

export function canonicalForm(root: PolicyNode): CanonicalForm {
  const parts: string[] = [];
  let tokens = 0;
  const token = (text: string): void => {
    parts.push(text);
    tokens++;
  };
  const write = (node: PolicyNode): void => {
    if (node.kind === "literal") token(literalText(node.value));
    else if (node.kind === "name") token(node.name);
    else if (node.operator === xor) writeCall(node.operands);
    else if (node.operands.length === 1) {
      token(node.operator.symbol);
      writeOperand(node.operands[0]!, node.operator, 0);
    } else {
      const [left, right] = node.operands as readonly [PolicyNode, PolicyNode];
      writeOperand(left, node.operator, 0);
      parts.push(" ");
      token(node.operator.symbol);
      parts.push(" ");
      // Operators of one precedence group from the left, so a right operand of the same needs its parentheses.
      writeOperand(right, node.operator, 1);
    }
  };
  const writeOperand = (node: PolicyNode, { precedence }: Operator, tighter: 0 | 1): void => {
    const bare = node.kind !== "operation" || node.operator.precedence >= precedence + tighter;
    if (bare) return write(node);
    token("(");
    write(node);
    token(")");
  };
  const writeCall = (operands: readonly PolicyNode[]): void => {
    token("xor");
    for (const [place, operand] of operands.entries()) {
      token(place === 0 ? "(" : ",");
      if (place > 0) parts.push(" ");
      write(operand);
    }
    token(")");
  };
  write(root);
  return { text: parts.join(""), tokens };
}
