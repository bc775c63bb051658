/**
 * A rule, compiled: text in, one value out, the same for the same text and context on every platform (SPEC P1, P2).
 *
 * An expression reaches nothing but the context it is given, calls nothing, changes nothing and ends: there are no
 * loops, and its size is bounded.
 */
import { HoldfastError } from "../base/index.ts";
import { canonicalForm } from "./canonical.ts";
import { checkOptions } from "./check-options.ts";
import { compileNode, type Run, type Scope } from "./closures.ts";
import { lookUp, type OpenContext, openContext, type PolicyContextOf } from "./context.ts";
import { explainTree, type PolicyExplanation } from "./explain.ts";
import { policyError } from "./fault.ts";
import { type PolicyLimits, resolveLimits } from "./limits.ts";
import { describeValue } from "./literal.ts";
import type { PolicyType, PolicyValue } from "./operators.ts";
import { polishText, toReversePolish } from "./reverse-polish.ts";
import { buildTree, type Declarations, type PolicyTree } from "./tree.ts";

export interface PolicyOptions {
  readonly limits?: Partial<PolicyLimits> | undefined;
  /** The names that may occur, besides those in `types`; any other is POLICY_UNKNOWN_NAME when compiling. */
  readonly names?: readonly string[] | undefined;
  /** Types of names, so that a wrong use is found when compiling. By themselves they do not forbid other names. */
  readonly types?: Readonly<Record<string, PolicyType>> | undefined;
  /** The type that the result must have, as far as the text tells; `evaluate` checks the rest. */
  readonly result?: PolicyType | undefined;
}

/** Made by `compilePolicy`. Holds no state between evaluations, so one may be used everywhere. */
export class PolicyExpression {
  readonly text: string;
  /** The one text of all that mean the same tree; compiles to the same expression. */
  readonly canonical: string;
  readonly reversePolish: readonly string[];
  /** Every name that occurs, once, sorted by UTF-16 units. */
  readonly names: readonly string[];
  /** Of the result, where the text or a declaration tells it. */
  readonly type: PolicyType | undefined;
  readonly #scope: Scope;
  readonly #tree: PolicyTree;
  readonly #run: Run;
  readonly #wanted: PolicyType | undefined;

  constructor(text: string, limits: PolicyLimits, declared: Declarations, wanted: PolicyType | undefined) {
    const items = toReversePolish(text, limits);
    this.#scope = { text, limits };
    this.#tree = buildTree(items, text, limits, declared);
    this.#wanted = wanted;
    this.text = text;
    this.type = this.#tree.root.type;
    this.canonical = boundedCanonical(this.#tree, this.#scope);
    this.reversePolish = Object.freeze(items.map(polishText));
    this.names = Object.freeze([...this.#tree.names.keys()].sort());
    if (wanted !== undefined && this.type !== undefined && this.type !== wanted) {
      throw this.#wrongResult(wanted, `a ${this.type}`);
    }
    this.#run = compileNode(this.#tree.root, this.#scope);
    Object.freeze(this);
  }

  /**
   * The result for a context, of which only own properties are read. A getter may be run more than once.
   *
   * Throws POLICY_UNKNOWN_NAME where a name that is needed is missing, POLICY_TYPE where a value has another type than
   * its use needs or cannot be read, and POLICY_LIMIT where a string is too long.
   */
  evaluate<C extends object>(context: C & PolicyContextOf<C>): PolicyValue {
    return this.#evaluate(context);
  }

  /** As `evaluate`, of a rule that says yes or no: anything but a boolean is POLICY_TYPE. */
  test<C extends object>(context: C & PolicyContextOf<C>): boolean {
    const result = this.#evaluate(context);
    if (typeof result !== "boolean") throw this.#wrongResult("boolean", describeValue(result));
    return result;
  }

  /** As `evaluate`, with the value of each part: why the result is what it is. For people; not fast. */
  explain<C extends object>(context: C & PolicyContextOf<C>): PolicyExplanation {
    const result = this.#evaluate(context);
    const opened = openContext(context, this.text);
    try {
      return { result, steps: explainTree(this.#tree.root, opened, this.#scope) };
    } catch (error) {
      throw this.#ours(error, opened);
    }
  }

  #evaluate(context: unknown): PolicyValue {
    const opened = openContext(context, this.text);
    let result: PolicyValue;
    try {
      result = this.#run(opened);
    } catch (error) {
      throw this.#ours(error, opened);
    }
    if (this.#wanted !== undefined && typeof result !== this.#wanted) {
      throw this.#wrongResult(this.#wanted, describeValue(result));
    }
    return result;
  }

  #wrongResult(wanted: PolicyType, found: string): HoldfastError {
    const { at } = this.#tree.root;
    const hint = wanted === "boolean" ? "A rule says yes or no: compare the value, as in `failures > 0`." : undefined;
    return policyError({
      code: "POLICY_TYPE",
      text: this.text,
      at,
      expected: `a ${wanted} as the result`,
      found,
      hint,
    });
  }

  /** What a context's own code threw is told as the fault of the name that was read. */
  #ours(error: unknown, context: OpenContext): unknown {
    if (HoldfastError.is(error) && error.code.startsWith("POLICY_")) return error;
    for (const node of this.#tree.names.values()) {
      try {
        lookUp(context, node, this.text, this.#scope.limits);
      } catch (fault) {
        if (HoldfastError.is(fault) && fault.cause !== undefined) return fault;
      }
    }
    const expected = "a context that can be read";
    return policyError({ code: "POLICY_TYPE", text: this.text, at: 0, expected, found: "an error", cause: error });
  }
}

/**
 * Compiles a rule such as `elapsed_time > timeout && depth < max_depth`.
 *
 * Throws POLICY_SYNTAX, POLICY_TYPE (`1 + "a"`), POLICY_LIMIT and, where names are declared, POLICY_UNKNOWN_NAME; each
 * with line and column, what was expected and found, and the place shown in its message. Throws POLICY_OPTION for
 * options that are none.
 */
export function compilePolicy(text: string, options: PolicyOptions = {}): PolicyExpression {
  if (typeof text !== "string") {
    const hint = "Give the rule as text, as in `failures < 5`; in YAML, put it in quotes.";
    const found = describeValue(text);
    throw policyError({ code: "POLICY_SYNTAX", text: "", at: 0, expected: "an expression as text", found, hint });
  }
  checkOptions(options);
  const types = new Map(Object.entries(options.types ?? {}));
  const names = options.names === undefined ? undefined : new Set([...options.names, ...types.keys()]);
  return new PolicyExpression(text, resolveLimits(options.limits), { names, types }, options.result);
}

/** The canonical form may be the longer one; it too must be within the limits, or it could not be compiled again. */
function boundedCanonical({ root }: PolicyTree, { text, limits }: Scope): string {
  const form = canonicalForm(root);
  const measures = [
    [form.text.length, limits.textCharacters, "characters"],
    [form.tokens, limits.tokens, "tokens"],
  ] as const;
  for (const [count, limit, what] of measures) {
    if (count <= limit) continue;
    const expected = `at most ${limit} ${what} in canonical form`;
    const hint = "Split the rule, or raise the limit.";
    throw policyError({ code: "POLICY_LIMIT", text, at: 0, expected, found: String(count), hint });
  }
  return form.text;
}
