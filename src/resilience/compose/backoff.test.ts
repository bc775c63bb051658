import { describe, expect, it } from "vitest";
import { type Random, seededRandom } from "../../base/index.ts";
import { type Backoff, constant, decorrelatedJitter, exponential } from "./backoff.ts";
import { codeOf } from "./testing/probe.ts";

function delays(backoff: Backoff, random: Random, count: number): number[] {
  const found: number[] = [];
  for (let attempt = 1; attempt <= count; attempt++) {
    found.push(backoff({ attempt, previousDelayMs: found.at(-1) ?? 0, random, error: undefined }));
  }
  return found;
}

describe("a back-off", () => {
  it("with decorrelated jitter lies between the base and three times the wait before, under the cap", () => {
    const backoff = decorrelatedJitter({ baseMs: 10, maximumMs: 500 });
    expect(delays(backoff, () => 0, 3)).toEqual([10, 10, 10]);
    expect(delays(backoff, () => 0.5, 3)).toEqual([20, 35, 57.5]);
    const random = seededRandom(1);
    for (let run = 0; run < 200; run++) {
      let previousMs = 10;
      for (const delayMs of delays(backoff, random, 12)) {
        expect(delayMs).toBeGreaterThanOrEqual(10);
        expect(delayMs).toBeLessThanOrEqual(Math.min(500, previousMs * 3));
        previousMs = delayMs;
      }
    }
  });

  it("that is exponential doubles up to its cap, and stays a number for any attempt", () => {
    const plain = exponential({ baseMs: 100, maximumMs: 1_000, jitter: "none" });
    expect(delays(plain, () => 0.9, 6)).toEqual([100, 200, 400, 800, 1_000, 1_000]);
    const step = { attempt: 5_000, previousDelayMs: 0, random: () => 0.5, error: undefined };
    expect(plain(step)).toBe(1_000);
    expect(exponential({ baseMs: 0, factor: 10 })(step)).toBe(0);
  });

  it("with full jitter takes any part of the whole, with equal jitter any part of a half", () => {
    const full = exponential({ baseMs: 100, maximumMs: 1_000 });
    const equal = exponential({ baseMs: 100, maximumMs: 1_000, jitter: "equal" });
    expect(delays(full, () => 0, 2)).toEqual([0, 0]);
    expect(delays(full, () => 0.5, 2)).toEqual([50, 100]);
    expect(delays(equal, () => 0, 2)).toEqual([50, 100]);
    expect(delays(equal, () => 0.5, 2)).toEqual([75, 150]);
  });

  it("that is constant is just that", () => {
    expect(delays(constant(7), () => 0.3, 3)).toEqual([7, 7, 7]);
  });

  it("is refused where it would wait no time that there is", async () => {
    for (const make of [
      () => constant(Number.NaN),
      () => constant(-1),
      () => constant(Infinity),
      () => decorrelatedJitter({ baseMs: 10, maximumMs: 5 }),
      () => exponential({ factor: 0.5 }),
      () => exponential({ jitter: "some" as "full" }),
      () => exponential({ bases: 1 } as object),
    ]) {
      expect(await codeOf(make)).toBe("RETRY_OPTION");
    }
  });
});
