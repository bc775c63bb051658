/**
 * What a circuit breaker can be told, checked once and laid out as the hot path wants it.
 */

import {
  type Clock,
  HoldfastError,
  type Metrics,
  nearestName,
  type Random,
  systemClock,
  systemRandom,
  type Topic,
} from "../../base/index.ts";
import type { BreakerStateChange } from "./events.ts";
import type { Outcome } from "./state.ts";

/** A window over the last calls, or over the last stretch of time: exactly one of `calls` and `durationMs`. */
export interface WindowOptions {
  /** 1 to 65,536. */
  readonly calls?: number;
  readonly durationMs?: number;
  /** Into how many steps the time is cut: 2 to 1,024, default 10. */
  readonly buckets?: number;
  /** Opens at this share of failures, above 0 and at most 1. */
  readonly failureRate?: number;
  /** Opens at this share of slow calls; needs `slowCallMs`. */
  readonly slowRate?: number;
  /** From how long on a call is slow. */
  readonly slowCallMs?: number;
  /** Fewer calls in the window open nothing. Default 10. */
  readonly minimumCalls?: number;
}

export interface CircuitBreakerOptions {
  /** Stands in errors, events and metrics. 1 to 200 characters. */
  readonly name: string;
  /** Any of these opens it. SPEC R2. */
  readonly opensOn?: {
    /** Failures in a row. Default 5; false leaves the rule out. */
    readonly consecutiveFailures?: number | false;
    /**
     * Moving average of the failure rate. Default: alpha 0.1, threshold 0.5, at least 10 calls; false leaves it out.
     */
    readonly averageRate?:
      | { readonly alpha?: number; readonly threshold?: number; readonly minimumCalls?: number }
      | false;
    /** Default none. */
    readonly window?: WindowOptions;
  };
  /** How long it stays open. Default 30,000. SPEC R3. */
  readonly openMs?: number;
  /** Each opening that follows a failed trial lasts `factor` times longer, up to `maximumMs`. Default factor 1. */
  readonly openBackoff?: { readonly factor: number; readonly maximumMs: number };
  /** An opening is prolonged by up to this share of itself, by chance. 0 to 1, default 0.2. */
  readonly jitter?: number;
  readonly halfOpen?: {
    /** Trial calls at a time. Default 1. */
    readonly probes?: number;
    /** Successes that close it. Default 2. */
    readonly successes?: number;
    /** A trial that takes longer counts as failed. Default 30,000. */
    readonly probeTimeoutMs?: number;
  };
  /** What is admitted after closing. Default shares 0.1, 0.25, 0.5 for 1,000 ms each, then all; false: all at once. */
  readonly ramp?: { readonly shares: readonly number[]; readonly stepMs: number } | false;
  /** What an error counts as; default "failure". The caller's own abort is neutral before this is asked. SPEC R4. */
  readonly classifyError?: (error: unknown) => Outcome;
  /** What a result counts as; default "success". */
  readonly classifyResult?: (result: unknown) => Outcome;
  /** What `snapshot()` gave before a restart, from wherever it was kept. Anything else is reported, never thrown. */
  readonly restore?: unknown;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly metrics?: Metrics;
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
  readonly window: (Required<Omit<WindowOptions, "calls" | "durationMs">> & WindowOptions) | undefined;
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
  ...["restore", "clock", "random", "metrics"],
];

