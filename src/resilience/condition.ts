/**
 * Conditions over measured values: whether one holds, and whether it has held without a break for long enough.
 *
 * Values come as samples, so between two of them nothing is known. A gap that is longer than `gapMs` is a break; a
 * condition that cannot be evaluated (a value is missing) leaves everything as it was.
 */

import { type Clock, errorText, LruMap } from "../base/index.ts";

/** What conditions are asked about: plain values by name, nested where names are dotted. */
export interface ConditionContext {
  readonly [name: string]: number | string | boolean | ConditionContext;
}

/** A compiled expression of the policy language, or anything that can be asked the same. */
export interface Condition {
  test(context: ConditionContext): boolean;
}

export class HeldCondition {
  /** Evaluations that threw, with the last error's message. */
  errors = 0;
  lastError: string | undefined;
  readonly #condition: Condition;
  readonly #clock: Clock;
  readonly #forMs: number;
  readonly #gapMs: number;
  #sinceMs: number | undefined;
  #sampledMs: number | undefined;
  #isDue = false;

  constructor(options: {
    readonly condition: Condition;
    readonly clock: Clock;
    readonly forMs?: number | undefined;
    readonly gapMs?: number | undefined;
  }) {
    this.#condition = options.condition;
    this.#clock = options.clock;
    this.#forMs = options.forMs ?? 0;
    this.#gapMs = options.gapMs ?? Infinity;
  }

  /** True from when it has held for long enough until it holds no more. */
  get isDue(): boolean {
    return this.#isDue;
  }

  /** True where `isDue` changed. */
  sample(context: ConditionContext): boolean {
    const nowMs = this.#clock.monotonicMs();
    const holds = this.#test(context);
    if (holds === undefined) return false;
    const isBroken = this.#sampledMs !== undefined && nowMs - this.#sampledMs > this.#gapMs;
    this.#sampledMs = nowMs;
    if (!holds) this.#sinceMs = undefined;
    else if (this.#sinceMs === undefined || (isBroken && !this.#isDue)) this.#sinceMs = nowMs;
    const isDue = this.#sinceMs !== undefined && (this.#isDue || nowMs - this.#sinceMs >= this.#forMs);
    if (isDue === this.#isDue) return false;
    this.#isDue = isDue;
    return true;
  }

  #test(context: ConditionContext): boolean | undefined {
    try {
      return this.#condition.test(context);
    } catch (error) {
      this.errors++;
      this.lastError = errorText(error);
      return undefined;
    }
  }
}

/** How often each reason was given; of many different ones only those that were given last. */
export class ReasonCounts {
  readonly #counts: LruMap<string, number>;

  constructor(limit: number) {
    this.#counts = new LruMap(limit);
  }

  add(reason: string): void {
    this.#counts.set(reason, (this.#counts.peek(reason) ?? 0) + 1);
  }

  all(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts.entries());
  }
}
