/**
 * A ladder of service levels, the best first. Down at once, to whatever level the trouble asks for; up one step at a
 * time, each after `climbAfter` good probes in a row and no sooner than `steadyMs` after the last step. So a service
 * that flickers stays where it is safe instead of going up and down with it.
 *
 * Levels can be held by hand: while a hold lasts the ladder is at that level or below it. Every reason for a step down
 * is kept (the last `historyLimit`) and counted.
 */

import {
  type Clock,
  guardMetrics,
  HoldfastError,
  type Listener,
  type Metrics,
  nearestName,
  systemClock,
  Topic,
} from "../../base/index.ts";
import { ReasonCounts } from "../condition.ts";
import { durationOption, knownOptions, nameOption, numberOption, optionError, partOption } from "../option.ts";

export interface LadderOptions<Level extends string> {
  /** The best first; at least one. */
  readonly levels: readonly Level[];
  /** Of the label in metrics and events. Default "service". */
  readonly name?: string | undefined;
  readonly clock?: Clock | undefined;
  readonly metrics?: Metrics | undefined;
  /** Good probes in a row for one step up. Default 2. */
  readonly climbAfter?: number | undefined;
  /** The least time between a step and a step up. Default 0. */
  readonly steadyMs?: number | undefined;
  /** Default 100. */
  readonly historyLimit?: number | undefined;
}

export interface LevelStep<Level extends string> {
  readonly from: Level;
  readonly to: Level;
  readonly reason: string;
  /** Wall-clock time. */
  readonly atMs: number;
}

export interface DegradationLadder<Level extends string> {
  readonly name: string;
  readonly level: Level;
  /** 0 at the best level. */
  readonly depth: number;
  depthOf(level: Level): number;
  /** Steps down to `level` at once; no step where it is there or below already. The reason is kept either way. */
  worsen(level: Level, reason: string): void;
  /** One good probe. True where it made a step up. */
  probeSucceeded(): boolean;
  /** The good probes before it count no more. */
  probeFailed(): void;
  /** At that level or below it until disposed of. */
  hold(level: Level, reason: string): Disposable;
  /** The oldest first. */
  readonly history: readonly LevelStep<Level>[];
  /** How often each reason was given; the 100 that were given last. */
  readonly reasons: Readonly<Record<string, number>>;
  onChange(listener: Listener<LevelStep<Level>>): Disposable;
}

const owner = { name: "degradationLadder", code: "DEGRADED_OPTION" } as const;
const optionNames = ["levels", "name", "clock", "metrics", "climbAfter", "steadyMs", "historyLimit"];

/** Throws DEGRADED_OPTION; its methods DEGRADED_UNKNOWN_LEVEL where a level that is named is not there. */
export function degradationLadder<Level extends string>(options: LadderOptions<Level>): DegradationLadder<Level> {
  return new Ladder(options);
}

const reasonsLimit = 100;
const reasonLength = 200;

class Ladder<Level extends string> implements DegradationLadder<Level> {
  readonly name: string;
  readonly #levels: readonly Level[];
  readonly #clock: Clock;
  readonly #metrics: Metrics | undefined;
  readonly #climbAfter: number;
  readonly #steadyMs: number;
  readonly #historyLimit: number;
  readonly #history: LevelStep<Level>[] = [];
  readonly #reasons = new ReasonCounts(reasonsLimit);
  readonly #holds = new Set<{ readonly depth: number }>();
  readonly #changed = new Topic<LevelStep<Level>>("degradation.level");
  /** Without what is held by hand. */
  #ownDepth = 0;
  #depth = 0;
  #good = 0;
  #steppedMs: number;

  constructor(options: LadderOptions<Level>) {
    knownOptions(owner, options, optionNames);
    if (!Array.isArray(options.levels) || options.levels.length === 0) {
      throw optionError(owner, "levels", options.levels, "a list of at least one level");
    }
    this.name = nameOption(owner, options.name, "service");
    this.#levels = [...options.levels];
    this.#clock = partOption(owner, "clock", options.clock, "schedule") ?? systemClock;
    this.#metrics = guardMetrics(options.metrics);
    this.#climbAfter = numberOption(owner, "climbAfter", options.climbAfter ?? 2, { least: 1, whole: true });
    this.#steadyMs = durationOption(owner, "steadyMs", options.steadyMs ?? 0);
    this.#historyLimit = numberOption(owner, "historyLimit", options.historyLimit ?? 100, { least: 0, whole: true });
    this.#steppedMs = this.#clock.monotonicMs();
  }

  get level(): Level {
    return this.#levels[this.#depth]!;
  }

  get depth(): number {
    return this.#depth;
  }

  get history(): readonly LevelStep<Level>[] {
    return [...this.#history];
  }

  get reasons(): Readonly<Record<string, number>> {
    return this.#reasons.all();
  }

  depthOf(level: Level): number {
    const depth = this.#levels.indexOf(level);
    if (depth !== -1) return depth;
    const nearest = nearestName(level, this.#levels);
    throw new HoldfastError("DEGRADED_UNKNOWN_LEVEL", `the ladder "${this.name}" has no level "${level}"`, {
      hint: nearest === undefined ? `It has: ${this.#levels.join(", ")}.` : `Did you mean "${nearest}"?`,
      details: { level, levels: this.#levels.join(", ") },
    });
  }

  worsen(level: Level, reason: string): void {
    const depth = this.depthOf(level);
    this.#note(reason);
    this.#good = 0;
    if (depth <= this.#ownDepth) return;
    this.#ownDepth = depth;
    this.#step(reason);
  }

  probeSucceeded(): boolean {
    if (this.#ownDepth === 0) return false;
    this.#good++;
    if (this.#good < this.#climbAfter || this.#clock.monotonicMs() - this.#steppedMs < this.#steadyMs) return false;
    this.#ownDepth--;
    this.#good = 0;
    this.#steppedMs = this.#clock.monotonicMs();
    this.#step("recovered");
    return true;
  }

  probeFailed(): void {
    this.#good = 0;
  }

  hold(level: Level, reason: string): Disposable {
    const held = { depth: this.depthOf(level) };
    this.#note(reason);
    this.#holds.add(held);
    this.#step(reason);
    return {
      [Symbol.dispose]: () => {
        if (this.#holds.delete(held)) this.#step(`released: ${reason}`);
      },
    };
  }

  onChange(listener: Listener<LevelStep<Level>>): Disposable {
    return this.#changed.subscribe(listener);
  }

  #note(reason: string): void {
    this.#reasons.add(reason.slice(0, reasonLength));
    this.#metrics?.count("holdfast_degradation_reasons_total", 1, { ladder: this.name });
  }

  #step(reason: string): void {
    const from = this.level;
    this.#depth = Math.max(this.#ownDepth, ...[...this.#holds].map(({ depth }) => depth));
    if (this.level === from) return;
    this.#steppedMs = this.#clock.monotonicMs();
    const step = { from, to: this.level, reason: reason.slice(0, reasonLength), atMs: this.#clock.nowMs() };
    this.#history.push(step);
    if (this.#history.length > this.#historyLimit) this.#history.shift();
    this.#metrics?.gauge("holdfast_degradation_level", this.#depth, { ladder: this.name });
    this.#changed.publish(step);
  }
}
