/**
 * The door to whatever collects metrics. Components say what happened; a service connects this to Prometheus, a test to
 * a map. Names are Prometheus's: `holdfast_breaker_failures_total`; durations end in `_ms`.
 */

import { reportFailure } from "./topic.ts";

export type MetricLabels = Readonly<Record<string, string>>;

export interface Metrics {
  /** Something happened `by` times more (≥ 0). */
  count(name: string, by: number, labels?: MetricLabels): void;
  /** Something is at this level now. */
  gauge(name: string, value: number, labels?: MetricLabels): void;
  /** One sample of a distribution. */
  observe(name: string, value: number, labels?: MetricLabels): void;
}

/**
 * The same, but what collects cannot stop what is measured: a collector that throws (some do at a label that they were
 * not told of before) is reported on `holdfast:listener.failed`.
 */
export function guardMetrics(metrics: Metrics | undefined): Metrics | undefined {
  if (metrics === undefined) return undefined;
  const guard =
    (kind: keyof Metrics) =>
    (name: string, value: number, labels?: MetricLabels): void => {
      try {
        metrics[kind](name, value, labels);
      } catch (error) {
        reportFailure("metrics", error);
      }
    };
  return { count: guard("count"), gauge: guard("gauge"), observe: guard("observe") };
}

/** Keeps the last value of each gauge, the sum of each counter and the samples of each distribution's count and sum. */
export class MemoryMetrics implements Metrics {
  readonly #values = new Map<string, number>();

  count(name: string, by: number, labels?: MetricLabels): void {
    this.#add(seriesOf(name, labels), by);
  }

  gauge(name: string, value: number, labels?: MetricLabels): void {
    this.#values.set(seriesOf(name, labels), value);
  }

  observe(name: string, value: number, labels?: MetricLabels): void {
    this.#add(seriesOf(`${name}_count`, labels), 1);
    this.#add(seriesOf(`${name}_sum`, labels), value);
  }

  /** The value of a series, 0 where nothing was said of it. */
  value(name: string, labels?: MetricLabels): number {
    return this.#values.get(seriesOf(name, labels)) ?? 0;
  }

  /** All series by name, sorted, as `name{label="value"}`. */
  all(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#values].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  #add(series: string, by: number): void {
    this.#values.set(series, (this.#values.get(series) ?? 0) + by);
  }
}

function seriesOf(name: string, labels: MetricLabels | undefined): string {
  const pairs = Object.entries(labels ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return pairs.length === 0
    ? name
    : `${name}{${pairs.map(([key, value]) => `${key}=${JSON.stringify(value)}`).join(",")}}`;
}
