export { CallContext, type Operation, type Policy, type RunOptions } from "./call.ts";
export * from "./degradation/index.ts";
export * from "./health/index.ts";
