export { CircuitBreaker, circuitBreaker } from "./breaker.ts";
export type { BreakerExplanation, BreakerStateChange, BreakerStatistics, CheckFailure, FailedCall } from "./events.ts";
export type { Isolation } from "./isolation.ts";
export { type KeyedBreakers, type KeyedBreakersOptions, keyedBreakers } from "./keyed.ts";
export type { CircuitBreakerOptions, WindowOptions } from "./options.ts";
export type { Permit } from "./permit.ts";
export type { BreakerSnapshot } from "./snapshot.ts";
export { type BreakerState, type Opening, type OpeningRule, type Outcome, Refusal } from "./state.ts";
