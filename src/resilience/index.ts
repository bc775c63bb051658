export { CallContext, type Operation, type Policy, type RunOptions } from "./call.ts";
export type { Condition, ConditionContext } from "./condition.ts";
export * from "./conservative/index.ts";
export * from "./degradation/index.ts";
export * from "./health/index.ts";
