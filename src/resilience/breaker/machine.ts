/**
 * The state machine of a circuit breaker, without what it guards.
 *
 * - Each state that it enters has a generation. A call notes the generation in which it was admitted; its verdict
 *   counts in that generation or not at all (SPEC R3). So nothing late opens, closes or fills a window.
 * - It owns no timer. What time brings about (the end of the open period, the expiry of a trial's lease, the next
 *   step of the ramp) happens when somebody next looks, and counts from the instant at which it fell due.
 * - Half-open admits at most `probes` calls at a time, and each has a lease: a trial that does not end counts as
 *   failed, so no history leaves it half-open for ever.
 */

import { OpenPeriod } from "./open-period.ts";
import type { BreakerSettings } from "./options.ts";
import { Ramp } from "./ramp.ts";
import { Rules } from "./rules.ts";
import { type BreakerState, type Opening, type Outcome, Refusal } from "./state.ts";

/** A trial call's place in half-open. Its verdict gives it back; so does its expiry. */
export interface Probe {
  readonly expiresAtMs: number;
}

/** One hold on the breaker by hand; several may hold it at once. */
export interface IsolationHold {
  readonly reason: string;
  /** By the monotonic clock; Infinity where only a release ends it. */
  readonly expiresAtMs: number;
}

export type UnderlyingState = Exclude<BreakerState, "isolated">;

export class BreakerMachine {
  readonly settings: BreakerSettings;
  readonly rules: Rules;
  /** Closed, everything admitted, nobody holds it: then a call is let in without asking further. */
  steady = true;
  generation = 0;
  /** Openings since it was last steady: how far the backoff has got. */
  openings = 0;
  opening: Opening | undefined;
  /** By the wall clock. */
  sinceMs: number;
  late = 0;
  readonly #onTransition: (from: BreakerState, to: BreakerState) => void;
  #state: UnderlyingState = "closed";
  /** There while it is open, */
  #period: OpenPeriod | undefined;
  /** while it is closed and does not yet admit everything, */
  #ramp: Ramp | undefined;
  /** and while it is half-open. */
  #probes: Probe[] = [];
  #probeSuccesses = 0;
  #holds: readonly IsolationHold[] = [];

  constructor(settings: BreakerSettings, onTransition: (from: BreakerState, to: BreakerState) => void) {
    this.settings = settings;
    this.rules = new Rules(settings);
    this.sinceMs = settings.clock.nowMs();
    this.#onTransition = onTransition;
  }

  /** After time has brought about what was due. */
  get state(): BreakerState {
    this.#look();
    return this.#holds.length > 0 ? "isolated" : this.#state;
  }

  /** As `state`, below any isolation. */
  get underlying(): UnderlyingState {
    this.#look();
    return this.#state;
  }

  get holds(): readonly IsolationHold[] {
    this.#look();
    return this.#holds;
  }

  /** The share of calls admitted now: 0 to 1; in half-open 0, for trials are counted, not shared out. */
  get admission(): number {
    if (this.state !== "closed") return 0;
    return this.#ramp?.share(this.settings.clock.monotonicMs()) ?? 1;
  }

  get rampElapsedMs(): number | undefined {
    return this.#ramp?.elapsedMs(this.settings.clock.monotonicMs());
  }

