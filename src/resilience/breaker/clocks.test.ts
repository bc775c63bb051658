import { describe, expect, it } from "vitest";
import { type Clock, seededRandom, VirtualClock } from "../../base/index.ts";
import { type CircuitBreaker, circuitBreaker, Refusal, restoreBreaker, snapshotBreaker } from "../index.ts";

const dayMs = 86_400_000;
const openMs = 10_000;

function opened(clock: Clock): CircuitBreaker {
  const breaker = circuitBreaker({ name: "test", clock, jitter: 0, openMs, opensOn: { consecutiveFailures: 1 } });
  expect(() =>
    breaker.runSync(() => {
      throw new Error("down");
    }),
  ).toThrow("down");
  return breaker;
}

describe("two clocks, of which neither can be trusted alone", () => {
  it.each([-dayMs, -1_000, 1_000, dayMs])("R3: a wall clock set by %i ms never holds it open longer", (byMs) => {
    const clock = new VirtualClock();
    const breaker = opened(clock);
    clock.advanceSync(100);
    clock.jumpWall(byMs);
    clock.advanceSync(openMs - 100);
    expect(breaker.state).toBe("half-open");
  });

  it("R3: a wall clock that steps back and forth by a day does not either", () => {
    const clock = new VirtualClock();
    const breaker = opened(clock);
    for (let turn = 0; turn < 5; turn++) {
      clock.jumpWall(-dayMs);
      clock.advanceSync(openMs / 10);
      breaker.tryAcquire();
    }
    expect(breaker.state).toBe("open");
    clock.advanceSync(openMs / 2);
    expect(breaker.state).toBe("half-open");
  });

  it("R3: a suspend counts: after twice its time it has let a trial in, though no monotonic time passed", () => {
    const clock = new VirtualClock();
    const breaker = opened(clock);
    clock.suspend(openMs * 2 - 1);
    expect(breaker.state).toBe("open");
    clock.suspend(1);
    expect(breaker.state).toBe("half-open");
  });

  it("R3: no mixture of steps, jumps and suspends has callers refused for more than twice its time", () => {
    for (let seed = 1; seed <= 5_000; seed++) {
      const random = seededRandom(seed);
      const clock = new VirtualClock();
      const breaker = opened(clock);
      let realMs = 0;
      let lastRefusedMs = 0;
      while (breaker.tryAcquire() instanceof Refusal) {
        lastRefusedMs = realMs;
        const choice = random();
        const byMs = Math.floor(random() * openMs * 0.4);
        if (choice < 0.3) clock.jumpWall(Math.floor((random() * 2 - 1) * dayMs));
        else {
          if (choice < 0.6) clock.suspend(byMs);
          else clock.advanceSync(byMs);
          realMs += byMs;
        }
      }
      expect(lastRefusedMs, `seed ${seed}`).toBeLessThan(2 * openMs);
    }
  });

  it("R6: a snapshot from a host whose clock is a day ahead, or behind, is open for no longer than it was", () => {
    for (const skewMs of [-dayMs, 0, dayMs]) {
      const before = new VirtualClock();
      const snapshot = snapshotBreaker(opened(before));
      const clock = new VirtualClock({ nowMs: before.nowMs() - skewMs, monotonicMs: 5 });
      const breaker = circuitBreaker({ name: "test", clock, jitter: 0, openMs });
      expect(restoreBreaker(breaker, snapshot).status).toBe("restored");
      expect(breaker.explain().retryAfterMs).toBeLessThanOrEqual(openMs);
      clock.advanceSync(openMs);
      expect(breaker.state).toBe("half-open");
    }
  });
});
