/** Why a breaker is in the state it is in: the rule and the numbers, for programs and as a sentence for people. */

import type { BreakerExplanation } from "./events.ts";
import type { BreakerMachine } from "./machine.ts";

export function explain(breaker: string, machine: BreakerMachine): BreakerExplanation {
  const { state, rules, opening, sinceMs, admission } = machine;
  const { clock } = machine.settings;
  rules.window?.expire(clock.monotonicMs());
  const { window } = rules;
  const parts = {
    ...{ breaker, state, sinceMs, opening, admission, retryAfterMs: machine.remainingMs() },
    ...{ consecutiveFailures: rules.consecutiveFailures, averageRate: rules.averageRate, calls: rules.calls },
    window: window === undefined ? undefined : { calls: window.calls, failures: window.failures, slow: window.slow },
    isolatedBy: machine.holds.map((hold) => hold.reason),
  };
  return { ...parts, text: `${breaker} is ${sentence(parts)}` };
}

function sentence(parts: Omit<BreakerExplanation, "text">): string {
  const { state, opening, admission, retryAfterMs, isolatedBy } = parts;
  const why = opening?.reason ?? "it was opened";
  if (state === "isolated") return `isolated by hand: ${isolatedBy.join("; ")}`;
  if (state === "open") return `open: ${why}; trial calls in ${Math.ceil(retryAfterMs)} ms`;
  if (state === "half-open") return `half-open and lets trial calls in; it had opened for this: ${why}`;
  if (admission < 1) return `closed and admits a share of ${admission} for now; it had opened for this: ${why}`;
  const rate = parts.averageRate.toFixed(3);
  return `closed; ${parts.consecutiveFailures} failures in a row, average failure rate ${rate} over ${parts.calls} calls`;
}
