/** What a refused caller gets (SPEC R1): who refuses, why, and when to come back. */

import { HoldfastError } from "../../base/index.ts";
import type { Refusal } from "./state.ts";

const says = {
  open: ["BREAKER_OPEN", "open"],
  "half-open": ["BREAKER_HALF_OPEN", "half-open and lets no more trial calls in"],
  closed: ["BREAKER_RAMPING", "closed but not yet fully"],
  isolated: ["BREAKER_ISOLATED", "isolated by hand"],
} as const;

export function refusalError(name: string, refusal: Refusal): HoldfastError {
  const { state, retryAfterMs, reason } = refusal;
  const [code, how] = says[state];
  return new HoldfastError(code, `circuit breaker ${name} is ${how}: ${reason}`, {
    retryable: true,
    hint:
      retryAfterMs === undefined
        ? "it admits calls again when whoever isolated it releases it"
        : `try again in ${Math.ceil(retryAfterMs)} ms, or answer with a fallback`,
    details: { breaker: name, state, reason, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) },
  });
}
