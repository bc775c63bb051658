/**
 * What is known of the health of a system's components, and what follows for the whole (SPEC R8; the availability and
 * its limits are PRISM's).
 *
 * Components say how they are; the monitor weighs it: A = Σ(wᵢ·hᵢ)/Σwᵢ with h = 1, 0.5, 0 for healthy, degraded,
 * unhealthy. Who has not been heard of for `staleMs` counts as unhealthy until heard again. Registering and reporting
 * are O(1), and so is reading the level: components stand in the order in which they were heard, so the stale are at
 * the front. No component has a timer; one timer in all tells of staleness, and only while somebody listens.
 *
 * Against flapping, all off by default so that the plain figures hold: `margin` (a level is left for a better one only
 * at its limit plus the margin), and `agreement` (k of the last n reports, see component.ts).
 */

import {
  type Clock,
  guardMetrics,
  HoldfastError,
  LinkedOrder,
  type Listener,
  type Metrics,
  nearestName,
  systemClock,
  Topic,
} from "../../base/index.ts";
import { type Complete, choiceOption, knownOptions, numberOption, partOption } from "../option.ts";
import { Availability, componentLimit, levels, type SystemLevel, weightUnits } from "./availability.ts";
import { type Agreement, Component, type ComponentHealth } from "./component.ts";
import { type ComponentReport, type HealthReport, reportOf } from "./health-report.ts";

export interface HealthMonitorOptions {
  readonly clock?: Clock | undefined;
  readonly metrics?: Metrics | undefined;
  /** Silence after which a component is stale. Default 30,000; `Infinity` for never. */
  readonly staleMs?: number | undefined;
  /** The least availability of Running. Default 0.9. */
  readonly runningFrom?: number | undefined;
  /** The least availability of Degraded. Default 0.5. */
  readonly degradedFrom?: number | undefined;
  /** How far above its limit the availability must be for the level to improve. Default 0. */
  readonly margin?: number | undefined;
  /** How many of a component's last reports must agree. Default 1 of 1. */
  readonly agreement?: Agreement | undefined;
}

export interface ComponentOptions {
  /** From 0 (told of, not counted) to 1,000, to six decimals. Default 1. */
  readonly weight?: number | undefined;
  /**
   * The best level of the system while this component is unhealthy or stale; while it is degraded, that is Degraded.
   * Default: the availability alone decides.
   */
  readonly caps?: "degraded" | "critical" | undefined;
  /** What it is taken for until the first report. Default healthy. */
  readonly initial?: ComponentHealth | undefined;
  readonly staleMs?: number | undefined;
  readonly agreement?: Agreement | undefined;
}

export interface ReportOptions {
  /** For people; the first 1,000 characters are kept. */
  readonly detail?: string | undefined;
  /** What was measured, for alert rules. */
  readonly values?: Readonly<Record<string, number | string | boolean>> | undefined;
}

export interface LevelChange {
  readonly from: SystemLevel;
  readonly to: SystemLevel;
  readonly availability: number;
  /** The component whose change brought it about. */
  readonly component: string;
}

export interface ComponentChange {
  readonly name: string;
  /** undefined when it was just registered. */
  readonly from: ComponentHealth | undefined;
  /** undefined when it was just removed. */
  readonly to: ComponentHealth | undefined;
  readonly stale: boolean;
  readonly detail: string | undefined;
}

/** A registered component's own end. Disposing of it takes the component out of the monitor. */
export interface HealthComponent extends Disposable {
  readonly name: string;
  healthy(options?: ReportOptions): void;
  degraded(options?: ReportOptions): void;
  unhealthy(options?: ReportOptions): void;
}

export interface HealthMonitor extends Disposable {
  readonly level: SystemLevel;
  readonly availability: number;
  readonly size: number;
  has(name: string): boolean;
  /** Throws HEALTH_COMPONENT_EXISTS, HEALTH_TOO_MANY_COMPONENTS (100,000), HEALTH_OPTION. */
  register(name: string, options?: ComponentOptions): HealthComponent;
  /** Throws HEALTH_UNKNOWN_COMPONENT, HEALTH_OPTION for a state that is none. */
  update(name: string, state: ComponentHealth, options?: ReportOptions): void;
  /** False where there was none. */
  unregister(name: string): boolean;
  /** undefined where there is none. */
  component(name: string): ComponentReport | undefined;
  /** Everything, in O(n). */
  report(): HealthReport;
  onLevelChange(listener: Listener<LevelChange>): Disposable;
  /** Also when a component is registered, removed, turns stale or is heard again. */
  onComponentChange(listener: Listener<ComponentChange>): Disposable;
}

const owner = { name: "healthMonitor", code: "HEALTH_OPTION" } as const;
const optionNames = ["clock", "metrics", "staleMs", "runningFrom", "degradedFrom", "margin", "agreement"];
const componentNames = ["weight", "caps", "initial", "staleMs", "agreement"];
const share = { least: 0, most: 1 };

/** How long a silence may be. */
function silenceOption(value: unknown): number {
  return numberOption(owner, "staleMs", value, { least: 1, endless: true });
}

