/**
 * Conservative mode (SPEC R14, from Tezzeret): while something is wrong, work goes on with settings that ask for less,
 * and the original ones come back by themselves once all has been well for long enough.
 *
 * It is entered by a trigger (a condition over sampled values that holds, if wanted for some time), by a breaker that
 * opens, by a check that fails while its breaker is open, and by hand. Several reasons may hold at once; it lasts until
 * all are gone and nothing new has come for `healthyForMs`. What was entered by hand alone ends at once with the last
 * handle. Leaving by hand ends it whatever the reasons: those that still hold count again once they have been gone.
 *
 * Every reason is kept (the last `historyLimit`, with what was measured) and counted.
 */

import {
  type Clock,
  guardMetrics,
  type Listener,
  type Metrics,
  reportFailure,
  systemClock,
  Topic,
} from "../../base/index.ts";
import { type Condition, type ConditionContext, HeldCondition, ReasonCounts } from "../condition.ts";
import { durationOption, functionOption, knownOptions, numberOption, partOption } from "../option.ts";

export interface ConservativeTrigger {
  /** The label of its metrics. */
  readonly name: string;
  readonly when: Condition;
  /** How long it must hold in every sample. Default 0. */
  readonly forMs?: number | undefined;
}

export interface ConservativeModeOptions<Settings> {
  readonly settings: Settings;
  /**
   * The settings to work with meanwhile, made from the original ones, which it must not change. Called when the mode is
   * made and when its settings are replaced, not in the middle of trouble: what it throws is thrown there.
   */
  readonly conservative: (settings: Settings) => Settings;
  readonly triggers?: readonly ConservativeTrigger[] | undefined;
  /** Measures what the triggers are about. Without it, `sample` is to be called. */
  readonly sample?: (() => ConditionContext) | undefined;
  /** 1 or more; default 10,000. Samples over three times as far apart are no proof that a condition held in between. */
  readonly sampleEveryMs?: number | undefined;
  /** Default 300,000. */
  readonly healthyForMs?: number | undefined;
  /** Of records; default 100. */
  readonly historyLimit?: number | undefined;
  readonly clock?: Clock | undefined;
  readonly metrics?: Metrics | undefined;
}

/** The part of a breaker that is watched. */
export interface WatchedBreaker {
  readonly name: string;
  readonly state: string;
  onStateChange(listener: (change: { readonly to: string }) => unknown): Disposable;
  /** A check that did not hold, and the state in which that found the breaker. */
  onCheckFailed?(listener: (failure: { readonly message: string; readonly state: string }) => unknown): Disposable;
}

export interface TriggerRecord {
  /** For people. */
  readonly reason: string;
  /** The trigger's name, `breaker:NAME`, `check:NAME`, `by-hand`, or what `trigger` was told. */
  readonly source: string;
  /** Wall-clock time. */
  readonly atMs: number;
}

export interface ModeChange<Settings> {
  readonly active: boolean;
  /** Those that hold from now on. */
  readonly settings: Settings;
  readonly reason: string;
}

/** Once disposed of it stays as it is: it watches and samples nothing more, and nothing enters it. */
export interface ConservativeMode<Settings> extends Disposable {
  readonly active: boolean;
  /** Those to work with now; the very object given where the mode is not active. */
  readonly settings: Settings;
  /** Why it is active now; empty while it only waits for all to have been well for long enough. */
  readonly reasons: readonly string[];
  /** Milliseconds until it ends if nothing new comes; undefined while a reason holds or where it is not active. */
  readonly endsInMs: number | undefined;
  /** The oldest first. */
  readonly history: readonly TriggerRecord[];
  /** How often each source brought it about. */
  readonly counts: Readonly<Record<string, number>>;
  /** By hand, until disposed of. */
  enter(reason: string): Disposable;
  /** Something went wrong just now: active until all has been well for long enough. */
  trigger(reason: string, source?: string): void;
  /** By hand: ends now, whatever the reasons. */
  leave(reason?: string): void;
  /** Asks the triggers about what was measured now. */
  sample(context: ConditionContext): void;
  /** Other original settings; conservative ones are made from them anew. */
  replaceSettings(settings: Settings): void;
  /**
   * Its opening is a reason while it is open, and so is each check that fails meanwhile. One that several watch is one
   * reason, until the last of them is disposed of.
   */
  watchBreaker(breaker: WatchedBreaker): Disposable;
  onChange(listener: Listener<ModeChange<Settings>>): Disposable;
  onTrigger(listener: Listener<TriggerRecord>): Disposable;
}

const owner = { name: "conservativeMode", code: "CONSERVATIVE_OPTION" } as const;
const optionNames = [
  ...["settings", "conservative", "triggers", "sample", "sampleEveryMs", "healthyForMs", "historyLimit", "clock"],
  "metrics",
];

/** Throws CONSERVATIVE_OPTION, and what `conservative` throws. */
export function conservativeMode<Settings>(options: ConservativeModeOptions<Settings>): ConservativeMode<Settings> {
  return new Mode(options);
}

