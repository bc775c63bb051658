/**
 * What a circuit breaker should do, written as plainly as possible and slowly: it keeps every call since it closed and
 * counts anew each time it is asked. It shares no code with the real one but the clock and the seed.
 */
import { type Clock, type Random, seededRandom } from "../../src/base/index.ts";

export interface ReferenceOptions {
  readonly consecutive: number;
  readonly alpha: number;
  readonly threshold: number;
  readonly minimum: number;
  readonly window:
    | { readonly calls?: number; readonly durationMs?: number; readonly buckets: number; readonly rate: number }
    | undefined;
  readonly windowMinimum: number;
  readonly slowRate: number;
  readonly slowMs: number;
  readonly openMs: number;
  readonly factor: number;
  readonly maximumMs: number;
  readonly jitter: number;
  readonly probes: number;
  readonly successes: number;
  readonly leaseMs: number;
  readonly shares: readonly number[];
  readonly stepMs: number;
}

interface Call {
  readonly atMs: number;
  readonly failed: boolean;
  readonly slow: boolean;
}

interface Hold {
  readonly endMs: number;
}

export interface Ticket {
  readonly generation: number;
  readonly startMs: number;
  /** Undefined for a call that is no trial. */
  readonly leaseEndMs: number | undefined;
}

export class ReferenceBreaker {
  clock: Clock;
  late = 0;
  readonly #options: ReferenceOptions;
  readonly #random: Random;
  #below: "closed" | "open" | "half-open" = "closed";
  #generation = 0;
  #calls: Call[] = [];
  #open = { startMs: 0, lengthMs: 0, mostMs: 0, seenMs: 0, seenWallMs: 0 };
  #openings = 0;
  #trials: Ticket[] = [];
  #good = 0;
  /** When the ramp began; undefined when everything is admitted. */
  #rampMs: number | undefined;
  #rampSeen: { step: number; asked: number } = { step: -1, asked: 0 };
  #holds: Hold[] = [];

  constructor(options: ReferenceOptions, clock: Clock, seed: number) {
    this.#options = options;
    this.clock = clock;
    this.#random = seededRandom(seed);
  }

