/** The error that something is refused with, for a test to look at. */
import { HoldfastError } from "../../base/index.ts";
import { compilePolicy, type PolicyContext, type PolicyOptions } from "../index.ts";

export function faultOf(action: () => unknown): HoldfastError {
  try {
    action();
  } catch (error) {
    if (HoldfastError.is(error)) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

export function evaluationFault(text: string, context: PolicyContext, options?: PolicyOptions): HoldfastError {
  const rule = compilePolicy(text, options);
  return faultOf(() => rule.evaluate(context));
}
