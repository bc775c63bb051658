/**
 * Tokens to reverse Polish, by Dijkstra's shunting-yard: operators wait on a stack until what comes next binds no
 * tighter. The parser has no recursion, so nesting cannot overflow the call stack (SPEC P1, P2).
 *
 * `and(a, b)`, `or(a, b)` and `not(a)` leave as the operators they are other spellings of.
 */
import { type HoldfastError, nearestName } from "../base/index.ts";
import { type Fault, placeOf, policyError } from "./fault.ts";
import type { PolicyLimits } from "./limits.ts";
import { literalText, shortQuote, shownName } from "./literal.ts";
import {
  binaryOperators,
  type FunctionName,
  functionNames,
  isFunctionName,
  type Operator,
  type PolicyValue,
  unaryOperators,
  xor,
} from "./operators.ts";
import { type Token, tokenize } from "./token.ts";

/** One item of reverse Polish; an operation takes the last `count` values before it. */
export type PolishItem =
  | { readonly kind: "literal"; readonly at: number; readonly value: PolicyValue }
  | { readonly kind: "name"; readonly at: number; readonly name: string }
  | { readonly kind: "operation"; readonly at: number; readonly operator: Operator; readonly count: number };

/** What waits on the stack: an operator, or an open parenthesis, of a call where it has a function. */
type Waiting =
  | { readonly kind: "operator"; readonly at: number; readonly operator: Operator; readonly count: 1 | 2 }
  | { readonly kind: "open"; readonly at: number; readonly call: Call | undefined };

interface Call {
  readonly name: FunctionName;
  readonly at: number;
  arguments: number;
}

const and = binaryOperators.get("&&")!;
const or = binaryOperators.get("||")!;
const not = unaryOperators.get("!")!;
const operandWords = 'a value, a name, "(", "!", "~" or "-"';

export function toReversePolish(text: string, limits: PolicyLimits): PolishItem[] {
  const tokens = tokenize(text, limits);
  const yard = new ShuntingYard(text, limits);
  for (const [place, token] of tokens.entries()) yard.accept(token, tokens[place + 1], tokens[place - 1]);
  return yard.output;
}

/** As people read it: `a b + 3 <`; a minus with one operand is `-/1`, xor has its number of operands. */
export function polishText(item: PolishItem): string {
  if (item.kind === "literal") return literalText(item.value);
  if (item.kind === "name") return item.name;
  return item.operator === xor ? `xor/${item.count}` : item.operator.name;
}

class ShuntingYard {
  readonly output: PolishItem[] = [];
  readonly #text: string;
  readonly #limits: PolicyLimits;
  readonly #waiting: Waiting[] = [];
  #open = 0;
  #wantsOperand = true;

  constructor(text: string, limits: PolicyLimits) {
    this.#text = text;
    this.#limits = limits;
  }

  accept(token: Token, next: Token | undefined, before: Token | undefined): void {
    if (this.#wantsOperand) this.#operand(token, next, before);
    else this.#operator(token);
  }

  #operand(token: Token, next: Token | undefined, before: Token | undefined): void {
    if (token.kind === "number" || token.kind === "string") {
      return this.#leaf({ kind: "literal", at: token.at, value: token.value });
    }
    if (token.kind === "name") return this.#word(token.name, token.at, next);
    const sign = token.kind === "symbol" ? token.symbol : "";
    if (sign === "(") return this.#push({ kind: "open", at: token.at, call: this.#callBefore(before) });
    const operator = unaryOperators.get(sign);
    if (operator === undefined) throw this.#noOperand(token, before);
    this.#waiting.push({ kind: "operator", at: token.at, operator, count: 1 });
  }