function agreementOption({ agree, of }: Agreement): Agreement {
  numberOption(owner, "agreement.of", of, { least: 1, most: 64, whole: true });
  numberOption(owner, "agreement.agree", agree, { least: 1, most: of, whole: true });
  return { agree, of };
}

function stateOption(option: string, value: unknown): ComponentHealth {
  return choiceOption(owner, option, value, ["healthy", "degraded", "unhealthy"]);
}

/** A monitor without components: Running, with an availability of 1. Throws HEALTH_OPTION. */
export function healthMonitor(options: HealthMonitorOptions = {}): HealthMonitor {
  return new Monitor(options);
}

const detailLimit = 1_000;

class Monitor implements HealthMonitor {
  readonly #clock: Clock;
  readonly #metrics: Metrics | undefined;
  readonly #options: Complete<Omit<HealthMonitorOptions, "clock" | "metrics">>;
  readonly #components = new Map<string, Component>();
  /** For each length of silence, who is not stale, in the order in which they were heard. */
  readonly #heard = new Map<number, LinkedOrder<Component>>();
  readonly #availability = new Availability();
  readonly #levelChanged = new Topic<LevelChange>("health.level");
  readonly #componentChanged = new Topic<ComponentChange>("health.component");
  #level: SystemLevel = "running";
  #stopTimer: (() => void) | undefined;
  #disposed = false;

