/** What the monitor tells of its components: plain data. */

import { type SystemLevel, weightOf } from "./availability.ts";
import type { Component, ComponentHealth } from "./component.ts";

export interface ComponentReport {
  readonly name: string;
  /** What counts: a stale component counts as unhealthy. */
  readonly state: ComponentHealth;
  readonly stale: boolean;
  /** What was last said of it; differs from `state` while it is stale or its reports do not agree. */
  readonly reported: ComponentHealth;
  readonly weight: number;
  readonly caps?: "degraded" | "critical";
  readonly sinceMs: number;
  readonly heardAgoMs: number;
  readonly reports: number;
  readonly detail?: string;
  readonly values?: Readonly<Record<string, number | string | boolean>>;
}

/** Plain data: `JSON.stringify` prints all of it. */
export interface HealthReport {
  readonly level: SystemLevel;
  readonly availability: number;
  /** Wall-clock time of the report. */
  readonly atMs: number;
  readonly counts: Readonly<Record<ComponentHealth, number>>;
  readonly stale: number;
  readonly components: readonly ComponentReport[];
}

/** As it is now, of a component that was looked at for staleness. */
export function reportOf(component: Component, nowMs: number): ComponentReport {
  return {
    name: component.name,
    state: component.effective,
    stale: component.isStale,
    reported: component.reported,
    weight: weightOf(component.weight),
    ...(component.caps === undefined ? {} : { caps: component.caps }),
    sinceMs: nowMs - component.sinceMs,
    heardAgoMs: nowMs - component.heardMs,
    reports: component.reports,
    ...(component.detail === undefined ? {} : { detail: component.detail }),
    ...(component.values === undefined ? {} : { values: component.values }),
  };
}
