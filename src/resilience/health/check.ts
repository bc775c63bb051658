/**
 * What a health check is. Anything that can say how it is within a few seconds can be one: the built-in checks here, a
 * log that writes and syncs a test entry, a store that verifies the checksums of its segments, a ping of a database.
 *
 * A layer offers its check as a value, `{ name, check }`, without knowing who runs it; whoever puts the system together
 * adds it: `checks.add(wal.healthCheck())`.
 */

import { errorText } from "../../base/index.ts";
import { type ComponentHealth, halves } from "./component.ts";

export interface CheckResult {
  readonly state: ComponentHealth;
  /** For people: what was found. */
  readonly detail?: string | undefined;
  /** What was measured, for alert rules; names of letters, digits and underscores. */
  readonly values?: Readonly<Record<string, number | string | boolean>> | undefined;
}

export interface HealthCheck {
  readonly name: string;
  /**
   * Says how it is. Nothing returned, or true, is healthy; false is unhealthy, and so is an error. The signal aborts
   * when the time is up or the checks are disposed of; what comes after that is not heard.
   */
  check(signal: AbortSignal): PromiseLike<CheckResult | boolean | void> | CheckResult | boolean | void;
  /** Called when the check is removed, where it holds on to something. */
  [Symbol.dispose]?(): void;
}

export function resultOf(outcome: CheckResult | boolean | void): CheckResult {
  if (outcome === undefined || outcome === true) return { state: "healthy" };
  if (outcome === false) return { state: "unhealthy" };
  // What a check says is checked as what it throws is: it may be anybody's, and plain JavaScript.
  const { state, detail } = (outcome as CheckResult | null) ?? { state: "nothing" };
  if (!Object.hasOwn(halves, state)) {
    return failureOf(new TypeError(`the check says "${errorText(state)}", not healthy, degraded or unhealthy`));
  }
  return detail === undefined || typeof detail === "string" ? outcome : { ...outcome, detail: errorText(detail) };
}

export function failureOf(error: unknown): CheckResult {
  return { state: "unhealthy", detail: errorText(error) };
}
