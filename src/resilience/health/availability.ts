/**
 * The availability A = Σ(wᵢ·hᵢ)/Σwᵢ and the caps of critical components, kept up to date in O(1) a change.
 *
 * Weights are whole millionths and h whole halves, so the sums are whole numbers below 2^53 and never drift: adding and
 * taking away for ever gives what adding up anew would.
 */

import { assert } from "../../base/index.ts";
import { numberOption } from "../option.ts";
import { type Component, type ComponentHealth, halves } from "./component.ts";

/** Running at A ≥ 0.9, Degraded at A ≥ 0.5, else Critical (SPEC R8). */
export type SystemLevel = "running" | "degraded" | "critical";

export const levels: readonly SystemLevel[] = ["running", "degraded", "critical"];

const unit = 1_000_000;
/** 100,000 components of the greatest weight, in halves of millionths, stay below 2^53. */
export const weightLimit = 1_000;
export const componentLimit = 100_000;

/** A weight in millionths; what is finer is rounded. Throws HEALTH_OPTION. */
export function weightUnits(name: string, weight: number): number {
  const owner = { name: `the component ${JSON.stringify(name)}`, code: "HEALTH_OPTION" } as const;
  return Math.round(numberOption(owner, "weight", weight, { least: 0, most: weightLimit }) * unit);
}

export function weightOf(units: number): number {
  return units / unit;
}

export class Availability {
  readonly counts: Record<ComponentHealth, number> = { healthy: 0, degraded: 0, unhealthy: 0 };
  stale = 0;
  #weight = 0;
  #health = 0;
  #capsDegraded = 0;
  #capsCritical = 0;

  /** 1 where nothing has a weight. */
  get value(): number {
    return this.#weight === 0 ? 1 : this.#health / (2 * this.#weight);
  }

  /** The best level that critical components allow. */
  get cap(): SystemLevel {
    if (this.#capsCritical > 0) return "critical";
    return this.#capsDegraded > 0 ? "degraded" : "running";
  }

  add(component: Component): void {
    this.#change(component, 1);
  }

  /** The component must be as it was when it was added. */
  remove(component: Component): void {
    this.#change(component, -1);
    assert(this.#weight >= 0 && this.#health >= 0, "what is taken from the availability was added to it");
  }

  #change(component: Component, by: 1 | -1): void {
    const state = component.effective;
    this.counts[state] += by;
    if (component.isStale) this.stale += by;
    this.#weight += by * component.weight;
    this.#health += by * component.weight * halves[state];
    if (component.caps === undefined || state === "healthy") return;
    // A capped component that is merely degraded pulls no lower than Degraded.
    if (component.caps === "critical" && state === "unhealthy") this.#capsCritical += by;
    else this.#capsDegraded += by;
  }
}
