/**
 * A store that fails as stores do, by a seed: single calls now and then (at once, late, or never ending), and all calls
 * for a while. Notes every write it took, so that what was promised can be compared with what arrived.
 */

import { type Clock, delay, type Random, seededRandom } from "../../src/base/index.ts";
import type { DegradableStore, WriteContext } from "../../src/resilience/index.ts";

export interface FaultModel {
  /** Share of calls that fail by themselves. */
  readonly faultRate: number;
  /** Mean time between the ends and beginnings of outages; Infinity for none. Exponentially distributed. */
  readonly meanUpMs: number;
  /** Mean length of an outage; exponentially distributed. */
  readonly meanDownMs: number;
}

export interface TakenWrite {
  readonly key: string;
  readonly value: string;
  readonly idempotencyKey: string;
}

/** Of single faults: so many at once, so many late; the rest never end. */
const [atOnce, late] = [0.6, 0.3];
const lateMs = 3_000;

export class FaultyStore implements DegradableStore<string> {
  readonly values = new Map<string, string>();
  readonly taken: TakenWrite[] = [];
  calls = 0;
  faults = 0;
  outages = 0;
  outageMs = 0;
  readonly #clock: Clock;
  readonly #random: Random;
  /** Its own, so that the outages of a seed are the same whatever calls the store. */
  readonly #outageRandom: Random;
  readonly #model: FaultModel;
  /** How the outage under way fails calls; undefined while the store is up. */
  #outage: "refuses" | "hangs" | undefined;
  #stopTimer: (() => void) | undefined;

  constructor(model: FaultModel, clock: Clock, seed: number) {
    this.#model = model;
    this.#clock = clock;
    this.#random = seededRandom(seed);
    this.#outageRandom = seededRandom(seed ^ 0x0a7a6e);
    this.#next();
  }

  /** Up, and no outage any more. */
  heal(): void {
    this.#stopTimer?.();
    this.#outage = undefined;
  }

  async get(key: string, signal: AbortSignal): Promise<string | undefined> {
    await this.#mayFail(signal);
    return this.values.get(key);
  }

  async put(key: string, value: string, { signal, idempotencyKey }: WriteContext): Promise<void> {
    await this.#mayFail(signal);
    this.values.set(key, value);
    this.taken.push({ key, value, idempotencyKey });
  }

  async delete(): Promise<void> {
    throw new RangeError("this workload deletes nothing");
  }

  #next(): void {
    if (this.#model.meanUpMs === Infinity) return;
    this.#stopTimer = this.#clock.schedule(this.#exponential(this.#model.meanUpMs), () => {
      this.outages++;
      this.#outage = this.#outageRandom() < 0.5 ? "refuses" : "hangs";
      const downMs = this.#exponential(this.#model.meanDownMs);
      this.outageMs += downMs;
      this.#stopTimer = this.#clock.schedule(downMs, () => {
        this.#outage = undefined;
        this.#next();
      });
    });
  }

  #exponential(mean: number): number {
    return -Math.log(1 - this.#outageRandom()) * mean;
  }

  async #mayFail(signal: AbortSignal): Promise<void> {
    this.calls++;
    // Drawn for every call, in an outage too, so that the faults of a seed do not depend on its outages.
    const isFault = this.#random() < this.#model.faultRate;
    const kind = this.#random();
    if (this.#outage === undefined && !isFault) return;
    this.faults++;
    const mode = this.#outage ?? (kind < atOnce ? "refuses" : kind < atOnce + late ? "late" : "hangs");
    if (mode === "late") await delay(lateMs, { clock: this.#clock, signal });
    if (mode === "hangs") await delay(Infinity, { clock: this.#clock, signal });
    throw new Error(`the store ${mode}`);
  }
}
