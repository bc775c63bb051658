/**
 * The filters of searches, made ready once: rules by their text, functions by what they are. The same filter is the
 * same object each time, and layers remember by it which of their rows pass.
 *
 * A rule reads the metadata as its context, nothing else; an item without metadata has none of the names. What a rule
 * or a function throws counts as false: a name that is missing, a value of another type. A function has to say the same
 * of the same item each time. One that is made anew for each search is right, and asked about each item each time.
 */

import { LruMap } from "../../base/index.ts";
import { compilePolicy, type PolicyExpression } from "../../policy/index.ts";
import type { Metadata } from "../item/item.ts";
import type { SearchFilter } from "../store.ts";
import type { RowFilter } from "./vector-layer.ts";

const rulesLimit = 128;
const noMetadata: Metadata = Object.freeze({});

/** One for each store. */
export class SearchFilters {
  readonly #rules: LruMap<string, RowFilter>;
  readonly #functions = new WeakMap<object, RowFilter>();

  /** So many rules are kept ready, and what layers remember of them. */
  constructor(limit = rulesLimit) {
    this.#rules = new LruMap(limit);
  }

  /** Throws POLICY_SYNTAX, POLICY_TYPE or POLICY_LIMIT for a text that is no rule. */
  of(filter: SearchFilter): RowFilter {
    if (typeof filter === "function") {
      const known = this.#functions.get(filter);
      if (known !== undefined) return known;
      const made = ofFunction(filter);
      this.#functions.set(filter, made);
      return made;
    }
    const known = this.#rules.get(filter);
    if (known !== undefined) return known;
    const made = ofRule(compilePolicy(filter, { result: "boolean" }));
    this.#rules.set(filter, made);
    return made;
  }
}

function ofFunction(filter: (metadata: Metadata | undefined, id: string) => boolean): RowFilter {
  return {
    passes(metadata, id) {
      try {
        return filter(metadata, id) === true;
      } catch {
        return false;
      }
    },
  };
}

function ofRule(rule: PolicyExpression): RowFilter {
  const names = needsAllNames(rule) ? rule.names.map((name) => ({ name, parts: name.split(".") })) : [];
  return {
    passes(metadata = noMetadata) {
      // Making the error that says so takes a hundred times as long as the rule.
      for (const { name, parts } of names) if (!hasName(metadata, name, parts)) return false;
      try {
        return rule.test(metadata as Readonly<Record<string, never>>);
      } catch {
        return false;
      }
    },
  };
}

/**
 * Whether the rule cannot be true where a name is missing: it is a conjunction, whose parts need all of their names.
 * Then either a part before is false, or the name is asked for and the rule fails.
 */
function needsAllNames({ reversePolish }: PolicyExpression): boolean {
  /** Of each value on the stack: whether `&&` is in it. */
  const stack: boolean[] = [];
  for (const token of reversePolish) {
    if (token === "||" || token.startsWith("xor/")) return false;
    if (!operators.has(token)) {
      stack.push(false);
      continue;
    }
    const right = stack.pop() === true;
    const left = unary.has(token) ? false : stack.pop() === true;
    if (token !== "&&" && (left || right)) return false;
    stack.push(token === "&&");
  }
  return true;
}

const unary: ReadonlySet<string> = new Set(["!", "~", "-/1"]);
const operators: ReadonlySet<string> = new Set([
  ...unary,
  ...["&&", "==", "!=", "<", ">", "<=", ">=", "<<", ">>", "+", "-", "*", "/", "%"],
]);

/** As a rule looks names up: whole first, then part by part. */
function hasName(metadata: Metadata, name: string, parts: readonly string[]): boolean {
  if (Object.hasOwn(metadata, name)) return true;
  let value: unknown = metadata;
  for (const part of parts) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, part)) return false;
    value = (value as Readonly<Record<string, unknown>>)[part];
  }
  return true;
}
