/** The policies that stand around a call, beside the circuit breaker, and their composition. */

export { type Backoff, type BackoffStep, constant, decorrelatedJitter, exponential } from "./backoff.ts";
export {
  type BulkheadEvent,
  type BulkheadOptions,
  type BulkheadPolicy,
  type BulkheadSlot,
  type BulkheadStatistics,
  bulkhead,
} from "./bulkhead.ts";
export type { FailurePredicate } from "./failure-filter.ts";
export {
  type FallbackEvent,
  type FallbackOptions,
  type FallbackPolicy,
  type FallbackStatistics,
  fallback,
  type MakeAlternative,
} from "./fallback.ts";
export {
  type HedgeEvent,
  type HedgeOptions,
  type HedgePolicy,
  type HedgeStatistics,
  hedge,
  type QuantileDelay,
} from "./hedge.ts";
export { type Pipe, pipe } from "./pipe.ts";
export {
  type RateLimitEvent,
  type RateLimitOptions,
  type RateLimitPolicy,
  type RateLimitStatistics,
  rateLimit,
} from "./rate-limit.ts";
export {
  type GiveUpEvent,
  type GiveUpReason,
  type RetryEvent,
  type RetryOptions,
  type RetryPolicy,
  type RetryStatistics,
  retry,
} from "./retry.ts";
export {
  type RetryBudget,
  type RetryBudgetEvent,
  type RetryBudgetOptions,
  type RetryBudgetStatistics,
  retryBudget,
} from "./retry-budget.ts";
export {
  type TimeoutEvent,
  type TimeoutOptions,
  type TimeoutPolicy,
  type TimeoutStatistics,
  timeout,
} from "./timeout.ts";
