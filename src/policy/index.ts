/**
 * The expression language of rules: retry decisions, triggers and alerts in a configuration.
 *
 *   const retry = compilePolicy("elapsed_time > timeout && depth < max_depth", { result: "boolean" });
 *   retry.test({ elapsed_time: 120, timeout: 100, depth: 2, max_depth: 10 }); // true
 *
 * A rule is compiled once and then evaluated against named values. It sees nothing else, calls nothing, always ends,
 * and gives the same result for the same values on every platform. The language is described in docs/policy.md.
 */
export type { PolicyContext, PolicyContextOf } from "./context.ts";
export type { PolicyExplanation, PolicyStep } from "./explain.ts";
export { compilePolicy, type PolicyExpression, type PolicyOptions } from "./expression.ts";
export { defaultPolicyLimits, type PolicyLimits } from "./limits.ts";
export type { PolicyType, PolicyValue } from "./operators.ts";