/** Throws BREAKER_OPTION, which names the option, what it was and what it may be. */
export function settingsOf(options: CircuitBreakerOptions): BreakerSettings {
  for (const key of Object.keys(options)) if (!known.includes(key)) refuseUnknown(key);
  if (typeof options.name !== "string" || options.name === "" || options.name.length > 200) {
    refuse("name", options.name, "a text of 1 to 200 characters");
  }
  const { opensOn = {}, halfOpen = {}, ramp, openBackoff } = options;
  const average = opensOn.averageRate === false ? undefined : (opensOn.averageRate ?? {});
  const window = opensOn.window === undefined ? undefined : windowOf(opensOn.window);
  const alpha = above("opensOn.averageRate.alpha", average?.alpha ?? 0.1, 1);
  const openMs = above("openMs", options.openMs ?? 30_000, maximumMs);
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
    openMaximumMs: within("openBackoff.maximumMs", openBackoff?.maximumMs ?? openMs, openMs, maximumMs),
    jitter: within("jitter", options.jitter ?? 0.2, 0, 1),
    probes: whole("halfOpen.probes", halfOpen.probes ?? 1, 1, 1e6),
    successes: whole("halfOpen.successes", halfOpen.successes ?? 2, 1, 1e6),
    probeTimeoutMs: above("halfOpen.probeTimeoutMs", halfOpen.probeTimeoutMs ?? 30_000, maximumMs),
    rampShares: shares,
    rampStepMs: above("ramp.stepMs", ramp === false ? 1 : (ramp?.stepMs ?? 1_000), maximumMs),
    classifyError: options.classifyError,
    classifyResult: options.classifyResult,
    clock: options.clock ?? systemClock,
    random: options.random ?? systemRandom,
    metrics: options.metrics,
  };
}

/** A year: what is longer is a mistake of units. */
const maximumMs = 366 * 86_400_000;

function windowOf(options: WindowOptions): BreakerSettings["window"] {
  const at = "opensOn.window";
  if ((options.calls === undefined) === (options.durationMs === undefined)) {
    refuse(at, options, "exactly one of calls and durationMs");
  }
  if (options.failureRate === undefined && options.slowRate === undefined) {
    refuse(at, options, "at least one of failureRate and slowRate");
  }
  if (options.slowRate !== undefined && options.slowCallMs === undefined) {
    refuse(`${at}.slowCallMs`, undefined, "a time, where slowRate is given");
  }
  return {
    ...(options.calls === undefined
      ? { durationMs: above(`${at}.durationMs`, options.durationMs!, maximumMs) }
      : { calls: whole(`${at}.calls`, options.calls, 1, 65_536) }),
    buckets: whole(`${at}.buckets`, options.buckets ?? 10, 2, 1_024),
    failureRate: options.failureRate === undefined ? Infinity : above(`${at}.failureRate`, options.failureRate, 1),
    slowRate: options.slowRate === undefined ? Infinity : above(`${at}.slowRate`, options.slowRate, 1),
    slowCallMs: options.slowCallMs === undefined ? Infinity : above(`${at}.slowCallMs`, options.slowCallMs, maximumMs),
    minimumCalls: whole(`${at}.minimumCalls`, options.minimumCalls ?? 10, 1, 1e9),
  };
}

function whole(option: string, value: number, least: number, most: number): number {
  if (!Number.isInteger(value)) refuse(option, value, `a whole number from ${least} to ${most}`);
  return within(option, value, least, most);
}

function within(option: string, value: number, least: number, most: number): number {
  if (typeof value !== "number" || !(value >= least && value <= most)) refuse(option, value, `${least} to ${most}`);
  return value;
}

function above(option: string, value: number, most: number): number {
  if (typeof value !== "number" || !(value > 0 && value <= most)) refuse(option, value, `above 0, at most ${most}`);
  return value;
}

function refuse(option: string, value: unknown, allowed: string): never {
  const shown = typeof value === "object" ? JSON.stringify(value) : String(value);
  throw new HoldfastError("BREAKER_OPTION", `a circuit breaker's ${option} is ${shown}: it may be ${allowed}`, {
    hint: `give ${option} as ${allowed}`,
    details: { option, allowed },
  });
}

function refuseUnknown(option: string): never {
  const nearest = nearestName(option, known);
  throw new HoldfastError("BREAKER_OPTION", `a circuit breaker has no option ${option}`, {
    hint: nearest === undefined ? `its options are ${known.join(", ")}` : `did you mean ${nearest}?`,
    details: { option },
  });
}
