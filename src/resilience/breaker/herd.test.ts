import { describe, expect, it } from "vitest";
import { seededRandom, VirtualClock } from "../../base/index.ts";
import { circuitBreaker } from "../index.ts";

const failing = (): never => {
  throw new Error("down");
};

function opened(options: { probes?: number; seed?: number; ramp?: false } = {}) {
  const clock = new VirtualClock();
  const breaker = circuitBreaker({
    name: "test",
    clock,
    random: seededRandom(options.seed ?? 1),
    halfOpen: { probes: options.probes ?? 1, successes: 1 },
    ...(options.ramp === false ? { ramp: false } : {}),
  });
  for (let turn = 0; turn < 5; turn++) expect(() => breaker.runSync(failing)).toThrow("down");
  return { breaker, clock };
}

describe("a herd", () => {
  it.each([1, 3, 10])(
    "R3: of 500 callers on a half-open breaker %i get in, the others are refused at once",
    async (probes) => {
      const { breaker, clock } = opened({ probes });
      clock.advanceSync(40_000);
      let running = 0;
      let release = (): void => {};
      const gate = new Promise<void>((resolve) => (release = resolve));
      let refused = 0;
      const calls = Array.from({ length: 500 }, () =>
        breaker
          .run(async () => {
            running++;
            await gate;
          })
          .catch((error: { code: string; details: { retryAfterMs: number } }) => {
            expect(error.code).toBe("BREAKER_HALF_OPEN");
            expect(error.details.retryAfterMs).toBeGreaterThan(0);
            refused++;
          }),
      );
      // One turn, before any trial ends: whoever is refused knows.
      await new Promise((resolve) => setImmediate(resolve));
      expect([running, refused]).toEqual([probes, 500 - probes]);
      release();
      await Promise.all(calls);
      expect(running).toBe(probes);
    },
  );

  it("R3: after closing, of 100 calls a step 10, 25 and 50 get in, evenly spread, then all", async () => {
    const { breaker, clock } = opened();
    clock.advanceSync(40_000);
    expect(breaker.runSync(() => "ok")).toBe("ok");
    const admitted: number[] = [];
    const spread: number[] = [];
    for (let step = 0; step < 4; step++) {
      let count = 0;
      for (let call = 0; call < 100; call++) {
        const permit = breaker.tryAcquire();
        if ("succeed" in permit) {
          count++;
          if (step === 0) spread.push(call);
          permit.succeed();
        } else expect(permit.retryAfterMs).toBeLessThanOrEqual(1_000);
        clock.advanceSync(10);
      }
      admitted.push(count);
    }
    expect(admitted).toEqual([10, 25, 50, 100]);
    expect(spread).toEqual([0, 10, 20, 30, 40, 50, 60, 70, 80, 90]);
  });

  it("R3: while it ramps it opens like any closed breaker, and its backoff goes on", () => {
    const { breaker, clock } = opened();
    clock.advanceSync(40_000);
    breaker.runSync(() => "ok");
    clock.advanceSync(2_000);
    let failures = 0;
    for (let call = 0; breaker.state === "closed"; call++) {
      expect(call).toBeLessThan(20);
      const permit = breaker.tryAcquire();
      if ("fail" in permit) {
        permit.fail(new Error("again"));
        failures++;
      }
    }
    expect(failures).toBe(5);
  });

  it("R3: a thousand breakers that open in one tick do not try again together", () => {
    const clock = new VirtualClock();
    const random = seededRandom(7);
    const breakers = Array.from({ length: 1_000 }, (_, place) =>
      circuitBreaker({ name: `b${place}`, clock, random, opensOn: { consecutiveFailures: 1 } }),
    );
    for (const breaker of breakers) expect(() => breaker.runSync(failing)).toThrow("down");
    const waits = breakers.map((breaker) => breaker.explain().retryAfterMs).sort((a, b) => a - b);
    expect(waits[0]).toBeGreaterThanOrEqual(30_000);
    expect(waits.at(-1)).toBeLessThanOrEqual(36_000);
    const sliceMs = 6_000 / 100;
    for (let start = 30_000; start < 36_000; start += sliceMs) {
      expect(waits.filter((wait) => wait >= start && wait < start + sliceMs).length).toBeLessThanOrEqual(30);
    }
  });
});
