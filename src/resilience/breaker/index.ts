export { CircuitBreaker, circuitBreaker } from "./breaker.ts";
export { type CountWindowOptions, countWindow } from "./count-window.ts";
export type { BreakerExplanation, BreakerStateChange, BreakerStatistics, CheckFailure, FailedCall } from "./events.ts";
export { explanationText } from "./explanation-text.ts";
export type { Isolation } from "./isolation.ts";
export { type KeyedBreakers, type KeyedBreakersOptions, keyedBreakers } from "./keyed.ts";
export type { CircuitBreakerOptions } from "./options.ts";
export type { Permit } from "./permit.ts";
export { breakerPresets } from "./presets.ts";
export {
  type KeyedSnapshot,
  type RestoreResult,
  restoreBreaker,
  restoreBreakers,
  snapshotBreaker,
  snapshotBreakers,
} from "./restore.ts";
export type { BreakerSnapshot } from "./snapshot.ts";
export { type BreakerState, type Opening, type OpeningRule, type Outcome, Refusal } from "./state.ts";
export { type TimeWindowOptions, timeWindow } from "./time-window.ts";
export type { WindowLimits, WindowRule } from "./window.ts";
