/** Why a breaker is in the state it is in: the rule and the numbers. */

import type { BreakerExplanation } from "./events.ts";
import type { BreakerMachine } from "./machine.ts";

export function explain(breaker: string, machine: BreakerMachine): BreakerExplanation {
  const { state, rules, opening, sinceMs, admission } = machine;
  rules.window?.expire(machine.settings.clock.monotonicMs());
  const { window, consecutiveFailures, averageRate, calls } = rules;
  return {
    breaker,
    state,
    sinceMs,
    opening,
    admission,
    retryAfterMs: machine.remainingMs(),
    consecutiveFailures,
    averageRate,
    calls,
    window: window && { calls: window.calls, failures: window.failures, slow: window.slow },
    isolatedBy: machine.holds.map((hold) => hold.reason),
  };
}
