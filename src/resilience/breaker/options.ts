/**
 * What a circuit breaker can be told, checked once and laid out as the hot path wants it.
 */

import {
  type Clock,
  HoldfastError,
  type Metrics,
  type Random,
  systemClock,
  systemRandom,
  type Topic,
} from "../../base/index.ts";
import { above, refuse, whole, within } from "./check-option.ts";
import type { BreakerStateChange } from "./events.ts";
import type { Outcome } from "./state.ts";
import type { WindowRule } from "./window.ts";

export interface CircuitBreakerOptions {
  /** Stands in errors, events and metrics. 1 to 200 characters. */
  readonly name: string;
  /** Any of these opens it. SPEC R2. */
  readonly opensOn?:
    | {
        /** Failures in a row. Default 5; false leaves the rule out. */
        readonly consecutiveFailures?: number | false | undefined;
        /**
         * Moving average of the failure rate. Default: alpha 0.1, threshold 0.5, at least 10 calls; false leaves it
         * out.
         */
        readonly averageRate?:
          | {
              readonly alpha?: number | undefined;
              readonly threshold?: number | undefined;
              readonly minimumCalls?: number | undefined;
            }
          | false
          | undefined;
        /** `countWindow({…})` or `timeWindow({…})`. Default none. */
        readonly window?: WindowRule | undefined;
      }
    | undefined;
  /** How long it stays open. Default 30,000. SPEC R3. */
  readonly openMs?: number | undefined;
  /** Each opening that follows a failed trial lasts `factor` times longer, up to `maximumMs`. Default factor 1. */
  readonly openBackoff?: { readonly factor: number; readonly maximumMs: number } | undefined;
  /** An opening is prolonged by up to this share of itself, by chance. 0 to 1, default 0.2. */
  readonly jitter?: number | undefined;
  readonly halfOpen?:
    | {
        /** Trial calls at a time. Default 1. */
        readonly probes?: number | undefined;
        /** Successes that close it. Default 2. */
        readonly successes?: number | undefined;
        /** A trial that takes longer counts as failed. Default 30,000. */
        readonly probeTimeoutMs?: number | undefined;
      }
    | undefined;
  /** What is admitted after closing. Default shares 0.1, 0.25, 0.5 for 1,000 ms each, then all; false: all at once. */
  readonly ramp?: { readonly shares: readonly number[]; readonly stepMs: number } | false | undefined;
  /** What an error counts as; default "failure". The caller's own abort is neutral before this is asked. SPEC R4. */
  readonly classifyError?: ((error: unknown) => Outcome) | undefined;
  /** What a result counts as; default "success". */
  readonly classifyResult?: ((result: unknown) => Outcome) | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
  readonly metrics?: Metrics | undefined;
}

/** The options with every default in place; one for many breakers where these are keyed. */
export interface BreakerSettings {
  /** Infinity where the rule is left out. */
  readonly consecutiveFailures: number;
  readonly alpha: number;
  /** 1 − alpha. */
  readonly decay: number;
  /** Infinity where the rule is left out. */
  readonly averageThreshold: number;
  readonly averageMinimumCalls: number;
  readonly window: WindowRule | undefined;
  /** From how long on a call is slow; Infinity where that is not asked. */
  readonly slowCallMs: number;
  readonly openMs: number;
  readonly openFactor: number;
  readonly openMaximumMs: number;
  readonly jitter: number;
  readonly probes: number;
  readonly successes: number;
  readonly probeTimeoutMs: number;
  readonly rampShares: readonly number[];
  readonly rampStepMs: number;
  readonly classifyError: ((error: unknown) => Outcome) | undefined;
  readonly classifyResult: ((result: unknown) => Outcome) | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: Metrics | undefined;
  /** Hears of all breakers of a keyed set. */
  readonly keyedStateChange?: Topic<BreakerStateChange>;
}

const known = [
  ...["name", "opensOn", "openMs", "openBackoff", "jitter", "halfOpen", "ramp", "classifyError", "classifyResult"],
  ...["clock", "random", "metrics"],
];

/** Throws BREAKER_OPTION, which names the option, what it was and what it may be. */
export function settingsOf(options: CircuitBreakerOptions): BreakerSettings {
  if (typeof options !== "object") refuse("options", options, "an object");
  for (const key of Object.keys(options)) if (!known.includes(key)) refuseUnknown(key);
  const { name } = options;
  if (typeof name !== "string" || name === "" || name.length > 200)
    refuse("name", name, "a text of 1 to 200 characters");
  for (const option of ["classifyError", "classifyResult", "random"] as const) {
    const given: unknown = options[option];
    if (given !== undefined && typeof given !== "function") refuse(option, given, "a function");
  }
  const { opensOn = {}, halfOpen = {}, ramp, openBackoff } = options;
  const average = opensOn.averageRate === false ? undefined : (opensOn.averageRate ?? {});
  const { window } = opensOn;
  if (window !== undefined && typeof window.create !== "function") {
    refuse("opensOn.window", window, "made by countWindow or timeWindow");
  }
  const alpha = above("opensOn.averageRate.alpha", average?.alpha ?? 0.1, 1);
  const openMs = above("openMs", options.openMs ?? 30_000);
  const shares = ramp === false ? [] : (ramp?.shares ?? [0.1, 0.25, 0.5]);
  if (!Array.isArray(shares) || shares.length > 100) refuse("ramp.shares", shares, "at most 100 numbers");
  for (const share of shares) above("ramp.shares", share, 1);
  return {
    consecutiveFailures:
      opensOn.consecutiveFailures === false
        ? Infinity
        : whole("opensOn.consecutiveFailures", opensOn.consecutiveFailures ?? 5, 1, 1e9),
    alpha,
    decay: 1 - alpha,
    averageThreshold:
      average === undefined ? Infinity : above("opensOn.averageRate.threshold", average.threshold ?? 0.5, 1),
    averageMinimumCalls: whole("opensOn.averageRate.minimumCalls", average?.minimumCalls ?? 10, 1, 1e9),
    window,
    slowCallMs: window?.slowCallMs ?? Infinity,
    openMs,
    openFactor: within("openBackoff.factor", openBackoff?.factor ?? 1, 1, 1_000),
    openMaximumMs: within("openBackoff.maximumMs", openBackoff?.maximumMs ?? openMs, openMs),
    jitter: within("jitter", options.jitter ?? 0.2, 0, 1),
    probes: whole("halfOpen.probes", halfOpen.probes ?? 1, 1, 1e6),
    successes: whole("halfOpen.successes", halfOpen.successes ?? 2, 1, 1e6),
    probeTimeoutMs: above("halfOpen.probeTimeoutMs", halfOpen.probeTimeoutMs ?? 30_000),
    rampShares: shares,
    rampStepMs: above("ramp.stepMs", ramp === false ? 1 : (ramp?.stepMs ?? 1_000)),
    classifyError: options.classifyError,
    classifyResult: options.classifyResult,
    clock: options.clock ?? systemClock,
    random: options.random ?? systemRandom,
    metrics: options.metrics,
  };
}

function refuseUnknown(option: string): never {
  throw new HoldfastError("BREAKER_OPTION", `a circuit breaker has no option ${option}`, {
    hint: `its options are ${known.join(", ")}`,
    details: { option },
  });
}
