/**
 * One component as the health monitor keeps it: what was last said of it, when, and what of that is believed.
 *
 * A report is believed once `agree` of the last `of` reports say the same (k of n), so a component that flaps does not
 * make the system flap. With 1 of 1, the default, every report is believed at once.
 */

import type { Linked } from "../../base/index.ts";

/** h of 1, 0.5 and 0 in the availability (SPEC R8). */
export type ComponentHealth = "healthy" | "degraded" | "unhealthy";

export const halves: Readonly<Record<ComponentHealth, number>> = { healthy: 2, degraded: 1, unhealthy: 0 };

/** How many of the last reports must agree before a component's state changes. */
export interface Agreement {
  /** k, from 1 to `of`. */
  readonly agree: number;
  /** n, from 1 to 64. */
  readonly of: number;
}

export class Component implements Linked<Component> {
  /** Among those that are not stale, in the order in which they were heard. */
  before: Component | undefined;
  after: Component | undefined;
  readonly name: string;
  /** In millionths, so that sums are exact. */
  readonly weight: number;
  readonly caps: "degraded" | "critical" | undefined;
  readonly staleMs: number;
  believed: ComponentHealth;
  reported: ComponentHealth;
  detail: string | undefined;
  values: Readonly<Record<string, number | string | boolean>> | undefined;
  /** Monotonic, of the last report or of the registration. */
  heardMs: number;
  /** Monotonic, since when it has been in its present state. */
  sinceMs: number;
  isStale = false;
  reports = 0;
  readonly #agreement: Agreement;
  readonly #recent: ComponentHealth[] = [];
  readonly #counts: Record<ComponentHealth, number> = { healthy: 0, degraded: 0, unhealthy: 0 };

  constructor(options: {
    readonly name: string;
    readonly weight: number;
    readonly caps: "degraded" | "critical" | undefined;
    readonly staleMs: number;
    readonly initial: ComponentHealth;
    readonly agreement: Agreement;
    readonly nowMs: number;
  }) {
    this.name = options.name;
    this.weight = options.weight;
    this.caps = options.caps;
    this.staleMs = options.staleMs;
    this.believed = options.initial;
    this.reported = options.initial;
    this.heardMs = options.nowMs;
    this.sinceMs = options.nowMs;
    this.#agreement = options.agreement;
  }

  /** What counts: a component that nobody has heard of lately counts as Unhealthy. */
  get effective(): ComponentHealth {
    return this.isStale ? "unhealthy" : this.believed;
  }

  /** Takes a report in, in O(1). */
  hear(state: ComponentHealth, nowMs: number): void {
    this.heardMs = nowMs;
    this.reports++;
    this.reported = state;
    this.#recent.push(state);
    this.#counts[state]++;
    if (this.#recent.length > this.#agreement.of) this.#counts[this.#recent.shift()!]--;
    if (this.#counts[state] >= this.#agreement.agree) this.believed = state;
  }
}
