export {
  type Clock,
  eventsOf,
  HoldfastError,
  type Listener,
  MemoryMetrics,
  type MetricLabels,
  type Metrics,
  type Random,
  seededRandom,
  systemClock,
  VirtualClock,
} from "../base/index.ts";
export {
  type BreakerExplanation,
  type BreakerSnapshot,
  type BreakerState,
  type BreakerStateChange,
  type BreakerStatistics,
  breakerPresets,
  type CheckFailure,
  CircuitBreaker,
  type CircuitBreakerOptions,
  type CountWindowOptions,
  circuitBreaker,
  countWindow,
  explanationText,
  type FailedCall,
  type Isolation,
  type KeyedBreakers,
  type KeyedBreakersOptions,
  keyedBreakers,
  type Opening,
  type OpeningRule,
  type Outcome,
  type Permit,
  Refusal,
  type RestoreResult,
  restoreBreaker,
  restoreBreakers,
  snapshotBreaker,
  snapshotBreakers,
  type TimeWindowOptions,
  timeWindow,
  type WindowLimits,
  type WindowRule,
} from "./breaker/index.ts";
export { CallContext, type Operation, type Policy, type RunOptions } from "./call.ts";
export type { Condition, ConditionContext } from "./condition.ts";
export * from "./conservative/index.ts";
export * from "./degradation/index.ts";
export * from "./expiry/index.ts";
export * from "./health/index.ts";
