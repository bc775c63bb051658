import { describe, expect, it } from "vitest";
import { HoldfastError, VirtualClock } from "../base/index.ts";
import { circuitBreaker, keyedBreakers } from "./breaker/index.ts";
import { checkpoints, memoryCheckpoints } from "./checkpoint/index.ts";
import { exponential } from "./compose/backoff.ts";
import { bulkhead } from "./compose/bulkhead.ts";
import { fallback } from "./compose/fallback.ts";
import { hedge } from "./compose/hedge.ts";
import { rateLimit } from "./compose/rate-limit.ts";
import { retry } from "./compose/retry.ts";
import { timeout } from "./compose/timeout.ts";
import { conservativeMode } from "./conservative/index.ts";
import { degradable } from "./degradation/index.ts";
import { sweeper, ttlCache } from "./expiry/index.ts";
import { healthChecks, healthMonitor } from "./health/index.ts";

/** What a program without types may give. */
const loose = (value: unknown): never => value as never;

const wrong: readonly (readonly [string, () => unknown, string, string])[] = [
  ["RETRY_OPTION", () => retry({ maximumAttempts: 0 }), "maximumAttempts", "0"],
  ["RETRY_OPTION", () => retry({ maximumAttempts: 1.5 }), "maximumAttempts", "1.5"],
  ["RETRY_OPTION", () => retry({ backoff: loose(100) }), "backoff", "100"],
  ["RETRY_OPTION", () => retry({ when: loose("attempt < 3") }), "when", '"attempt < 3"'],
  ["RETRY_OPTION", () => retry({ retryable: loose({}) }), "retryable", "an object"],
  ["RETRY_OPTION", () => retry({ maximumDelayMs: Number.NaN }), "maximumDelayMs", "NaN"],
  ["RETRY_OPTION", () => retry(loose({ maximumAtempts: 5 })), "maximumAtempts", "5"],
  ["RETRY_OPTION", () => retry(loose(null)), "(all)", "null"],
  ["RETRY_OPTION", () => retry({ name: "" }), "name", '""'],
  ["RETRY_OPTION", () => retry({ honourRetryAfter: loose("no") }), "honourRetryAfter", '"no"'],
  ["RETRY_OPTION", () => retry({ budget: loose({ ratio: 0.1 }) }), "budget", "an object"],
  ["RETRY_OPTION", () => retry({ clock: loose(Date) }), "clock", "a function"],
  ["RETRY_OPTION", () => retry({ random: loose(0.5) }), "random", "0.5"],
  ["RETRY_OPTION", () => retry({ name: loose(5) }), "name", "5"],
  ["TIMEOUT_OPTION", () => timeout({ timeoutMs: 0 }), "timeoutMs", "0"],
  ["TIMEOUT_OPTION", () => timeout({ timeoutMs: Infinity }), "timeoutMs", "Infinity"],
  ["TIMEOUT_OPTION", () => timeout({ timeoutMs: loose("5s") }), "timeoutMs", '"5s"'],
  ["TIMEOUT_OPTION", () => timeout({ timeoutMs: 5, mode: loose("aggressive") }), "mode", '"aggressive"'],
  ["TIMEOUT_OPTION", () => timeout({ timeoutMs: 5, mode: "cooperative", abortGraceMs: -1 }), "abortGraceMs", "-1"],
  ["BULKHEAD_OPTION", () => bulkhead({ concurrency: 0 }), "concurrency", "0"],
  ["BULKHEAD_OPTION", () => bulkhead(loose({})), "concurrency", "undefined"],
  ["BULKHEAD_OPTION", () => bulkhead({ concurrency: 1, queueLimit: -1 }), "queueLimit", "-1"],
  ["BULKHEAD_OPTION", () => bulkhead({ concurrency: 1, queueTimeoutMs: Number.NaN }), "queueTimeoutMs", "NaN"],
  ["FALLBACK_OPTION", () => fallback(1, { when: loose(true) }), "when", "true"],
  ["FALLBACK_OPTION", () => fallback(1, loose({ whem: () => true })), "whem", "a function"],
  ["HEDGE_OPTION", () => hedge({ delayMs: -1 }), "delayMs", "-1"],
  ["HEDGE_OPTION", () => hedge({ delayMs: { quantile: 1, initialMs: 1 } }), "quantile", "1"],
  [
    "HEDGE_OPTION",
    () => hedge({ delayMs: { quantile: 0.5, initialMs: 1, minimumMs: 9, maximumMs: 8 } }),
    "maximumMs",
    "8",
  ],
  ["HEDGE_OPTION", () => hedge({ delayMs: loose(null) }), "(all)", "null"],
  ["HEDGE_OPTION", () => hedge({ delayMs: 1, maximumHedges: 101 }), "maximumHedges", "101"],
  ["RATE_OPTION", () => rateLimit({ permits: 0, perMs: 1 }), "permits", "0"],
  ["RATE_OPTION", () => rateLimit({ permits: 1, perMs: 0.5 }), "perMs", "0.5"],
  ["RATE_OPTION", () => rateLimit({ permits: 1, perMs: 1, burst: 0 }), "burst", "0"],
  ["RATE_OPTION", () => rateLimit({ permits: 1, perMs: 1, queueLimit: Infinity }), "queueLimit", "Infinity"],
];

