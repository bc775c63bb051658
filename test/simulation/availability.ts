/**
 * A service under faults, in virtual time (SPEC R16): reads and writes come in by chance, the store behind them fails
 * by a fault model, and the real parts stand between: retry, circuit breaker, timeout, the degradation ladder with its
 * replay queue and fallback cache, and the health monitor. Everything depends on the seed alone.
 *
 * What is counted is what a caller sees: an operation is answered (fresh, stale, from the fallback, durable or queued)
 * or it is not. At the end the store is healed, and what was accepted is compared with what arrived.
 */

import { type Random, seededRandom, VirtualClock } from "../../src/base/index.ts";
import {
  breakerPresets,
  circuitBreaker,
  type Degradable,
  degradable,
  exponential,
  healthMonitor,
  type Policy,
  pipe,
  retry,
  type SystemLevel,
  timeout,
} from "../../src/resilience/index.ts";
import { type FaultModel, FaultyStore } from "./availability-store.ts";

/** What stands before the store: everything, retries and timeouts alone, or timeouts alone. */
export type Protection = "all" | "retry" | "timeout";

export interface AvailabilityOptions {
  readonly seed: number;
  readonly operations: number;
  /** Mean; arrivals are a Poisson process. */
  readonly operationsPerHour: number;
  readonly faults: FaultModel;
  readonly protection?: Protection;
  /** Of all keys; default 500. The fallback cache holds 1,000. */
  readonly keys?: number;
  /** True: every key was read once before the time begins. Default false. */
  readonly warm?: boolean;
}

export interface AvailabilityResult {
  readonly operations: number;
  readonly hours: number;
  /** By label: fresh, stale, fallback, durable, queued-volatile. */
  readonly answers: Readonly<Record<string, number>>;
  readonly unanswered: number;
  /** Of these, operations on keys of which nothing had been read or written before. */
  readonly cold: number;
  readonly storeCalls: number;
  readonly storeFaults: number;
  readonly outages: number;
  readonly outageHours: number;
  readonly openings: number;
  /**
   * Share of the time at each level of the health monitor, of two components of one weight: the store, healthy while
   * its breaker is closed, and the service, healthy while it answers. Without a breaker only the second tells anything.
   */
  readonly levels: Readonly<Record<SystemLevel, number>>;
  /** Accepted and not arrived, arrived twice, or overtaken by an older one: must be 0. */
  readonly broken: number;
}

const hourMs = 3_600_000;

export async function simulateAvailability(options: AvailabilityOptions): Promise<AvailabilityResult> {
  const clock = new VirtualClock();
  const store = new FaultyStore(options.faults, clock, options.seed ^ 0x5eed);
  const run = new Run(options, clock, store);
  await run.open();
  await run.operate();
  return run.result();
}

class Run {
  readonly #options: AvailabilityOptions;
  readonly #clock: VirtualClock;
  /** When what comes in. */
  readonly #arrivals: Random;
  /** Of back-offs, jitter and keys. */
  readonly #random: Random;
  readonly #store: FaultyStore;
  readonly #answers: Record<string, number> = {};
  readonly #accepted = new Map<string, string[]>();
  readonly #levelMs: Record<SystemLevel, number> = { running: 0, degraded: 0, critical: 0 };
  readonly #monitor;
  readonly #breaker;
  readonly #policy: Policy;
  #service: Degradable<string> | undefined;
  readonly #known = new Set<string>();
  #unanswered = 0;
  #cold = 0;
  #pending = 0;
  #levelSinceMs = 0;

  constructor(options: AvailabilityOptions, clock: VirtualClock, store: FaultyStore) {
    const random = seededRandom(options.seed ^ 0xcafe);
    this.#options = options;
    this.#clock = clock;
    this.#arrivals = seededRandom(options.seed);
    this.#random = random;
    this.#store = store;
    this.#monitor = healthMonitor({ clock, staleMs: Infinity });
    this.#monitor.register("store");
    this.#monitor.register("service");
    this.#breaker = circuitBreaker({ name: "store", clock, random, ...breakerPresets.storage });
    this.#breaker.onStateChange(({ to }) => this.#monitor.update("store", to === "closed" ? "healthy" : "unhealthy"));
    this.#monitor.onLevelChange(({ from }) => this.#tally(from));
    const bound = timeout({ timeoutMs: 1_000, clock });
    const again = retry({
      maximumAttempts: 3,
      backoff: exponential({ baseMs: 50 }),
      retryAfterLimitMs: 1_000,
      clock,
      random,
    });
    const { protection = "all" } = options;
    if (protection === "all") this.#policy = pipe(again, this.#breaker, bound);
    else this.#policy = protection === "retry" ? pipe(again, bound) : bound;
  }

