/** What `explain()` says, as a sentence for people. */

import type { BreakerExplanation } from "./events.ts";

/** As in "database is open: 5 failures in a row, and 5 open it; trial calls in 29400 ms". */
export function explanationText(explanation: BreakerExplanation): string {
  return `${explanation.breaker} is ${sentence(explanation)}`;
}

function sentence(explanation: BreakerExplanation): string {
  const { state, opening, admission, retryAfterMs, isolatedBy, consecutiveFailures, calls } = explanation;
  const why = opening?.reason ?? "it was opened";
  if (state === "isolated") return `isolated by hand: ${isolatedBy.join("; ")}`;
  if (state === "open") return `open: ${why}; trial calls in ${Math.ceil(retryAfterMs)} ms`;
  if (state === "half-open") return `half-open and lets trial calls in; it had opened for this: ${why}`;
  if (admission < 1) return `closed and admits a share of ${admission} for now; it had opened for this: ${why}`;
  const rate = explanation.averageRate.toFixed(3);
  return `closed; ${consecutiveFailures} failures in a row, average failure rate ${rate} over ${calls} calls`;
}
