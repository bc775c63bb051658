/** What a refused caller gets (SPEC R1): who refuses, why, and when to come back. */

import { HoldfastError } from "../../base/index.ts";
import type { Refusal } from "./state.ts";

const codes = {
  open: "BREAKER_OPEN",
  "half-open": "BREAKER_HALF_OPEN",
  closed: "BREAKER_RAMPING",
  isolated: "BREAKER_ISOLATED",
} as const;

const says = {
  open: "is open",
  "half-open": "is half-open and lets no more trial calls in",
  closed: "is closed but not yet fully",
  isolated: "is isolated by hand",
} as const;

export function refusalError(name: string, refusal: Refusal): HoldfastError {
  const { state, retryAfterMs, reason } = refusal;
  return new HoldfastError(codes[state], `circuit breaker ${name} ${says[state]}: ${reason}`, {
    retryable: true,
    hint:
      retryAfterMs === undefined
        ? "it admits calls again when whoever isolated it releases it"
        : `try again in ${Math.ceil(retryAfterMs)} ms, or answer with a fallback`,
    details: { breaker: name, state, reason, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) },
  });
}