interface Watch {
  watchers: number;
  readonly subscriptions: readonly (Disposable | undefined)[];
}

interface Reason {
  readonly text: string;
  readonly byHand: boolean;
}

const reasonLength = 500;

class Mode<Settings> implements ConservativeMode<Settings> {
  readonly #options: ConservativeModeOptions<Settings>;
  readonly #clock: Clock;
  readonly #triggers: readonly { readonly trigger: ConservativeTrigger; readonly held: HeldCondition }[];
  /** With what there is to end, and how many watch each. */
  readonly #watches = new Map<WatchedBreaker, Watch>();
  /** Open ones that were raised; one that was dismissed by hand is not raised again before it has closed. */
  readonly #known = new WeakSet<WatchedBreaker>();
  /** What holds now, by what it comes from: a trigger, a breaker, a handle. */
  readonly #reasons = new Map<object, Reason>();
  readonly #history: TriggerRecord[] = [];
  readonly #counts = new ReasonCounts(100);
  readonly #changed = new Topic<ModeChange<Settings>>("conservative.mode");
  readonly #triggered = new Topic<TriggerRecord>("conservative.trigger");
  readonly #metrics: Metrics | undefined;
  readonly #sampleEveryMs: number;
  readonly #healthyForMs: number;
  readonly #historyLimit: number;
  #original: Settings;
  #conservative: Settings;
  #active = false;
  /** When a reason that was not by hand last held or came, since the mode was entered. */
  #troubledMs: number | undefined;
  #stopSampling: (() => void) | undefined;
  #stopEnding: (() => void) | undefined;
  #disposed = false;

