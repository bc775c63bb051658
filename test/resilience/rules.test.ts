import { describe, expect, it } from "vitest";
import { compilePolicy } from "../../src/policy/index.ts";
import {
  circuitBreaker,
  conservativeMode,
  constant,
  healthChecks,
  healthMonitor,
  retry,
  VirtualClock,
} from "../../src/resilience/index.ts";

describe("rules at work", () => {
  it("P3: decide on retries, by the words of the source: elapsed_time > timeout && depth < max_depth", async () => {
    const attemptsOf = async (variables: Record<string, number>): Promise<number> => {
      const clock = new VirtualClock();
      let attempts = 0;
      const policy = retry({
        maximumAttempts: 50,
        backoff: constant(100),
        when: compilePolicy("elapsed_time > timeout && depth < max_depth"),
        variables,
        clock,
      });
      const call = policy
        .run(async () => {
          attempts++;
          clock.advanceSync(60);
          throw new Error("crashed");
        })
        .catch((error: Error) => error.message);
      await clock.advance(60_000);
      expect(await call).toBe("crashed");
      return attempts;
    };
    // A first call and four retries: depth counts those that were made.
    expect(await attemptsOf({ timeout: 50, max_depth: 4 })).toBe(5);
    expect(await attemptsOf({ timeout: 100, max_depth: 4 })).toBe(1);
  });

  it("P3: bring conservative mode about, for as long as they say", async () => {
    const clock = new VirtualClock();
    const mode = conservativeMode({
      settings: { jobs: 2 },
      conservative: () => ({ jobs: 1 }),
      triggers: [
        { name: "gpu", when: compilePolicy("gpu.utilisation > 0.2"), forMs: 300_000 },
        { name: "memory", when: compilePolicy("memory.used > 0.8 || swap.used > 0.5") },
      ],
      sample: () => ({ gpu: { utilisation: 0.3 }, memory: { used: 0.1 }, swap: { used: 0 } }),
      clock,
    });
    await clock.advance(299_000);
    expect(mode.settings).toEqual({ jobs: 2 });
    await clock.advance(21_000);
    expect(mode.settings).toEqual({ jobs: 1 });
    expect(Object.keys(mode.counts)).toEqual(["gpu"]);
    mode[Symbol.dispose]();
  });

  it("P3: raise alerts over what health checks measured, of a breaker too", async () => {
    const clock = new VirtualClock();
    const breaker = circuitBreaker({ name: "disk", clock });
    const monitor = healthMonitor({ clock });
    const rules = [
      { name: "breaker open", when: compilePolicy('checks.disk.breaker == "open" && health.availability < 1') },
    ];
    using checks = healthChecks({ monitor, clock, rules });
    checks.add({
      name: "disk",
      check: () => ({
        state: breaker.state === "closed" ? "healthy" : "unhealthy",
        values: { breaker: breaker.state },
      }),
    });
    await clock.advance(60_000);
    expect(checks.alerts).toEqual([]);
    breaker.trip("the disk is gone");
    await clock.advance(30_000);
    expect(checks.alerts).toContain("breaker open");
  });

  it("P3: that are wrong are refused when they are read, not when they are needed", () => {
    expect(() => compilePolicy("memory.used > 0.8 ||")).toThrow("POLICY_SYNTAX");
    expect(() => compilePolicy("memory.usde > 0.8", { names: ["memory.used"] })).toThrow("POLICY_UNKNOWN_NAME");
  });
});
