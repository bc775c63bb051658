/**
 * How large an expression may be, and what it may be given.
 *
 * Expressions come from configuration that anybody may have written, so each of their measures is bounded before work
 * is done in its proportion. A limit can be raised, up to a ceiling at which neither compiling nor evaluating comes
 * near the end of the call stack.
 */
import { HoldfastError } from "../base/index.ts";

export interface PolicyLimits {
  /** UTF-16 units of the text, and of its canonical form. */
  readonly textCharacters: number;
  /** Tokens of the text, and of its canonical form. */
  readonly tokens: number;
  /** Height of the tree (a value alone has 1), and parentheses within parentheses. */
  readonly depth: number;
  /** Different names. */
  readonly names: number;
  /** UTF-16 units of one string in the text. */
  readonly stringCharacters: number;
  /** UTF-16 units of a string that the context gives; no result is longer than this or `stringCharacters`. */
  readonly valueCharacters: number;
}

export const defaultPolicyLimits: PolicyLimits = {
  textCharacters: 4_096,
  tokens: 1_024,
  depth: 64,
  names: 64,
  stringCharacters: 1_024,
  valueCharacters: 65_536,
};

const ceilings: PolicyLimits = {
  textCharacters: 1_048_576,
  tokens: 262_144,
  depth: 512,
  names: 65_536,
  stringCharacters: 1_048_576,
  valueCharacters: 16_777_216,
};

/** The limits in force. Throws POLICY_LIMIT where one is no whole number from 1 to its ceiling. */
export function resolveLimits(given: Partial<PolicyLimits> = {}): PolicyLimits {
  const limits = { ...defaultPolicyLimits };
  for (const name of Object.keys(limits) as (keyof PolicyLimits)[]) {
    const value = given[name];
    if (value === undefined) continue;
    const ceiling = ceilings[name];
    if (!Number.isInteger(value) || value < 1 || value > ceiling) {
      throw new HoldfastError("POLICY_LIMIT", `limits.${name} is ${String(value)}, not a whole number`, {
        hint: `Give limits.${name} a whole number from 1 to ${ceiling}.`,
        details: { expected: `a whole number from 1 to ${ceiling}`, found: String(value) },
      });
    }
    limits[name] = value;
  }
  return limits;
}