  /** What time brings about. */
  look(): void {
    const now = this.clock.monotonicMs();
    for (const hold of this.#holds.filter((one) => one.endMs <= now)) this.release(hold);
    const expired = Math.min(...this.#trials.map((trial) => trial.leaseEndMs!));
    if (this.#below === "half-open" && expired <= now) this.openNow(expired);
    if (this.#below === "open" && this.remaining() === 0) this.#go("half-open");
    const { shares, stepMs } = this.#options;
    if (this.#rampMs !== undefined && now - this.#rampMs >= shares.length * stepMs) {
      this.#rampMs = undefined;
      this.#openings = 0;
    }
  }

  remaining(): number {
    if (this.#below !== "open") return 0;
    const open = this.#open;
    const now = this.clock.monotonicMs();
    open.mostMs += Math.max(now - open.seenMs, this.clock.nowMs() - open.seenWallMs);
    open.seenMs = now;
    open.seenWallMs = this.clock.nowMs();
    return now - open.startMs >= open.lengthMs || open.mostMs >= 2 * open.lengthMs
      ? 0
      : open.lengthMs - (now - open.startMs);
  }

  view(): object {
    this.look();
    const isolated = this.#holds.length > 0;
    const { failed, slow, all } = this.#window();
    return {
      state: isolated ? "isolated" : this.#below,
      remaining: this.remaining(),
      row: this.#row(),
      average: this.#average(),
      calls: this.#calls.length,
      window: this.#options.window === undefined ? undefined : { calls: all, failures: failed, slow },
      admission: isolated || this.#below !== "closed" ? 0 : this.#share(),
      late: this.late,
    };
  }

  /** A ticket, or the state that refuses. */
  enter(): Ticket | string {
    this.look();
    const now = this.clock.monotonicMs();
    if (this.#holds.length > 0) return "isolated";
    if (this.#below === "open") return "open";
    if (this.#below === "half-open") {
      if (this.#trials.length >= this.#options.probes) return "half-open";
      const trial = { generation: this.#generation, startMs: now, leaseEndMs: now + this.#options.leaseMs };
      this.#trials.push(trial);
      return trial;
    }
    if (!this.#rampLets(now)) return "closed";
    return { generation: this.#generation, startMs: now, leaseEndMs: undefined };
  }

  leave(ticket: Ticket, outcome: "success" | "failure" | "neutral"): void {
    this.look();
    if (ticket.generation !== this.#generation) {
      this.late++;
      return;
    }
    if (ticket.leaseEndMs === undefined) return this.#count(outcome, ticket.startMs);
    this.#trials = this.#trials.filter((trial) => trial !== ticket);
    if (outcome === "failure") this.openNow();
    if (outcome === "success" && ++this.#good === this.#options.successes) this.#close(true);
  }

  checkFailed(): void {
    this.look();
    if (this.#holds.length > 0) return;
    if (this.#below === "half-open") this.openNow();
    else if (this.#below === "closed") this.#count("failure", Number.NaN);
  }

  allowProbe(): void {
    this.look();
    if (this.#below === "open") this.#go("half-open");
  }

  openNow(atMs = this.clock.monotonicMs()): void {
    const { openMs, factor, maximumMs, jitter } = this.#options;
    const lengthMs = Math.min(openMs * factor ** this.#openings, maximumMs) * (1 + jitter * this.#random());
    this.#openings++;
    this.#openFor(lengthMs, atMs);
  }

  reset(): void {
    this.#close(false);
    this.#openings = 0;
  }

  hold(endMs: number): Hold {
    this.look();
    const hold = { endMs };
    if (this.#holds.length === 0) {
      this.#trials = [];
      this.#generation++;
    }
    this.#holds.push(hold);
    return hold;
  }

  release(hold: Hold): void {
    if (!this.#holds.includes(hold)) return;
    this.#holds = this.#holds.filter((one) => one !== hold);
    if (this.#holds.length === 0) this.#generation++;
  }

  /** Another process, some wall time later, whose monotonic clock counts from elsewhere. */
  restart(clock: Clock): Hold[] {
    this.look();
    const leftMs = this.remaining();
    const { window, jitter, maximumMs } = this.#options;
    const before = this.clock.monotonicMs();
    const now = clock.monotonicMs();
    const awayMs = Math.max(0, clock.nowMs() - this.clock.nowMs());
    this.clock = clock;
    this.late = 0;
    this.#trials = [];
    this.#good = 0;
    if (this.#below === "open") {
      this.#openFor(Math.min(Math.max(0, leftMs - awayMs), maximumMs * (1 + jitter)), now, false);
    }
    if (this.#rampMs !== undefined) this.#rampMs = now - (before - this.#rampMs);
    this.#rampSeen = { step: -1, asked: 0 };
    // The window goes over by age in buckets; what lies before it goes over as a number of calls and an average.
    const widthMs = (window?.durationMs ?? 1) / (window?.buckets ?? 1);
    const bucket = (atMs: number): number => Math.floor(atMs / widthMs);
    this.#calls = this.#calls.map((call) => ({
      ...call,
      atMs: (bucket(now) - (bucket(before) - bucket(call.atMs)) + 0.5) * widthMs,
    }));
    this.#holds = this.#holds.map(({ endMs }) => ({
      endMs: endMs === Infinity ? Infinity : now + Math.max(0, Math.max(0, endMs - before) - awayMs),
    }));
    this.look();
    return this.#holds;
  }

  #count(outcome: "success" | "failure" | "neutral", startMs: number): void {
    if (outcome === "neutral") return;
    const now = this.clock.monotonicMs();
    const { consecutive, threshold, minimum, window, windowMinimum, slowRate, slowMs } = this.#options;
    const slow = slowRate !== Infinity && now - startMs >= slowMs;
    const failed = outcome === "failure";
    this.#calls.push({ atMs: now, failed, slow });
    const seen = this.#window();
    const enough = seen.all >= windowMinimum && window !== undefined;
    const byWindow = enough && seen.failed > 0 && seen.failed >= window.rate * seen.all;
    const bySlow = enough && seen.slow > 0 && seen.slow >= slowRate * seen.all;
    const byRow = this.#row() >= consecutive;
    const byAverage = this.#average() >= threshold && this.#calls.length >= minimum;
    if ((failed && (byRow || byAverage)) || ((failed || slow) && (byWindow || bySlow))) this.openNow();
  }

  #row(): number {
    return this.#calls.length - 1 - this.#calls.findLastIndex((call) => !call.failed);
  }

  #average(): number {
    const { alpha } = this.#options;
    return this.#calls.reduce((rate, call) => (call.failed ? alpha + (1 - alpha) * rate : rate * (1 - alpha)), 0);
  }

  #window(): { all: number; failed: number; slow: number } {
    const { window } = this.#options;
    if (window === undefined) return { all: 0, failed: 0, slow: 0 };
    const widthMs = (window.durationMs ?? 1) / window.buckets;
    const oldest = Math.floor(this.clock.monotonicMs() / widthMs) - window.buckets;
    const inside =
      window.calls === undefined
        ? this.#calls.filter((call) => Math.floor(call.atMs / widthMs) > oldest)
        : this.#calls.slice(-window.calls);
    return {
      all: inside.length,
      failed: inside.filter((call) => call.failed).length,
      slow: inside.filter((call) => call.slow).length,
    };
  }

  #share(): number {
    if (this.#rampMs === undefined) return 1;
    return this.#options.shares[Math.floor((this.clock.monotonicMs() - this.#rampMs) / this.#options.stepMs)] ?? 1;
  }

  /** Of n calls in a step, the whole part of 1 + (n - 1) · share have been let in. */
  #rampLets(now: number): boolean {
    if (this.#rampMs === undefined) return true;
    const step = Math.floor((now - this.#rampMs) / this.#options.stepMs);
    if (step !== this.#rampSeen.step) this.#rampSeen = { step, asked: 0 };
    const before = this.#rampSeen.asked === 0 ? 0 : letIn(this.#rampSeen.asked, this.#share());
    return letIn(++this.#rampSeen.asked, this.#share()) > before;
  }

  #close(ramped: boolean): void {
    this.#calls = [];
    this.#rampMs = ramped && this.#options.shares.length > 0 ? this.clock.monotonicMs() : undefined;
    this.#rampSeen = { step: -1, asked: 0 };
    if (this.#rampMs === undefined) this.#openings = 0;
    this.#go("closed");
  }

  #openFor(lengthMs: number, atMs: number, counts = true): void {
    const ageMs = this.clock.monotonicMs() - atMs;
    this.#open = { startMs: atMs, lengthMs, mostMs: 0, seenMs: atMs, seenWallMs: this.clock.nowMs() - ageMs };
    if (counts) this.#go("open");
  }

  #go(to: "closed" | "open" | "half-open"): void {
    this.#below = to;
    this.#trials = [];
    this.#good = 0;
    if (to !== "closed") this.#rampMs = undefined;
    if (this.#holds.length === 0) this.#generation++;
  }
}

function letIn(asked: number, share: number): number {
  return Math.floor(1 + (asked - 1) * share + 1e-9);
}