  #leaf(item: PolishItem): void {
    this.output.push(item);
    this.#wantsOperand = false;
  }

  #word(name: string, at: number, next: Token | undefined): void {
    const called = next?.kind === "symbol" && next.symbol === "(";
    const first = name.split(".", 1)[0]!;
    if (first === "true" || first === "false" || isFunctionName(first)) {
      // The parenthesis that comes next opens the call.
      if (called && isFunctionName(name)) return;
      if (name === "true" || name === "false") return this.#leaf({ kind: "literal", at, value: name === "true" });
      throw this.#reservedWord(name, first, at);
    }
    if (called) {
      const nearest = nearestName(name.slice(0, 100), functionNames);
      const hint = `The functions are and, or, not and xor${nearest === undefined ? "" : `; did you mean ${nearest}`}.`;
      throw this.#syntax({ at, expected: "one of the functions", found: `${shownName(name)}(`, hint });
    }
    this.#leaf({ kind: "name", at, name });
  }

  #reservedWord(name: string, first: string, at: number): HoldfastError {
    const found = shownName(name);
    if (name !== first) return this.#syntax({ at, expected: "a name", found, hint: `No name begins with ${first}.` });
    const hint = name === "not" ? "Write `!a` or `not(a)`." : infixHint(name);
    return this.#syntax({ at, expected: operandWords, found, hint });
  }

  #callBefore(before: Token | undefined): Call | undefined {
    if (before?.kind !== "name" || !isFunctionName(before.name)) return undefined;
    return { name: before.name, at: before.at, arguments: 0 };
  }

  #push(open: Waiting & { kind: "open" }): void {
    if (++this.#open > this.#limits.depth) {
      const expected = `at most ${this.#limits.depth} parentheses within each other`;
      const hint = "Split the rule, or raise limits.depth.";
      throw policyError({ code: "POLICY_LIMIT", text: this.#text, at: open.at, expected, found: "another", hint });
    }
    this.#waiting.push(open);
  }

  #operator(token: Token): void {
    if (token.kind === "end") return this.#finish(token.at);
    const sign = token.kind === "symbol" ? token.symbol : "";
    if (sign === ")") return this.#close(token.at);
    if (sign === ",") return this.#comma(token.at);
    const operator = binaryOperators.get(sign);
    if (operator === undefined) throw this.#noOperator(token);
    this.#flush(operator.precedence);
    this.#waiting.push({ kind: "operator", at: token.at, operator, count: 2 });
    this.#wantsOperand = true;
  }

  /** Lets operators go that bind at least as tightly; what then waits on top is returned. */
  #flush(precedence: number): (Waiting & { kind: "open" }) | undefined {
    for (;;) {
      const top = this.#waiting.at(-1);
      if (top === undefined) return undefined;
      if (top.kind === "open") return top;
      if (top.operator.precedence < precedence) return undefined;
      this.#waiting.pop();
      this.output.push({ ...top, kind: "operation" });
    }
  }

  #comma(at: number): void {
    const open = this.#flush(0);
    if (open?.call === undefined) {
      const hint = "Commas separate the arguments of and(...), or(...) and xor(...); join rules with `&&` or `||`.";
      throw this.#syntax({
        at,
        expected: open === undefined ? "an operator or the end" : 'an operator or ")"',
        found: '","',
        hint,
      });
    }
    this.#endArgument(open.call);
    this.#wantsOperand = true;
  }

  #close(at: number): void {
    const open = this.#flush(0);
    if (open === undefined) {
      const hint = "No parenthesis is open here; take this one away or open it before.";
      throw this.#syntax({ at, expected: "an operator or the end", found: '")"', hint });
    }
    this.#waiting.pop();
    this.#open--;
    if (open.call !== undefined) this.#endCall(open.call, at);
  }

  /** `and` and `or` group their arguments from the left, as `a && b && c` does. */
  #endArgument(call: Call): void {
    call.arguments++;
    if (call.arguments < 2 || (call.name !== "and" && call.name !== "or")) return;
    this.output.push({ kind: "operation", at: call.at, operator: call.name === "and" ? and : or, count: 2 });
  }

  #endCall(call: Call, at: number): void {
    this.#endArgument(call);
    const count = call.arguments;
    if (call.name === "not" ? count !== 1 : count < 2) {
      const expected = call.name === "not" ? "one argument of not" : `two or more arguments of ${call.name}`;
      const hint = call.name === "not" ? "Write not(a), or not(and(a, b))." : `Write ${call.name}(a, b).`;
      throw this.#syntax({ at, expected, found: String(count), hint });
    }
    if (call.name === "not") this.output.push({ kind: "operation", at: call.at, operator: not, count });
    if (call.name === "xor") this.output.push({ kind: "operation", at: call.at, operator: xor, count });
  }

  #finish(at: number): void {
    const open = this.#flush(0);
    if (open === undefined) return;
    const hint = `The parenthesis opened at ${this.#placeOf(open.at)} is not closed.`;
    throw this.#syntax({ at, expected: 'an operator or ")"', found: "the end", hint });
  }

  #noOperand(token: Token, before: Token | undefined): HoldfastError {
    const found = this.#found(token);
    const sign = token.kind === "symbol" ? token.symbol : "";
    let hint: string | undefined;
    if (before === undefined && token.kind === "end") hint = "An expression is a rule such as `failures < 5`.";
    else if (sign === "+") hint = "There is no plus before a value; leave it out.";
    else if (sign === ")" && before?.kind === "symbol" && before.symbol === "(")
      hint = "These parentheses hold nothing.";
    else if (before?.kind === "symbol" && before.symbol !== "(") {
      hint = `Something is missing after ${shortQuote(before.symbol)} at ${this.#placeOf(before.at)}.`;
    } else if (sign !== "") hint = `Something is missing before ${shortQuote(sign)}.`;
    return this.#syntax({ at: token.at, expected: operandWords, found, hint });
  }

  #noOperator(token: Token): HoldfastError {
    const open = this.#flush(0);
    const expected = open === undefined ? "an operator or the end" : 'an operator or ")"';
    let hint = "Two values stand side by side; an operator such as `&&` or `<` is missing between them.";
    if (token.kind === "name" && isFunctionName(token.name)) hint = infixHint(token.name);
    else if (token.kind === "name") hint = wordHints.get(token.name) ?? hint;
    return this.#syntax({ at: token.at, expected, found: this.#found(token), hint });
  }

  #found(token: Token): string {
    if (token.kind === "end") return "the end";
    if (token.kind === "name") return shownName(token.name);
    return token.kind === "symbol" ? `"${token.symbol}"` : shortQuoteLiteral(token.value);
  }

  #placeOf(at: number): string {
    return placeOf(this.#text, at);
  }

  #syntax(fault: Pick<Fault, "at" | "expected" | "found" | "hint">): HoldfastError {
    return policyError({ code: "POLICY_SYNTAX", text: this.#text, ...fault });
  }
}

const wordHints: ReadonlyMap<string, string> = new Map([
  ["is", "Did you mean `==`?"],
  ["equals", "Did you mean `==`?"],
  ["mod", "Did you mean `%`?"],
]);

function infixHint(word: string): string {
  if (word === "and") return "Did you mean `a && b`, or and(a, b)?";
  if (word === "not") return "`!` and not(a) stand before a value; unequal is `!=`.";
  if (word === "or") return "Did you mean `a || b`, or or(a, b)?";
  return "Did you mean xor(a, b)?";
}

function shortQuoteLiteral(value: number | string): string {
  return typeof value === "number" ? String(value) : shortQuote(value);
}