  /** Lets a call in, with a probe in half-open; or says why not. */
  admit(): Probe | Refusal | undefined {
    const { state } = this;
    if (this.steady) return undefined;
    const nowMs = this.settings.clock.monotonicMs();
    if (state === "isolated") return this.#refuseIsolated(nowMs);
    if (state === "open") return new Refusal(state, this.remainingMs(), this.opening?.reason ?? "opened");
    if (state === "half-open") return this.#admitProbe(nowMs);
    if (this.#ramp!.admits(nowMs)) return undefined;
    const share = this.#ramp!.share(nowMs);
    return new Refusal(state, this.#ramp!.retryAfterMs(nowMs), `it has closed lately and admits a share of ${share}`);
  }

  /** Until the open period ends, by the monotonic clock; 0 where it is not open. */
  remainingMs(): number {
    return this.#period?.remainingMs(this.settings.clock) ?? 0;
  }

  /** As `settle` with "success"; short where it can be. */
  succeed(generation: number, probe: Probe | undefined, startedMs: number): boolean {
    if (!this.steady || generation !== this.generation || startedMs !== Infinity) {
      return this.settle("success", generation, probe, startedMs);
    }
    this.rules.success(this.rules.timed ? this.settings.clock.monotonicMs() : 0, false);
    return true;
  }

  /** The verdict on a call that was admitted in `generation`. False where it came late and counted for nothing. */
  settle(outcome: Outcome, generation: number, probe: Probe | undefined, startedMs: number): boolean {
    this.#look();
    if (generation !== this.generation) {
      this.late++;
      return false;
    }
    if (probe === undefined) this.#settleClosed(outcome, startedMs);
    else this.#settleProbe(outcome, probe);
    return true;
  }

  /** A failure of nobody's call: a violated check. Counts in the present state. */
  fail(): void {
    const { state } = this;
    if (state === "half-open") this.open({ rule: "probe-failed", numbers: {}, reason: "a check failed in half-open" });
    else if (state === "closed") this.#settleClosed("failure", Number.NaN);
  }

  /** Opens it, or prolongs that from now on. */
  open(opening: Opening, atMs = this.settings.clock.monotonicMs(), durationMs = this.#nextDurationMs()): void {
    const ageMs = this.settings.clock.monotonicMs() - atMs;
    this.openings++;
    this.opening = opening;
    this.#period = new OpenPeriod(durationMs, this.settings.clock, ageMs);
    this.#enter("open");
  }

  /** Ends the open period now, as if its time had come. */
  allowProbe(): void {
    if (this.underlying === "open") this.halfOpen();
  }

  halfOpen(): void {
    this.#enter("half-open");
  }

  /** `rampElapsedMs`: how much of the ramp is over already; undefined for none. */
  close(rampElapsedMs: number | undefined): void {
    const { rampShares, rampStepMs, clock } = this.settings;
    this.rules.clear();
    this.#ramp =
      rampElapsedMs === undefined || rampShares.length === 0
        ? undefined
        : new Ramp(rampShares, rampStepMs, clock.monotonicMs() - rampElapsedMs);
    if (this.#ramp === undefined) this.openings = 0;
    this.#enter("closed");
  }

  hold(hold: IsolationHold): void {
    const from = this.state;
    this.#holds = [...this.#holds, hold];
    this.#settleSteady();
    if (from === "isolated") return;
    // Their verdicts will be late, so their leases must not run out in place of them.
    this.#probes = [];
    this.#changed(from, "isolated");
  }

  release(hold: IsolationHold): void {
    if (!this.#holds.includes(hold)) return;
    this.#holds = this.#holds.filter((one) => one !== hold);
    this.#settleSteady();
    if (this.#holds.length === 0) this.#changed("isolated", this.#state);
  }

  /** What time has brought about since somebody last looked. */
  #look(): void {
    if (this.steady) return;
    const nowMs = this.settings.clock.monotonicMs();
    for (const hold of this.#holds) if (hold.expiresAtMs <= nowMs) this.release(hold);
    this.#expireProbe(nowMs);
    if (this.#state === "open" && this.remainingMs() === 0) this.halfOpen();
    if (this.#ramp?.isOver(nowMs) === true) {
      this.#ramp = undefined;
      this.openings = 0;
      this.#settleSteady();
    }
  }

  #expireProbe(nowMs: number): void {
    const oldest = this.#probes[0];
    if (oldest === undefined || oldest.expiresAtMs > nowMs) return;
    const { probeTimeoutMs } = this.settings;
    const reason = `a trial call did not end within ${probeTimeoutMs} ms`;
    this.open({ rule: "probe-expired", numbers: { probeTimeoutMs }, reason }, oldest.expiresAtMs);
  }

  #admitProbe(nowMs: number): Probe | Refusal {
    const { probes, probeTimeoutMs, openMs } = this.settings;
    if (this.#probes.length >= probes) {
      const leaseMs = this.#probes[0]!.expiresAtMs - nowMs;
      const reason = `${probes === 1 ? "a trial call is" : `${probes} trial calls are`} under way`;
      return new Refusal("half-open", Math.min(leaseMs, openMs / 10), reason);
    }
    const probe = { expiresAtMs: nowMs + probeTimeoutMs };
    this.#probes.push(probe);
    return probe;
  }

  #refuseIsolated(nowMs: number): Refusal {
    const endMs = Math.max(...this.#holds.map((hold) => hold.expiresAtMs));
    const retryAfterMs = endMs === Infinity ? undefined : endMs - nowMs;
    return new Refusal("isolated", retryAfterMs, this.#holds.map((hold) => hold.reason).join("; "));
  }

  #settleProbe(outcome: Outcome, probe: Probe): void {
    this.#probes = this.#probes.filter((one) => one !== probe);
    if (outcome === "failure") {
      this.open({ rule: "probe-failed", numbers: {}, reason: "a trial call failed" });
    } else if (outcome === "success" && ++this.#probeSuccesses >= this.settings.successes) this.close(0);
  }

  #settleClosed(outcome: Outcome, startedMs: number): void {
    if (outcome === "neutral") return;
    const { window, slowCallMs, clock } = this.settings;
    const nowMs = window === undefined ? 0 : clock.monotonicMs();
    const slow = nowMs - startedMs >= slowCallMs;
    const opening = outcome === "failure" ? this.rules.failure(nowMs, slow) : this.rules.success(nowMs, slow);
    if (opening !== undefined) this.open(opening);
  }

  #nextDurationMs(): number {
    const { openMs, openFactor, openMaximumMs, jitter, random } = this.settings;
    return Math.min(openMs * openFactor ** this.openings, openMaximumMs) * (1 + jitter * random());
  }

  #enter(to: UnderlyingState): void {
    const from = this.#state;
    this.#state = to;
    this.#probes = [];
    this.#probeSuccesses = 0;
    if (to !== "open") this.#period = undefined;
    if (to !== "closed") this.#ramp = undefined;
    this.#settleSteady();
    // Under an isolation nothing changes for callers; their generation went when it began.
    if (this.#holds.length === 0) this.#changed(from, to);
  }

  #settleSteady(): void {
    this.steady = this.#state === "closed" && this.#ramp === undefined && this.#holds.length === 0;
  }

  #changed(from: BreakerState, to: BreakerState): void {
    this.generation++;
    this.sinceMs = this.settings.clock.nowMs();
    this.#onTransition(from, to);
  }
}