  constructor(options: HealthMonitorOptions) {
    knownOptions(owner, options, optionNames);
    this.#clock = partOption(owner, "clock", options.clock, "schedule") ?? systemClock;
    this.#metrics = guardMetrics(options.metrics);
    const runningFrom = numberOption(owner, "runningFrom", options.runningFrom ?? 0.9, share);
    this.#options = {
      staleMs: silenceOption(options.staleMs ?? 30_000),
      runningFrom,
      degradedFrom: numberOption(owner, "degradedFrom", options.degradedFrom ?? Math.min(0.5, runningFrom), {
        ...share,
        most: runningFrom,
      }),
      margin: numberOption(owner, "margin", options.margin ?? 0, share),
      agreement: agreementOption(options.agreement ?? { agree: 1, of: 1 }),
    };
  }

  get level(): SystemLevel {
    this.#noticeStale();
    return this.#level;
  }

  get availability(): number {
    this.#noticeStale();
    return this.#availability.value;
  }

  get size(): number {
    return this.#components.size;
  }

  has(name: string): boolean {
    return this.#components.has(name);
  }

  register(name: string, options: ComponentOptions = {}): HealthComponent {
    this.#refuse(name);
    knownOptions(owner, options, componentNames);
    const component = new Component({
      name,
      weight: weightUnits(name, options.weight ?? 1),
      caps:
        options.caps === undefined ? undefined : choiceOption(owner, "caps", options.caps, ["degraded", "critical"]),
      staleMs: silenceOption(options.staleMs ?? this.#options.staleMs),
      initial: stateOption("initial", options.initial ?? "healthy"),
      agreement: agreementOption(options.agreement ?? this.#options.agreement),
      nowMs: this.#clock.monotonicMs(),
    });
    this.#noticeStale();
    this.#components.set(name, component);
    this.#listOf(component).append(component);
    this.#availability.add(component);
    this.#told(component, undefined, component.effective);
    this.#watchStaleness();
    return {
      name,
      healthy: (said) => this.update(name, "healthy", said),
      degraded: (said) => this.update(name, "degraded", said),
      unhealthy: (said) => this.update(name, "unhealthy", said),
      [Symbol.dispose]: () => {
        if (this.#components.get(name) === component) this.unregister(name);
      },
    };
  }

  update(name: string, state: ComponentHealth, options: ReportOptions = {}): void {
    const component = this.#components.get(name);
    if (component === undefined) throw this.#unknown(name);
    stateOption("state", state);
    this.#noticeStale();
    const from = component.effective;
    // The first word changes what is known even where it says what was assumed.
    const wasUnheard = component.isStale || component.reports === 0;
    const wasStale = component.isStale;
    this.#availability.remove(component);
    const nowMs = this.#clock.monotonicMs();
    component.isStale = false;
    component.hear(state, nowMs);
    component.detail = options.detail?.slice(0, detailLimit);
    component.values = options.values;
    this.#availability.add(component);
    if (wasStale) this.#listOf(component).append(component);
    else this.#listOf(component).moveToEnd(component);
    if (from === component.effective && !wasUnheard) return;
    if (from !== component.effective) component.sinceMs = nowMs;
    this.#told(component, from, component.effective);
    if (wasStale) this.#watchStaleness();
  }

  unregister(name: string): boolean {
    const component = this.#components.get(name);
    if (component === undefined) return false;
    this.#noticeStale();
    const from = component.effective;
    this.#components.delete(name);
    const list = this.#listOf(component);
    if (!component.isStale) list.remove(component);
    if (list.first === undefined) this.#heard.delete(component.staleMs);
    this.#availability.remove(component);
    this.#told(component, from, undefined);
    return true;
  }

  component(name: string): ComponentReport | undefined {
    this.#noticeStale();
    const component = this.#components.get(name);
    return component === undefined ? undefined : reportOf(component, this.#clock.monotonicMs());
  }

  report(): HealthReport {
    this.#noticeStale();
    const nowMs = this.#clock.monotonicMs();
    return {
      level: this.#level,
      availability: this.#availability.value,
      atMs: this.#clock.nowMs(),
      counts: { ...this.#availability.counts },
      stale: this.#availability.stale,
      components: [...this.#components.values()].map((component) => reportOf(component, nowMs)),
    };
  }

  onLevelChange(listener: Listener<LevelChange>): Disposable {
    const subscription = this.#levelChanged.subscribe(listener);
    this.#watchStaleness();
    return subscription;
  }

  onComponentChange(listener: Listener<ComponentChange>): Disposable {
    const subscription = this.#componentChanged.subscribe(listener);
    this.#watchStaleness();
    return subscription;
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#stopTimer?.();
    this.#stopTimer = undefined;
  }

  /** O(1) for each component that has turned stale since the last look, and for each length of silence in use. */
  #noticeStale(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const [staleMs, list] of this.#heard) {
      for (let component = list.first; component !== undefined; component = list.first) {
        if (nowMs - component.heardMs < staleMs) break;
        const from = component.effective;
        list.remove(component);
        this.#availability.remove(component);
        component.isStale = true;
        this.#availability.add(component);
        if (from !== "unhealthy") component.sinceMs = component.heardMs + staleMs;
        this.#told(component, from, "unhealthy");
      }
    }
  }

  /** One background timer for whoever turns stale next; it is set anew only when it has fired. */
  #watchStaleness(): void {
    if (this.#stopTimer !== undefined || this.#disposed) return;
    if (!this.#levelChanged.active && !this.#componentChanged.active) return;
    let nextMs = Infinity;
    for (const [staleMs, list] of this.#heard) {
      if (list.first !== undefined) nextMs = Math.min(nextMs, list.first.heardMs + staleMs);
    }
    if (nextMs === Infinity) return;
    const onTime = (): void => {
      this.#stopTimer = undefined;
      this.#noticeStale();
      this.#watchStaleness();
    };
    const waitMs = Math.max(1, nextMs - this.#clock.monotonicMs());
    this.#stopTimer = this.#clock.schedule(waitMs, onTime, { background: true });
  }

  #told(component: Component, from: ComponentHealth | undefined, to: ComponentHealth | undefined): void {
    const { name, isStale, detail } = component;
    const before = this.#level;
    const availability = this.#availability.value;
    this.#level = this.#nextLevel(availability);
    this.#metrics?.gauge("holdfast_health_availability", availability);
    this.#componentChanged.publish({ name, from, to, stale: isStale, detail });
    if (this.#level === before) return;
    this.#metrics?.gauge("holdfast_health_level", levels.indexOf(this.#level));
    this.#metrics?.count("holdfast_health_level_changes_total", 1, { from: before, to: this.#level });
    this.#levelChanged.publish({ from: before, to: this.#level, availability, component: name });
  }

  #nextLevel(availability: number): SystemLevel {
    const { runningFrom, degradedFrom, margin } = this.#options;
    const at = (extra: number): number => {
      if (availability >= limitOf(runningFrom, extra)) return 0;
      return availability >= limitOf(degradedFrom, extra) ? 1 : 2;
    };
    const present = levels.indexOf(this.#level);
    const plain = at(0);
    // Down at the plain limit, up only beyond the margin, and never above what a critical component allows.
    const weighed = plain >= present ? plain : Math.min(present, at(margin));
    return levels[Math.max(weighed, levels.indexOf(this.#availability.cap))]!;
  }

  #listOf(component: Component): LinkedOrder<Component> {
    let list = this.#heard.get(component.staleMs);
    if (list === undefined) this.#heard.set(component.staleMs, (list = new LinkedOrder()));
    return list;
  }

  #refuse(name: string): void {
    if (this.#components.has(name)) {
      throw new HoldfastError("HEALTH_COMPONENT_EXISTS", `a component named "${name}" is registered already`, {
        hint: "Dispose of the first one, or choose another name.",
        details: { name },
      });
    }
    if (this.#components.size < componentLimit) return;
    throw new HoldfastError(
      "HEALTH_TOO_MANY_COMPONENTS",
      `"${name}" would be component ${componentLimit + 1} of at most ${componentLimit}`,
      { hint: "Report groups of components as one.", details: { name, limit: componentLimit } },
    );
  }

  #unknown(name: string): HoldfastError {
    const nearest = this.#components.size <= 1_000 ? nearestName(name, [...this.#components.keys()]) : undefined;
    return new HoldfastError("HEALTH_UNKNOWN_COMPONENT", `no component named "${name}" is registered`, {
      hint: nearest === undefined ? "Register it first." : `Did you mean "${nearest}"?`,
      details: { name },
    });
  }
}

/** At most 1, so that it can be reached; rounded, so that 0.9 and 0.05 make 0.95. */
function limitOf(from: number, margin: number): number {
  return Math.min(1, Math.round((from + margin) * 1e9) / 1e9);
}