  async open(): Promise<void> {
    if ((this.#options.protection ?? "all") !== "all") return;
    this.#service = await degradable<string>({
      store: this.#store,
      readPolicy: this.#policy,
      writePolicy: this.#policy,
      clock: this.#clock,
      random: this.#random,
    });
    if (this.#options.warm !== true) return;
    for (let key = 0; key < this.#keys; key++) void this.#warmUp(`k${key}`);
  }

  async #warmUp(key: string): Promise<void> {
    await this.#service?.get(key).then(
      () => this.#known.add(key),
      () => undefined,
    );
  }

  /** All operations, each at its time; then the store is healed and what waits is drained. */
  async operate(): Promise<void> {
    const { operations, operationsPerHour } = this.#options;
    for (let number = 0; number < operations; number++) {
      await this.#clock.advance(-Math.log(1 - this.#arrivals()) * (hourMs / operationsPerHour));
      this.#pending++;
      void this.#operation(number).finally(() => this.#pending--);
    }
    this.#tally(this.#monitor.level);
    this.#store.heal();
    while (this.#pending > 0 || (this.#service?.queue.size ?? 0) > 0) await this.#clock.advance(60_000);
  }

  result(): AvailabilityResult {
    const totalMs = Object.values(this.#levelMs).reduce((sum, ms) => sum + ms, 0);
    const share = (level: SystemLevel): number => this.#levelMs[level] / totalMs;
    return {
      operations: this.#options.operations,
      hours: totalMs / hourMs,
      answers: { ...this.#answers },
      unanswered: this.#unanswered,
      cold: this.#cold,
      storeCalls: this.#store.calls,
      storeFaults: this.#store.faults,
      outages: this.#store.outages,
      outageHours: this.#store.outageMs / hourMs,
      openings: this.#breaker.statistics().openings,
      levels: { running: share("running"), degraded: share("degraded"), critical: share("critical") },
      broken: this.#service === undefined ? 0 : this.#brokenPromises(this.#service),
    };
  }

  get #keys(): number {
    return this.#options.keys ?? 500;
  }

  async #operation(number: number): Promise<void> {
    const key = `k${Math.floor(this.#arrivals() * this.#keys)}`;
    const isRead = this.#arrivals() < 0.7;
    try {
      const label = isRead ? await this.#read(key) : await this.#write(key, String(number));
      this.#answers[label] = (this.#answers[label] ?? 0) + 1;
      this.#known.add(key);
      this.#monitor.update("service", "healthy");
    } catch {
      this.#unanswered++;
      if (!this.#known.has(key)) this.#cold++;
      this.#monitor.update("service", "unhealthy");
    }
  }

  async #read(key: string): Promise<string> {
    if (this.#service !== undefined) return (await this.#service.get(key)).freshness;
    await this.#policy.run((context) => this.#store.get(key, context.signal));
    return "fresh";
  }

  async #write(key: string, value: string): Promise<string> {
    if (this.#service === undefined) {
      await this.#policy.run(({ signal }) => this.#store.put(key, value, { signal, idempotencyKey: value }));
      return "durable";
    }
    const { durability, idempotencyKey } = await this.#service.put(key, value);
    const accepted = this.#accepted.get(key) ?? [];
    accepted.push(idempotencyKey);
    this.#accepted.set(key, accepted);
    return durability;
  }

  #tally(level: SystemLevel): void {
    const nowMs = this.#clock.monotonicMs();
    this.#levelMs[level] += nowMs - this.#levelSinceMs;
    this.#levelSinceMs = nowMs;
  }

  /** Each key's accepted writes arrived in their order, each at least once; repetitions next to each other alone. */
  #brokenPromises({ queue }: Degradable<string>): number {
    const arrived = new Map<string, string[]>();
    for (const { key, idempotencyKey } of this.#store.taken) {
      const list = arrived.get(key) ?? [];
      if (list.at(-1) !== idempotencyKey) list.push(idempotencyKey);
      arrived.set(key, list);
    }
    let broken = queue.size + queue.deadLetters.length;
    for (const [key, accepted] of this.#accepted) {
      const list = arrived.get(key) ?? [];
      if (list.length !== accepted.length || accepted.some((one, place) => one !== list[place])) broken++;
    }
    return broken;
  }
}
