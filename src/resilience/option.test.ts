import { describe, expect, it } from "vitest";
import { HoldfastError } from "../base/index.ts";
import { bulkhead } from "./compose/bulkhead.ts";
import { fallback } from "./compose/fallback.ts";
import { hedge } from "./compose/hedge.ts";
import { rateLimit } from "./compose/rate-limit.ts";
import { retry } from "./compose/retry.ts";
import { timeout } from "./compose/timeout.ts";

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
});