describe("an option", () => {
  it.each(wrong)("that is wrong is met when the policy is made: %s, %s, %s", (code, make, option, value) => {
    let error: unknown;
    try {
      make();
    } catch (thrown) {
      error = thrown;
    }
    if (!HoldfastError.is(error)) throw new Error("it was taken");
    expect(error.code).toBe(code);
    expect(error.retryable).toBe(false);
    expect(error.details).toMatchObject({ option, value });
    expect(error.hint).toBeDefined();
    expect(error.message).toContain(option);
  });

  it("that is misspelt is told from what was meant", () => {
    expect(() => bulkhead(loose({ concurency: 5 }))).toThrow(
      expect.objectContaining({ hint: "Did you mean concurrency?" }),
    );
  });

  it("that is undefined is as one that is not given, in every part", async () => {
    const u = undefined;
    const clock = new VirtualClock();
    circuitBreaker({ name: "x", opensOn: u, openMs: u, openBackoff: u, jitter: u, halfOpen: u, ramp: u, clock: u });
    circuitBreaker({ name: "x", opensOn: { averageRate: u, window: u }, halfOpen: { probes: u }, classifyError: u });
    keyedBreakers({ name: "x", maximum: u, metrics: u });
    retry({ maximumAttempts: u, backoff: u, when: u, budget: u, retryable: u, variables: u, random: u });
    timeout({ timeoutMs: 5, mode: u, abortGraceMs: u });
    bulkhead({ concurrency: 1, queueLimit: u, queueTimeoutMs: u, name: u });
    rateLimit({ permits: 1, perMs: 1, burst: u, mode: u, queueLimit: u });
    hedge({ delayMs: { quantile: 0.5, initialMs: 1, minimumMs: u, maximumMs: u }, maximumHedges: u });
    fallback(1, { name: u, when: u });
    exponential({ baseMs: u, jitter: u });
    checkpoints({ backend: memoryCheckpoints(), keep: u, limitBytes: u, clock: u, randomBytes: u });
    const monitor = healthMonitor({ clock, staleMs: u, margin: u, agreement: u, metrics: u });
    monitor.register("x", { weight: u, caps: u, initial: u, staleMs: u });
    using checks = healthChecks({ monitor, clock, everyMs: u, rules: u, random: u });
    checks.add({ name: "y", check: () => true }, { weight: u, caps: u, breaker: u, alertAfter: u });
    using mode = conservativeMode({
      settings: 1,
      conservative: () => 0,
      clock,
      triggers: u,
      sample: u,
      historyLimit: u,
    });
    const cache = ttlCache<string, number>({ name: "x", ttlMs: 5, limitBytes: u, sizeOf: u, clock: u });
    expect([cache.set("a", 1, { ttlMs: u }), mode.active]).toEqual([true, false]);
    using _sweeper = sweeper({ everyMs: u, sliceEntries: u });
    const store = { get: () => u, put: () => {}, delete: () => {} };
    const queue = { limit: u, order: u, isOutage: u, clock: u, random: u };
    await using kept = await degradable<number>({
      store,
      queue,
      cache: u,
      ladder: u,
      probe: u,
      probeEveryMs: u,
      clock,
    });
    expect(kept.level).toBe("normal");
  });
});
