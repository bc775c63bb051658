/**
 * Checks that run periodically and report to a health monitor (SPEC R9; the figures are T4DX's: every 30 s, 5 s for
 * each, an alert after 3 failures in a row).
 *
 * Each check runs by itself: one that hangs holds up neither the others nor a report, and is not started twice. First
 * runs are spread over the period by chance, so that many processes started together do not check together. A recovery
 * that a check sees feeds a breaker, which may then probe at once instead of waiting out its time; where `trips` says
 * so, an alert opens it.
 */

import {
  type Clock,
  guardMetrics,
  HoldfastError,
  type Listener,
  type Metrics,
  type Random,
  systemClock,
  systemRandom,
  Topic,
} from "../../base/index.ts";
import { durationOption, functionOption, knownOptions, numberOption, partOption } from "../option.ts";
import { type AlertRule, AlertRules } from "./alert-rules.ts";
import type { CheckResult, HealthCheck } from "./check.ts";
import { CheckRunner } from "./check-runner.ts";
import type { HealthMonitor } from "./health-monitor.ts";

/** The part of a breaker that checks talk to. */
export interface CheckedBreaker {
  /** What is behind the breaker was seen working. */
  allowProbe(reason: string): void;
  /** What is behind the breaker was seen failing. */
  trip?(reason: string): void;
}

export interface HealthChecksOptions {
  readonly monitor: HealthMonitor;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
  readonly metrics?: Metrics | undefined;
  /** Default 30,000. */
  readonly everyMs?: number | undefined;
  /** Default 5,000. */
  readonly timeoutMs?: number | undefined;
  /** Failures in a row before an alert. Default 3. */
  readonly alertAfter?: number | undefined;
  /** Evaluated after each result. */
  readonly rules?: readonly AlertRule[] | undefined;
}

export interface CheckOptions {
  readonly weight?: number | undefined;
  readonly caps?: "degraded" | "critical" | undefined;
  readonly everyMs?: number | undefined;
  readonly timeoutMs?: number | undefined;
  readonly alertAfter?: number | undefined;
  readonly breaker?: CheckedBreaker | undefined;
  /** True: an alert trips the breaker. Default false. */
  readonly trips?: boolean | undefined;
}

export interface HealthAlert {
  /** The check's name, or the rule's. */
  readonly name: string;
  readonly kind: "check" | "rule";
  /** False for the all-clear. */
  readonly raised: boolean;
  /** In a row, of a check. */
  readonly failures: number;
  readonly detail: string;
}

export interface CheckStatistics {
  readonly runs: number;
  readonly timeouts: number;
  /** Periods without a run because an earlier one still hung. */
  readonly skipped: number;
  readonly failuresInARow: number;
  readonly isHung: boolean;
  readonly alerting: boolean;
}

export interface HealthChecks extends Disposable {
  /**
   * Registers a component of the check's name with the monitor and starts the check. Disposing of what comes back
   * stops it and takes the component out. Throws HEALTH_OPTION, HEALTH_COMPONENT_EXISTS, HEALTH_CHECKS_STOPPED.
   */
  add(check: HealthCheck, options?: CheckOptions): Disposable;
  /** Runs every check now, those under way apart, and waits for all results: no longer than the longest time limit. */
  runAll(): Promise<void>;
  /** undefined where there is no such check. */
  statistics(name: string): CheckStatistics | undefined;
  /** The names of the checks and rules whose alert is raised. */
  readonly alerts: readonly string[];
  onAlert(listener: Listener<HealthAlert>): Disposable;
}

const owner = { name: "healthChecks", code: "HEALTH_OPTION" } as const;
const runNames = ["everyMs", "timeoutMs", "alertAfter"];
const optionNames = ["monitor", "clock", "random", "metrics", "rules", ...runNames];
const checkNames = ["weight", "caps", "breaker", "trips", ...runNames];

interface RunSettings {
  readonly everyMs: number;
  readonly timeoutMs: number;
  readonly alertAfter: number;
}

function runOptions(options: CheckOptions, otherwise: RunSettings): RunSettings {
  return {
    everyMs: durationOption(owner, "everyMs", options.everyMs ?? otherwise.everyMs, 1),
    timeoutMs: durationOption(owner, "timeoutMs", options.timeoutMs ?? otherwise.timeoutMs, 1),
    alertAfter: numberOption(owner, "alertAfter", options.alertAfter ?? otherwise.alertAfter, {
      least: 1,
      whole: true,
    }),
  };
}

/** Throws HEALTH_OPTION. */
export function healthChecks(options: HealthChecksOptions): HealthChecks {
  return new Checks(options);
}

interface Entry {
  readonly runner: CheckRunner;
  readonly options: CheckOptions;
  readonly alertAfter: number;
  failures: number;
  alerting: boolean;
  last: CheckResult | undefined;
}

class Checks implements HealthChecks {
  readonly #monitor: HealthMonitor;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #metrics: Metrics | undefined;
  readonly #options: RunSettings;
  readonly #entries = new Map<string, Entry>();
  readonly #rules: AlertRules;
  readonly #alerted = new Topic<HealthAlert>("health.alert");
  #disposed = false;

