/**
 * One breaker a key (a host, a tenant, a model), of one kind, and at most `maximum` of them.
 *
 * When a new key comes and there is no room, the breaker that was longest without use gives way, if it is closed and
 * admits everything: forgetting it loses counts, never protection. Where those that were longest without use all refuse
 * calls, keys beyond the bound share one breaker, so the bound holds whatever callers put into their keys.
 */

import { errorText, HoldfastError, type Listener, LruMap, Topic } from "../../base/index.ts";
import { CircuitBreaker } from "./breaker.ts";
import type { BreakerStateChange } from "./events.ts";
import { type BreakerSettings, type CircuitBreakerOptions, settingsOf } from "./options.ts";

export interface KeyedBreakersOptions extends CircuitBreakerOptions {
  /** Default 10,000, at most 1,000,000. */
  readonly maximum?: number | undefined;
}

const longestKey = 1_000;
/** How many are asked whether they can give way before the shared breaker is taken. */
const candidates = 8;

/** Throws BREAKER_OPTION where an option is not what it may be. */
export function keyedBreakers(options: KeyedBreakersOptions): KeyedBreakers {
  return new KeyedBreakers(options);
}

export class KeyedBreakers {
  readonly name: string;
  readonly maximum: number;
  /** For all keys beyond the bound. */
  readonly shared: CircuitBreaker;
  readonly #settings: BreakerSettings;
  readonly #breakers: LruMap<string, CircuitBreaker>;
  readonly #stateChange = new Topic<BreakerStateChange>("breaker.keyed-state");

  /** Use `keyedBreakers(options)`. */
  constructor({ maximum = 10_000, ...options }: KeyedBreakersOptions) {
    if (!Number.isInteger(maximum) || maximum < 1 || maximum > 1_000_000) {
      throw new HoldfastError("BREAKER_OPTION", `keyed breakers' maximum is ${maximum}: it may be 1 to 1,000,000`, {
        details: { option: "maximum", allowed: "1 to 1,000,000" },
      });
    }
    this.name = options.name;
    this.maximum = maximum;
    this.#settings = { ...settingsOf(options), keyedStateChange: this.#stateChange };
    this.#breakers = new LruMap(maximum);
    this.shared = new CircuitBreaker(`${this.name}:*`, this.#settings);
  }

  get size(): number {
    return this.#breakers.size;
  }

  /** The breaker of the key: the same as long as it is known. Throws BREAKER_KEY for one of over 1,000 characters. */
  get(key: string): CircuitBreaker {
    const known = this.#breakers.get(key);
    if (known !== undefined) return known;
    if (typeof key !== "string") {
      throw new HoldfastError("BREAKER_KEY", `a key of ${this.name} is ${errorText(key)}, which is no text`, {
        hint: "give the name of a host, a tenant or the like",
      });
    }
    if (key.length > longestKey) {
      throw new HoldfastError("BREAKER_KEY", `a key of ${this.name} has ${key.length} characters: ${start(key)}`, {
        hint: `keys have at most ${longestKey}; take a hash of it`,
      });
    }
    if (this.#breakers.size >= this.maximum && !this.#makeRoom()) return this.shared;
    const breaker = new CircuitBreaker(`${this.name}:${key}`, this.#settings);
    this.#breakers.set(key, breaker);
    return breaker;
  }

  /** By key, those that were longest without use first. */
  entries(): IterableIterator<[string, CircuitBreaker]> {
    return this.#breakers.entries();
  }

  /** Every change of state of every key; `holdfast:breaker.keyed-state`. */
  onStateChange(listener: Listener<BreakerStateChange>): Disposable {
    return this.#stateChange.subscribe(listener);
  }

  #makeRoom(): boolean {
    for (let tried = 0; tried < candidates; tried++) {
      const [oldest] = this.#breakers.entries();
      if (oldest![1].isSteady) return this.#breakers.delete(oldest![0]);
      this.#breakers.get(oldest![0]);
    }
    return false;
  }
}

function start(key: string): string {
  return JSON.stringify(`${key.slice(0, 40)}…`);
}
