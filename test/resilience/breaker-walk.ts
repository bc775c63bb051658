/**
 * One random interleaving of everything that can happen to a circuit breaker, on the real one and the reference at
 * once: calls that end at once, later or too late, aborts, violated checks, holds by hand, resets, passing time, wall
 * clocks set by up to a day, suspends, and restarts from a snapshot. Depends on its seed alone.
 */
import { isDeepStrictEqual } from "node:util";
import { seededRandom, VirtualClock } from "../../src/base/index.ts";
import {
  type CircuitBreaker,
  type CircuitBreakerOptions,
  circuitBreaker,
  countWindow,
  type Isolation,
  type Permit,
  Refusal,
  restoreBreaker,
  snapshotBreaker,
  timeWindow,
} from "../../src/resilience/index.ts";
import { ReferenceBreaker, type ReferenceOptions, type Ticket } from "./breaker-reference.ts";

const dayMs = 86_400_000;

interface Pair {
  readonly permit: Permit;
  readonly ticket: Ticket;
}

/** Where the two differ: after which steps, and how; undefined where they agree to the end. */
export function walk(seed: number, steps: number): string | undefined {
  const random = seededRandom(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  const options = optionsOf(below);
  let clock = new VirtualClock({ monotonicMs: below(100_000) });
  const real = (): CircuitBreaker => circuitBreaker({ ...realOptions(options), clock, random: breakerRandom });
  const breakerRandom = seededRandom(seed ^ 0x5bd1e995);
  let breaker = real();
  const reference = new ReferenceBreaker(options, clock, seed ^ 0x5bd1e995);
  const under: Pair[] = [];
  let holds: { real: Isolation; reference: { readonly endMs: number } }[] = [];
  const trace: string[] = [];

  for (let step = 0; step < steps; step++) {
    const choice = below(100);
    if (choice < 34) {
      const [permit, ticket] = [breaker.tryAcquire(), reference.enter()];
      trace.push(`acquire ${permit instanceof Refusal ? permit.state : "in"}`);
      if (permit instanceof Refusal ? permit.state !== ticket : typeof ticket === "string")
        return describe(trace, permit, ticket);
      if (!(permit instanceof Refusal) && typeof ticket !== "string") under.push({ permit, ticket });
    } else if (choice < 70 && under.length > 0) {
      // The youngest more often than not: a breaker in order mostly sees those.
      const [{ permit, ticket }] = under.splice(random() < 0.6 ? under.length - 1 : below(under.length), 1) as [Pair];
      const outcome = (["success", "failure", "failure", "neutral"] as const)[below(random() < 0.5 ? 1 : 4)]!;
      trace.push(outcome);
      if (outcome === "success") permit.succeed();
      else if (outcome === "failure") permit.fail(new Error("x"));
      else permit[Symbol.dispose]();
      reference.leave(ticket, outcome);
    } else if (choice < 84) {
      const byMs = random() < 0.3 ? below(options.openMs * 3) : below(60);
      trace.push(`+${byMs}`);
      clock.advanceSync(byMs);
    } else if (choice < 88) {
      const byMs = random() < 0.5 ? below(2 * dayMs) - dayMs : below(200) - 100;
      trace.push(`wall ${byMs}`);
      clock.jumpWall(byMs);
    } else if (choice < 90) {
      const forMs = random() < 0.5 ? below(dayMs) : below(200);
      trace.push(`suspend ${forMs}`);
      clock.suspend(forMs);
    } else if (choice < 92) {
      trace.push("check");
      breaker.check(false, "violated");
      reference.checkFailed();
    } else if (choice < 94) {
      const forMs = random() < 0.5 ? Infinity : 1 + below(200);
      trace.push(`isolate ${forMs}`);
      const endMs = clock.monotonicMs() + forMs;
      holds.push({
        real: breaker.isolate("walk", forMs === Infinity ? {} : { forMs }),
        reference: reference.hold(endMs),
      });
    } else if (choice < 97) {
      if (holds.length === 0) continue;
      const [hold] = holds.splice(below(holds.length), 1);
      trace.push("release");
      hold!.real.release();
      reference.release(hold!.reference);
    } else if (choice === 97) {
      trace.push("probe allowed");
      breaker.allowProbe();
      reference.allowProbe();
    } else if (choice === 98) {
      trace.push("reset or trip");
      if (random() < 0.5) {
        breaker.reset();
        reference.reset();
      } else {
        breaker.trip("walk");
        reference.openNow();
      }
    } else {
      const awayMs = below(3) * below(300);
      trace.push(`restart after ${awayMs}`);
      const kept = JSON.stringify(snapshotBreaker(breaker));
      clock = new VirtualClock({
        monotonicMs: below(100_000),
        nowMs: clock.nowMs() + awayMs - below(2) * below(dayMs),
      });
      breaker = real();
      const result = restoreBreaker(breaker, JSON.parse(kept));
      const held = reference.restart(clock);
      if (result.status !== "restored") return describe(trace, result, "restored");
      under.length = 0;
      holds = breaker.isolations.map((isolation, place) => ({ real: isolation, reference: held[place]! }));
    }
    const [seen, wanted] = [viewOf(breaker, options), reference.view()];
    if (!isDeepStrictEqual(seen, wanted)) return describe(trace, seen, wanted);
  }
  return undefined;
}

export function describe(trace: readonly string[], real: unknown, reference: unknown): string {
  return `after ${trace.join(", ")}:\n  real      ${JSON.stringify(real)}\n  reference ${JSON.stringify(reference)}`;
}

export function viewOf(breaker: CircuitBreaker, options: ReferenceOptions): object {
  const { state, retryAfterMs, consecutiveFailures, averageRate, calls, window, admission } = breaker.explain();
  return {
    state,
    remaining: retryAfterMs,
    row: consecutiveFailures,
    average: averageRate,
    calls,
    window: options.window === undefined ? undefined : window,
    admission,
    late: breaker.statistics().late,
  };
}

export function optionsOf(below: (limit: number) => number): ReferenceOptions {
  const openMs = 20 + below(200);
  const kind = below(3);
  return {
    consecutive: below(4) === 0 ? Infinity : 1 + below(5),
    alpha: (1 + below(9)) / 10,
    threshold: below(3) === 0 ? Infinity : (1 + below(9)) / 10,
    minimum: 1 + below(6),
    window:
      kind === 0
        ? undefined
        : {
            ...(kind === 1 ? { calls: 1 + below(8) } : { durationMs: 20 + below(200) }),
            buckets: 2 + below(6),
            rate: (1 + below(10)) / 10,
          },
    windowMinimum: 1 + below(6),
    slowRate: kind !== 0 && below(2) === 0 ? (1 + below(10)) / 10 : Infinity,
    slowMs: 10 + below(40),
    openMs,
    factor: 1 + below(3),
    maximumMs: openMs * (1 + below(6)),
    jitter: below(3) / 2,
    probes: 1 + below(3),
    successes: 1 + below(3),
    leaseMs: 10 + below(200),
    shares: below(3) === 0 ? [] : [0.1, 0.25, 0.5].slice(below(3)),
    stepMs: 10 + below(50),
  };
}

export function realOptions(options: ReferenceOptions): CircuitBreakerOptions {
  const { window } = options;
  const withSlow = options.slowRate !== Infinity;
  const limits = {
    failureRate: window?.rate ?? 1,
    minimumCalls: options.windowMinimum,
    ...(withSlow ? { slowRate: options.slowRate, slowCallMs: options.slowMs } : {}),
  };
  return {
    name: "walked",
    opensOn: {
      consecutiveFailures: options.consecutive === Infinity ? false : options.consecutive,
      averageRate:
        options.threshold === Infinity
          ? { alpha: options.alpha, threshold: 1, minimumCalls: 1e9 }
          : { alpha: options.alpha, threshold: options.threshold, minimumCalls: options.minimum },
      ...(window === undefined
        ? {}
        : {
            window:
              window.calls === undefined
                ? timeWindow({ ...limits, durationMs: window.durationMs!, buckets: window.buckets })
                : countWindow({ ...limits, calls: window.calls }),
          }),
    },
    openMs: options.openMs,
    openBackoff: { factor: options.factor, maximumMs: options.maximumMs },
    jitter: options.jitter,
    halfOpen: { probes: options.probes, successes: options.successes, probeTimeoutMs: options.leaseMs },
    ramp: options.shares.length === 0 ? false : { shares: options.shares, stepMs: options.stepMs },
  };
}