  constructor(options: HealthChecksOptions) {
    knownOptions(owner, options, optionNames);
    this.#monitor = partOption(owner, "monitor", options.monitor ?? null, "register");
    this.#clock = partOption(owner, "clock", options.clock, "schedule") ?? systemClock;
    this.#random = functionOption(owner, "random", options.random) ?? systemRandom;
    this.#metrics = guardMetrics(options.metrics);
    this.#options = runOptions(options, { everyMs: 30_000, timeoutMs: 5_000, alertAfter: 3 });
    for (const { name, when, forMs } of options.rules ?? []) {
      partOption(owner, `rule ${name}'s when`, when ?? null, "test");
      durationOption(owner, `rule ${name}'s forMs`, forMs ?? 0);
    }
    this.#rules = new AlertRules(options.rules ?? [], this.#clock);
  }

  get alerts(): readonly string[] {
    const failing = [...this.#entries].filter(([, { alerting }]) => alerting).map(([name]) => name);
    return [...failing, ...this.#rules.raised];
  }

  add(check: HealthCheck, options: CheckOptions = {}): Disposable {
    if (this.#disposed) {
      throw new HoldfastError("HEALTH_CHECKS_STOPPED", `the check "${check.name}" comes after the checks were stopped`);
    }
    knownOptions(owner, options, checkNames);
    partOption(owner, "breaker", options.breaker, "allowProbe");
    const { everyMs, timeoutMs, alertAfter } = runOptions(options, this.#options);
    const component = this.#monitor.register(check.name, {
      ...{ weight: options.weight, caps: options.caps },
      // Two results are up to a period and a time limit apart while all is well.
      staleMs: Math.max(30_000, everyMs + 2 * timeoutMs),
    });
    const onResult = (result: CheckResult): void => this.#heard(entry, result);
    const runner = new CheckRunner({ check, everyMs, timeoutMs, clock: this.#clock, onResult });
    const entry: Entry = { runner, options, alertAfter, failures: 0, alerting: false, last: undefined };
    this.#entries.set(check.name, entry);
    runner.start(this.#random() * everyMs);
    return {
      [Symbol.dispose]: () => {
        if (this.#entries.get(check.name) !== entry) return;
        this.#entries.delete(check.name);
        runner[Symbol.dispose]();
        component[Symbol.dispose]();
      },
    };
  }

  async runAll(): Promise<void> {
    await Promise.all([...this.#entries.values()].map(({ runner }) => runner.run()));
  }

  statistics(name: string): CheckStatistics | undefined {
    const entry = this.#entries.get(name);
    if (entry === undefined) return undefined;
    const { runs, timeouts, skipped, isHung } = entry.runner;
    return { runs, timeouts, skipped, isHung, failuresInARow: entry.failures, alerting: entry.alerting };
  }

  onAlert(listener: Listener<HealthAlert>): Disposable {
    return this.#alerted.subscribe(listener);
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    for (const [name, { runner }] of this.#entries) {
      runner[Symbol.dispose]();
      this.#monitor.unregister(name);
    }
    this.#entries.clear();
  }

  #heard(entry: Entry, result: CheckResult): void {
    const { name } = entry.runner.check;
    if (this.#entries.get(name) !== entry || !this.#monitor.has(name)) return;
    const wasFailing = entry.last?.state === "unhealthy";
    entry.last = result;
    this.#monitor.update(name, result.state, result);
    if (result.state === "unhealthy") this.#failed(entry, result.detail ?? "the check failed");
    else if (wasFailing) this.#recovered(entry, result.detail ?? "the check succeeded");
    this.#evaluateRules();
  }

  #failed(entry: Entry, detail: string): void {
    const { name } = entry.runner.check;
    entry.failures++;
    this.#metrics?.count("holdfast_health_check_failures_total", 1, { check: name });
    if (entry.alerting || entry.failures < entry.alertAfter) return;
    entry.alerting = true;
    if (entry.options.trips === true) entry.options.breaker?.trip?.(`the health check "${name}" failed: ${detail}`);
    this.#alert({ name, kind: "check", raised: true, failures: entry.failures, detail });
  }

  #recovered(entry: Entry, detail: string): void {
    const { name } = entry.runner.check;
    const { failures, alerting } = entry;
    entry.failures = 0;
    entry.alerting = false;
    entry.options.breaker?.allowProbe(`the health check "${name}" saw a recovery`);
    if (alerting) this.#alert({ name, kind: "check", raised: false, failures, detail });
  }

  #evaluateRules(): void {
    if (this.#rules.size === 0) return;
    const checks = [...this.#entries].map(([name, { last }]) => [
      identifierOf(name),
      { ...last?.values, state: last?.state ?? "unknown" },
    ]);
    const { level, availability } = this.#monitor;
    const context = { health: { level, availability }, checks: Object.fromEntries(checks) };
    for (const { rule, raised, detail } of this.#rules.evaluate(context)) {
      this.#alert({ name: rule.name, kind: "rule", raised, failures: 0, detail });
    }
  }

  #alert(alert: HealthAlert): void {
    this.#metrics?.gauge("holdfast_health_alert", alert.raised ? 1 : 0, { name: alert.name, kind: alert.kind });
    this.#alerted.publish(alert);
  }
}

/** As an expression can name it: "event-loop" is `event_loop`. */
function identifierOf(name: string): string {
  return name.replaceAll(/\W/g, "_");
}
