/**
 * What all retries and hedges of a program may add to its calls: a share of them, so that an outage is never
 * multiplied, and a small rate on top, so that a program with few calls can retry at all.
 *
 * Within any window: extra calls ≤ `ratio` · calls + `minimumPerSecond` · window. Over a whole run therefore: extra
 * calls ≤ `ratio` · calls + `minimumPerSecond` · (run time + window). The idea and the numbers are those of Finagle's
 * RetryBudget (2016); Finagle's own ratio is 0.2, 0.1 is that of Google's "Site Reliability Engineering", chapter 22.
 *
 * One budget is shared by giving it to several policies. A call that passes more than one of them pays in once, and
 * what a retry or a hedge outside has added to the calls does not pay in.
 */

import { type Clock, type Listener, systemClock, Topic } from "../../base/index.ts";
import type { CallContext } from "../call.ts";
import { durationOption, knownOptions, nameOption, numberOption, partOption } from "../option.ts";

export interface RetryBudgetOptions {
  readonly name?: string | undefined;
  /** Extra calls for each call, 0 to 10. Default 0.1. */
  readonly ratio?: number | undefined;
  /** Extra calls a second that are allowed however few calls there are. Default 10. */
  readonly minimumPerSecond?: number | undefined;
  /** How long a call counts, 10 ms or longer. Default 10 s. */
  readonly windowMs?: number | undefined;
  readonly clock?: Clock | undefined;
}

export interface RetryBudgetEvent {
  readonly name: string;
}

export interface RetryBudgetStatistics {
  /** Calls, extra calls, and extra calls that were refused, since the start. */
  readonly calls: number;
  readonly spent: number;
  readonly rejected: number;
  /** Extra calls that would be allowed now. */
  readonly available: number;
}

const owner = { name: "retryBudget", code: "RETRY_OPTION" } as const;
const optionNames = ["name", "ratio", "minimumPerSecond", "windowMs", "clock"];
const slices = 10;
/** A share like 0.29 has no exact double: a sum that misses a whole number by less is meant to be it. */
const tolerance = 1e-9;

export class RetryBudget {
  readonly name: string;
  readonly ratio: number;
  readonly #reserve: number;
  readonly #sliceMs: number;
  readonly #clock: Clock;
  /** Of each slice of the window: calls, and what was spent. The present slice is `#slice % slices`. */
  readonly #calls = new Float64Array(slices);
  readonly #spent = new Float64Array(slices);
  #slice: number;
  #windowCalls = 0;
  #windowSpent = 0;
  #totalCalls = 0;
  #totalSpent = 0;
  #rejected = 0;
  readonly #refusals = new Topic<RetryBudgetEvent>("retry.budget-rejected");

  constructor(options: RetryBudgetOptions) {
    knownOptions(owner, options, optionNames);
    this.name = nameOption(owner, options.name, "retry budget");
    this.ratio = numberOption(owner, "ratio", options.ratio ?? 0.1, { least: 0, most: 10 });
    const windowMs = durationOption(owner, "windowMs", options.windowMs ?? 10_000, slices);
    const perSecond = numberOption(owner, "minimumPerSecond", options.minimumPerSecond ?? 10, { least: 0, most: 1e9 });
    this.#reserve = (perSecond * windowMs) / 1_000;
    this.#sliceMs = windowMs / slices;
    this.#clock = partOption(owner, "clock", options.clock, "schedule") ?? systemClock;
    this.#slice = this.#sliceNow();
  }

  /** Counts a call. */
  deposit(): void {
    this.#turn();
    this.#calls[this.#slice % slices]! += 1;
    this.#windowCalls++;
    this.#totalCalls++;
  }

  /**
   * Counts the call, unless a policy outside has counted or added it. What the policy goes on with says that it is
   * counted.
   */
  enter(context: CallContext): CallContext {
    if (context.budget === this || context.isExtra) return context;
    this.deposit();
    return context.with({ budget: this });
  }

  /** Takes what one extra call costs. False where there is not so much: then it must not be made. */
  tryWithdraw(): boolean {
    this.#turn();
    if (this.#available() < 1) {
      this.#rejected++;
      if (this.#refusals.active) this.#refusals.publish({ name: this.name });
      return false;
    }
    this.#spent[this.#slice % slices]! += 1;
    this.#windowSpent++;
    this.#totalSpent++;
    return true;
  }

  statistics(): RetryBudgetStatistics {
    this.#turn();
    const available = Math.max(0, Math.floor(this.#available()));
    return { calls: this.#totalCalls, spent: this.#totalSpent, rejected: this.#rejected, available };
  }

  /** Called when an extra call was refused. */
  onReject(listener: Listener<RetryBudgetEvent>): Disposable {
    return this.#refusals.subscribe(listener);
  }

  #available(): number {
    return this.#windowCalls * this.ratio + this.#reserve - this.#windowSpent + tolerance;
  }

  #sliceNow(): number {
    return Math.floor(this.#clock.monotonicMs() / this.#sliceMs);
  }

  /** Forgets the slices that have left the window. */
  #turn(): void {
    const now = this.#sliceNow();
    const passed = Math.min(now - this.#slice, slices);
    if (passed <= 0) return;
    for (let ahead = 1; ahead <= passed; ahead++) {
      const place = (now - passed + ahead) % slices;
      this.#windowCalls -= this.#calls[place]!;
      this.#windowSpent -= this.#spent[place]!;
      this.#calls[place] = 0;
      this.#spent[place] = 0;
    }
    this.#slice = now;
  }
}

/** Throws RETRY_OPTION. */
export function retryBudget(options: RetryBudgetOptions = {}): RetryBudget {
  return new RetryBudget(options);
}
