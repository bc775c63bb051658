/**
 * Which failures a policy is for: said by a function, or by an expression of the policy language, which a
 * configuration can hold and an operator can read.
 */

import { HoldfastError } from "../../base/index.ts";
import type { CallContext } from "../call.ts";
import type { Condition, ConditionContext } from "../condition.ts";
import { type Owner, optionError } from "../option.ts";

export type FailurePredicate = (error: unknown, context: CallContext) => boolean;

/** The filter where it is a function, an expression or missing. Throws the owner's error for anything else. */
export function filterOption<Filter>(owner: Owner, option: string, value: Filter): Filter {
  const isExpression = typeof (value as Partial<Condition> | null | undefined)?.test === "function";
  if (value === undefined || typeof value === "function" || isExpression) return value;
  throw optionError(owner, option, value, "a function or a compiled expression");
}

/** What an expression may ask of any failure. */
export function failureVariables(error: unknown, context: CallContext): ConditionContext {
  return {
    attempt: context.attempt,
    error_code: codeOf(error),
    retryable: HoldfastError.is(error) ? error.retryable : true,
    retry_after: detailOf(error, "retryAfterMs") ?? 0,
    timeout: detailOf(error, "timeoutMs") ?? 0,
  };
}

/** A finite number ≥ 0 that a Holdfast error tells in its details. */
export function detailOf(error: unknown, name: string): number | undefined {
  const value = HoldfastError.is(error) ? error.details[name] : undefined;
  return typeof value === "number" && value >= 0 && value < Infinity ? value : undefined;
}

/** The error's code where it has one (as those of Holdfast and of Node do), else its name, else nothing. */
function codeOf(error: unknown): string {
  const { code, name } = (error ?? {}) as { readonly code?: unknown; readonly name?: unknown };
  if (typeof code === "string") return code;
  return typeof name === "string" ? name : "";
}
