/**
 * When a closed breaker opens (SPEC R2): failures in a row, an exponential moving average of the failure rate, and a
 * window of calls or time with slow calls. Any of them may open it; a success never does.
 *
 * The average is Roberts' (1959) control chart: `λ ← α·f + (1 − α)·λ` with f = 1 for a failure and 0 for a success.
 */

import type { BreakerSettings } from "./options.ts";
import type { Opening } from "./state.ts";
import type { Window } from "./window.ts";

export class Rules {
  readonly #settings: BreakerSettings;
  readonly window: Window | undefined;
  /** The window goes by time. */
  readonly timed: boolean;
  consecutiveFailures = 0;
  averageRate = 0;
  /** Since the breaker closed. */
  calls = 0;

  constructor(settings: BreakerSettings) {
    this.#settings = settings;
    this.window = settings.window?.create();
    this.timed = settings.window?.timed === true;
  }

  /** `nowMs` is read only where there is a window of time. Nothing opens by a success that was not slow. */
  success(nowMs: number, slow: boolean): Opening | undefined {
    this.calls++;
    this.consecutiveFailures = 0;
    this.averageRate *= this.#settings.decay;
    this.window?.push(false, slow, nowMs);
    return slow ? this.#windowOpening() : undefined;
  }

  failure(nowMs: number, slow: boolean): Opening | undefined {
    const { consecutiveFailures, alpha, decay, averageThreshold, averageMinimumCalls } = this.#settings;
    this.calls++;
    this.consecutiveFailures++;
    this.averageRate = alpha + decay * this.averageRate;
    this.window?.push(true, slow, nowMs);
    if (this.consecutiveFailures >= consecutiveFailures) {
      return {
        rule: "consecutive-failures",
        numbers: { failures: this.consecutiveFailures, threshold: consecutiveFailures },
        reason: `${this.consecutiveFailures} failures in a row, and ${consecutiveFailures} open it`,
      };
    }
    if (this.averageRate >= averageThreshold && this.calls >= averageMinimumCalls) {
      return {
        rule: "average-rate",
        numbers: { rate: this.averageRate, threshold: averageThreshold, calls: this.calls },
        reason: `an average failure rate of ${this.averageRate.toFixed(3)}, and ${averageThreshold} opens it`,
      };
    }
    return this.#windowOpening();
  }

  clear(): void {
    this.consecutiveFailures = 0;
    this.averageRate = 0;
    this.calls = 0;
    this.window?.clear();
  }

  #windowOpening(): Opening | undefined {
    const { window } = this;
    const limits = this.#settings.window;
    if (window === undefined || limits === undefined || window.calls < limits.minimumCalls) return undefined;
    const { calls, failures, slow } = window;
    if (failures >= limits.failureRate * calls && failures > 0) {
      return {
        rule: "window-failures",
        numbers: { failures, calls, threshold: limits.failureRate },
        reason: `${failures} of ${calls} calls failed, and a share of ${limits.failureRate} opens it`,
      };
    }
    if (slow >= limits.slowRate * calls && slow > 0) {
      return {
        rule: "window-slow-calls",
        numbers: { slow, calls, threshold: limits.slowRate, slowCallMs: limits.slowCallMs },
        reason: `${slow} of ${calls} calls took ${limits.slowCallMs} ms or more, and a share of ${limits.slowRate} opens it`,
      };
    }
    return undefined;
  }
}