  constructor(options: ConservativeModeOptions<Settings>) {
    knownOptions(owner, options, optionNames);
    functionOption(owner, "conservative", options.conservative ?? null);
    functionOption(owner, "sample", options.sample);
    this.#options = options;
    this.#metrics = guardMetrics(options.metrics);
    this.#clock = partOption(owner, "clock", options.clock, "schedule") ?? systemClock;
    this.#sampleEveryMs = durationOption(owner, "sampleEveryMs", options.sampleEveryMs ?? 10_000, 1);
    this.#healthyForMs = durationOption(owner, "healthyForMs", options.healthyForMs ?? 300_000);
    const limit = { least: 0, whole: true };
    this.#historyLimit = numberOption(owner, "historyLimit", options.historyLimit ?? 100, limit);
    this.#original = options.settings;
    this.#conservative = options.conservative(options.settings);
    const gapMs = 3 * this.#sampleEveryMs;
    this.#triggers = (options.triggers ?? []).map((trigger) => {
      const condition = partOption(owner, `trigger ${trigger.name}'s when`, trigger.when ?? null, "test");
      const forMs = durationOption(owner, `trigger ${trigger.name}'s forMs`, trigger.forMs ?? 0);
      return { trigger, held: new HeldCondition({ condition, clock: this.#clock, forMs, gapMs }) };
    });
    this.#metrics?.gauge("holdfast_conservative_mode_active", 0);
    this.#keepSampling();
  }

  get active(): boolean {
    return this.#active;
  }

  get settings(): Settings {
    return this.#active ? this.#conservative : this.#original;
  }

  get reasons(): readonly string[] {
    return [...this.#reasons.values()].map(({ text }) => text);
  }

  get endsInMs(): number | undefined {
    if (!this.active || this.#reasons.size > 0 || this.#troubledMs === undefined) return undefined;
    return Math.max(0, this.#troubledMs + this.#healthyForMs - this.#clock.monotonicMs());
  }

  get history(): readonly TriggerRecord[] {
    return [...this.#history];
  }

  get counts(): Readonly<Record<string, number>> {
    return this.#counts.all();
  }

  enter(reason: string): Disposable {
    const handle = {};
    this.#raise(handle, { text: reason.slice(0, reasonLength), byHand: true }, "by-hand");
    return { [Symbol.dispose]: () => this.#clear(handle) };
  }

  trigger(reason: string, source = "reported"): void {
    this.#raise(undefined, { text: reason.slice(0, reasonLength), byHand: false }, source);
  }

  leave(reason = "by hand"): void {
    this.#reasons.clear();
    this.#end(reason);
  }

  sample(context: ConditionContext): void {
    for (const { trigger, held } of this.#triggers) {
      if (!held.sample(context)) continue;
      if (!held.isDue) this.#clear(trigger);
      else this.#raise(trigger, { text: `${trigger.name}: ${measured(context)}`, byHand: false }, trigger.name);
    }
  }

  replaceSettings(settings: Settings): void {
    this.#conservative = this.#options.conservative(settings);
    this.#original = settings;
    this.#changed.publish({ active: this.active, settings: this.settings, reason: "settings replaced" });
  }

  watchBreaker(breaker: WatchedBreaker): Disposable {
    const watch = this.#watches.get(breaker) ?? this.#watch(breaker);
    watch.watchers++;
    let isWatching = true;
    return {
      [Symbol.dispose]: () => {
        if (isWatching) watch.watchers--;
        isWatching = false;
        if (watch.watchers > 0 || this.#watches.get(breaker) !== watch) return;
        for (const subscription of watch.subscriptions) subscription?.[Symbol.dispose]();
        this.#watches.delete(breaker);
        this.#clear(breaker);
      },
    };
  }

  onChange(listener: Listener<ModeChange<Settings>>): Disposable {
    return this.#changed.subscribe(listener);
  }

  onTrigger(listener: Listener<TriggerRecord>): Disposable {
    return this.#triggered.subscribe(listener);
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#stopSampling?.();
    this.#stopEnding?.();
    for (const { subscriptions } of this.#watches.values()) for (const one of subscriptions) one?.[Symbol.dispose]();
    this.#watches.clear();
  }

  #watch(breaker: WatchedBreaker): Watch {
    const state = breaker.onStateChange(() => this.#look(breaker));
    const checks = breaker.onCheckFailed?.(({ message, state: found }) => {
      if (isOpen(found)) this.trigger(message, `check:${breaker.name}`);
    });
    const watch = { watchers: 0, subscriptions: [state, checks] };
    this.#watches.set(breaker, watch);
    this.#look(breaker);
    return watch;
  }

  /** A reason that holds (`from`), or one that came and went. */
  #raise(from: object | undefined, reason: Reason, source: string): void {
    // Nothing would end it any more.
    if (this.#disposed) return;
    if (from !== undefined) this.#reasons.set(from, reason);
    const record = { reason: reason.text, source, atMs: this.#clock.nowMs() };
    this.#history.push(record);
    if (this.#history.length > this.#historyLimit) this.#history.shift();
    this.#counts.add(source);
    this.#metrics?.count("holdfast_conservative_mode_triggers_total", 1, { reason: source });
    if (!reason.byHand) this.#troubledMs = this.#clock.monotonicMs();
    const isEntered = !this.#active;
    this.#active = true;
    this.#keepSampling();
    this.#endWhenDue();
    if (isEntered) this.#metrics?.gauge("holdfast_conservative_mode_active", 1);
    // Told last: a listener may leave the mode again, and must find it entered.
    if (isEntered) this.#changed.publish({ active: true, settings: this.#conservative, reason: reason.text });
    this.#triggered.publish(record);
  }

  #clear(from: object): void {
    const reason = this.#reasons.get(from);
    if (reason === undefined) return;
    this.#reasons.delete(from);
    if (!reason.byHand) this.#troubledMs = this.#clock.monotonicMs();
    this.#endWhenDue();
  }

  /** One timer, for when it may end. */
  #endWhenDue(): void {
    this.#stopEnding?.();
    this.#stopEnding = undefined;
    if (!this.active || this.#reasons.size > 0 || this.#disposed) return;
    const { endsInMs } = this;
    if (endsInMs === undefined) this.#end("released");
    else if (endsInMs === 0) this.#end("recovered");
    else this.#stopEnding = this.#clock.schedule(endsInMs, () => this.#endWhenDue(), { background: true });
  }

  #end(reason: string): void {
    if (!this.#active) return;
    this.#stopEnding?.();
    this.#stopEnding = undefined;
    this.#active = false;
    this.#troubledMs = undefined;
    this.#metrics?.gauge("holdfast_conservative_mode_active", 0);
    this.#changed.publish({ active: false, settings: this.#original, reason });
  }

  #look(breaker: WatchedBreaker): void {
    const isReason = this.#reasons.has(breaker);
    const open = isOpen(breaker.state);
    if (!open) this.#known.delete(breaker);
    if (!open && isReason) this.#clear(breaker);
    if (!open || this.#known.has(breaker)) return;
    this.#known.add(breaker);
    const text = `the breaker "${breaker.name}" is ${breaker.state}`;
    this.#raise(breaker, { text, byHand: false }, `breaker:${breaker.name}`);
  }

  /** A breaker has no timer: whether one is open still is looked at with each sample. */
  #keepSampling(): void {
    if (this.#stopSampling !== undefined || this.#disposed) return;
    const isWatching = [...this.#watches.keys()].some((breaker) => this.#reasons.has(breaker));
    if (this.#options.sample === undefined && !isWatching) return;
    const onTime = (): void => {
      this.#stopSampling = undefined;
      for (const breaker of this.#watches.keys()) this.#look(breaker);
      this.#sampleOwn();
      this.#keepSampling();
    };
    this.#stopSampling = this.#clock.schedule(this.#sampleEveryMs, onTime, { background: true });
  }

  #sampleOwn(): void {
    if (this.#options.sample === undefined) return;
    try {
      this.sample(this.#options.sample());
    } catch (error) {
      this.#metrics?.count("holdfast_conservative_mode_sample_errors_total", 1);
      reportFailure("conservative.sample", error);
    }
  }
}

function isOpen(state: string): boolean {
  return state === "open" || state === "isolated";
}

function measured(context: ConditionContext): string {
  return (JSON.stringify(context) ?? "").slice(0, reasonLength);
}
