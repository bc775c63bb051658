/**
 * How long a retry waits. Callers that failed together would come back together: so the usual choice spreads them.
 *
 * `decorrelatedJitter` and the full and equal jitter of `exponential` are the formulas of Marc Brooker, "Exponential
 * Backoff And Jitter", AWS Architecture Blog, 2015. Of these full and decorrelated jitter cost the fewest calls.
 */

import type { Random } from "../../base/index.ts";
import { choiceOption, durationOption, knownOptions, numberOption, optionError } from "../option.ts";

/** What a wait may depend on. */
export interface BackoffStep {
  /** The attempt that has just failed: 1 for the first. */
  readonly attempt: number;
  /** The wait before that attempt, 0 before the first. */
  readonly previousDelayMs: number;
  readonly random: Random;
  /** What the attempt failed with; undefined where its result was not good enough. */
  readonly error: unknown;
}

/**
 * Milliseconds to wait before the next attempt. One function serves all calls, so it keeps nothing. What is not a
 * finite number ≥ 0 is mended by the retry: below 0 becomes 0, NaN and Infinity become the retry's `maximumDelayMs`.
 */
export type Backoff = (step: BackoffStep) => number;

const owner = { name: "backoff", code: "RETRY_OPTION" } as const;

/**
 * min(`maximumMs`, a random number from `baseMs` to three times the wait before), by default from 100 ms to 30 s.
 * Throws RETRY_OPTION.
 */
export function decorrelatedJitter(
  options: { readonly baseMs?: number | undefined; readonly maximumMs?: number | undefined } = {},
): Backoff {
  knownOptions(owner, options, ["baseMs", "maximumMs"]);
  const baseMs = durationOption(owner, "baseMs", options.baseMs ?? 100);
  const maximumMs = maximumOf(options.maximumMs, baseMs);
  return ({ previousDelayMs, random }) => {
    const highestMs = Math.max(baseMs, previousDelayMs) * 3;
    return Math.min(maximumMs, baseMs + random() * (highestMs - baseMs));
  };
}

/**
 * `baseMs` · `factor` ^ (attempt − 1), at most `maximumMs`; by default 100 ms, 2 and 30 s. "full" jitter takes a random
 * part of that, "equal" a half and a random part of the other half, "none" all. Throws RETRY_OPTION.
 */
export function exponential(
  options: {
    readonly baseMs?: number | undefined;
    readonly factor?: number | undefined;
    readonly maximumMs?: number | undefined;
    readonly jitter?: "full" | "equal" | "none" | undefined;
  } = {},
): Backoff {
  knownOptions(owner, options, ["baseMs", "factor", "maximumMs", "jitter"]);
  const baseMs = durationOption(owner, "baseMs", options.baseMs ?? 100);
  const factor = numberOption(owner, "factor", options.factor ?? 2, { least: 1, most: 1_000 });
  const maximumMs = maximumOf(options.maximumMs, baseMs);
  const jitter = choiceOption(owner, "jitter", options.jitter ?? "full", ["full", "equal", "none"]);
  const chance = { full: 1, equal: 0.5, none: 0 }[jitter];
  return ({ attempt, random }) => {
    // 0 · Infinity is no number: a base of 0 stays 0 however high the power.
    const ceilingMs = baseMs === 0 ? 0 : Math.min(maximumMs, baseMs * factor ** (attempt - 1));
    return ceilingMs * (1 - chance) + (chance === 0 ? 0 : random() * ceilingMs * chance);
  };
}

/** Always `delayMs`. Throws RETRY_OPTION. */
export function constant(delayMs: number): Backoff {
  durationOption(owner, "delayMs", delayMs);
  return () => delayMs;
}

function maximumOf(value: number | undefined, baseMs: number): number {
  const maximumMs = durationOption(owner, "maximumMs", value ?? Math.max(30_000, baseMs));
  if (maximumMs >= baseMs) return maximumMs;
  throw optionError(owner, "maximumMs", maximumMs, `at least baseMs (${baseMs})`);
}
