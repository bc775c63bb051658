/**
 * A cascading failure in virtual time (SPEC R16): a front end calls a back end, the back end calls a database, and the
 * database begins to hang. Each has a number of workers, and work waits in line for one. With its breaker the back end
 * stops asking and serves what it remembers; without it every request holds a worker until the timeout, the line
 * grows, what comes out of it nobody waits for any more, and the front end falls with it.
 */

import { delay, LruMap, seededRandom, VirtualClock } from "../../src/base/index.ts";
import {
  breakerPresets,
  type ComponentHealth,
  circuitBreaker,
  fallbackCache,
  healthMonitor,
  type Policy,
  type SystemLevel,
  timeout,
} from "../../src/resilience/index.ts";

export interface CascadeResult {
  /** The level at the end of each second. */
  readonly levels: readonly SystemLevel[];
  /** Share of the users' requests answered, in each second by when they came. */
  readonly answered: readonly number[];
  readonly openings: number;
}

export interface CascadeOptions {
  readonly seed: number;
  readonly withBreaker: boolean;
}

export const failsAtSecond = 20;
export const healsAtSecond = 80;
export const lastSecond = 140;

const requestsPerSecond = 100;
const workers = { frontEnd: 400, backEnd: 50 };
const databaseMs = 10;
const databaseTimeoutMs = 1_000;
const userTimeoutMs = 5_000;
const keys = 200;

export async function simulateCascade(options: CascadeOptions): Promise<CascadeResult> {
  const scene = new Scene(options);
  return scene.play();
}

/** A number of workers and a line before them, in order of arrival, of any length. */
class Workers {
  #free: number;
  readonly #line: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#line.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#line.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }
}

/** How much of what was tried lately succeeded, by the second. */
class SuccessRate {
  readonly #seconds = new LruMap<number, { good: number; all: number }>(5);

  note(second: number, isGood: boolean): void {
    const counts = this.#seconds.get(second) ?? { good: 0, all: 0 };
    counts.all++;
    if (isGood) counts.good++;
    this.#seconds.set(second, counts);
  }

  health(now: number): ComponentHealth | undefined {
    let [good, all] = [0, 0];
    for (const [second, counts] of this.#seconds.entries()) {
      if (now - second > 5) continue;
      good += counts.good;
      all += counts.all;
    }
    if (all === 0) return undefined;
    return good >= 0.95 * all ? "healthy" : good >= 0.5 * all ? "degraded" : "unhealthy";
  }
}

class Scene {
  readonly #clock = new VirtualClock();
  readonly #random;
  readonly #monitor;
  readonly #breaker;
  readonly #toDatabase: readonly Policy[];
  readonly #toBackEnd;
  readonly #frontEnd = new Workers(workers.frontEnd);
  readonly #backEnd = new Workers(workers.backEnd);
  readonly #remembered;
  readonly #rates = { "front-end": new SuccessRate(), "back-end": new SuccessRate(), database: new SuccessRate() };
  readonly #seconds: { answered: number; all: number }[] = [];

  constructor({ seed, withBreaker }: CascadeOptions) {
    const clock = this.#clock;
    this.#random = seededRandom(seed);
    this.#monitor = healthMonitor({ clock, staleMs: Infinity });
    for (const name of Object.keys(this.#rates)) this.#monitor.register(name);
    this.#remembered = fallbackCache<string>({ clock });
    this.#breaker = circuitBreaker({
      name: "database",
      clock,
      random: this.#random,
      ...breakerPresets.storage,
      openMs: 10_000,
    });
    const bound = timeout({ timeoutMs: databaseTimeoutMs, clock });
    this.#toDatabase = withBreaker ? [this.#breaker, bound] : [bound];
    this.#toBackEnd = timeout({ timeoutMs: userTimeoutMs, clock });
  }

  async play(): Promise<CascadeResult> {
    const levels: SystemLevel[] = [];
    for (let second = 0; second < lastSecond; second++) {
      this.#seconds.push({ answered: 0, all: 0 });
      for (let request = 0; request < requestsPerSecond; request++) {
        void this.#request(second);
        await this.#clock.advance(1_000 / requestsPerSecond);
      }
      this.#judge(second);
      levels.push(this.#monitor.level);
    }
    await this.#clock.advance(600_000);
    return {
      levels,
      answered: this.#seconds.map(({ answered, all }) => answered / all),
      openings: this.#breaker.statistics().openings,
    };
  }

  get #second(): number {
    return this.#clock.monotonicMs() / 1_000;
  }

  /** Each component by what it did in the last seconds; one that did nothing is as it was. */
  #judge(second: number): void {
    for (const [name, rate] of Object.entries(this.#rates)) {
      const health = rate.health(second);
      if (health !== undefined) this.#monitor.update(name, health);
    }
  }

  /** A user's: good where the front end answers in time. */
  async #request(second: number): Promise<void> {
    const counts = this.#seconds[second]!;
    counts.all++;
    const key = `k${Math.floor(this.#random() * keys)}`;
    const isGood = await this.#toBackEnd
      .run(() => this.#frontEnd.run(() => this.#toBackEnd.run(() => this.#serve(key))))
      .then(
        () => true,
        () => false,
      );
    if (isGood) counts.answered++;
    this.#rates["front-end"].note(Math.floor(this.#second), isGood);
  }

  /** The back end: the database's answer, or what is remembered of it. */
  async #serve(key: string): Promise<string> {
    const cameMs = this.#clock.monotonicMs();
    const value = await this.#backEnd.run(async () => {
      try {
        const found = await this.#ask(key);
        this.#remembered.remember(key, found);
        return found;
      } catch {
        return this.#remembered.get(key)?.value;
      }
    });
    const isGood = value !== undefined && this.#clock.monotonicMs() - cameMs < userTimeoutMs;
    this.#rates["back-end"].note(Math.floor(this.#second), isGood);
    if (value === undefined) throw new Error("neither the database nor the cache knows");
    return value;
  }

  #ask(key: string): Promise<string> {
    const [first, second] = this.#toDatabase;
    if (second === undefined) return first!.run((context) => this.#query(key, context.signal));
    return first!.run((context) => second.run((inner) => this.#query(key, inner.signal), context));
  }

  async #query(key: string, signal: AbortSignal): Promise<string> {
    const isUp = this.#second < failsAtSecond || this.#second >= healsAtSecond;
    try {
      await delay(isUp ? databaseMs : Infinity, { clock: this.#clock, signal });
    } finally {
      this.#rates.database.note(Math.floor(this.#second), isUp);
    }
    return `value of ${key}`;
  }
}
