import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HoldfastError, VirtualClock } from "../../base/index.ts";
import { constant } from "./backoff.ts";
import { pipe } from "./pipe.ts";
import { type RateLimitEvent, rateLimit } from "./rate-limit.ts";
import { retry } from "./retry.ts";
import { codeOf, listenersOn, rejectionOf, settlesThisTurn } from "./testing/probe.ts";

describe("a rate limit", () => {
  it("lets a burst through after a rest, and then one at a time", async () => {
    const clock = new VirtualClock();
    const policy = rateLimit({ permits: 10, perMs: 1_000, burst: 3, clock });
    const admitted = (): number => {
      let count = 0;
      while (policy.tryAcquire()) count++;
      return count;
    };
    expect([policy.statistics().available, admitted(), admitted()]).toEqual([3, 3, 0]);
    await clock.advance(99);
    expect(admitted()).toBe(0);
    await clock.advance(1);
    expect(admitted()).toBe(1);
    await clock.advance(250);
    expect([policy.statistics().available, admitted()]).toEqual([2, 2]);
    await clock.advance(1e6);
    expect(admitted()).toBe(3);
  });

  it("refuses with the time at which to come again, which is right to the millisecond", async () => {
    const clock = new VirtualClock();
    const policy = rateLimit({ name: "api", permits: 3, perMs: 1_000, burst: 1, clock });
    const events: RateLimitEvent[] = [];
    policy.onReject((event) => events.push(event));
    expect(await policy.run(() => 1)).toBe(1);
    const refusal = await rejectionOf(policy.run(() => 2));
    expect(HoldfastError.is(refusal) && refusal).toMatchObject({
      code: "RATE_LIMITED",
      retryable: true,
      details: { policy: "api", retryAfterMs: 334, permits: 3, perMs: 1_000, queued: 0 },
    });
    expect(events).toEqual([{ name: "api", retryAfterMs: 334, queued: 0 }]);
    await clock.advance(333);
    expect(await codeOf(policy.run(() => 2))).toBe("RATE_LIMITED");
    await clock.advance(1);
    expect(await policy.run(() => 2)).toBe(2);
    expect(policy.statistics()).toMatchObject({ admitted: 2, rejected: 2 });
  });

  it("lets exactly the promised number through in any span of time", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 1, max: 1_000 }),
        fc.integer({ min: 1, max: 20 }),
        fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 1, maxLength: 80 }),
        async (permits, perMs, burst, steps) => {
          const clock = new VirtualClock({ monotonicMs: 123_456 });
          const policy = rateLimit({ permits, perMs, burst, clock });
          const admissions: number[] = [];
          for (const stepMs of steps) {
            clock.advanceSync(stepMs);
            while (policy.tryAcquire()) admissions.push(clock.monotonicMs());
          }
          for (let first = 0; first < admissions.length; first++) {
            for (let last = first; last < admissions.length; last++) {
              const spanMs = admissions[last]! - admissions[first]!;
              const allowed = Math.floor((spanMs * permits + burst * perMs) / perMs);
              expect(last - first + 1).toBeLessThanOrEqual(allowed);
            }
          }
          // Nobody who asks all the time is given less than the rate, either.
          const totalMs = clock.monotonicMs() - admissions[0]!;
          expect(admissions.length).toBeGreaterThanOrEqual(Math.min(burst, Math.floor((totalMs * permits) / perMs)));
        },
      ),
      { numRuns: 200 },
    );
  });

  it("keeps the rate over any number of calls, for rates that are no whole number of milliseconds", async () => {
    const clock = new VirtualClock();
    const policy = rateLimit({ permits: 7, perMs: 1_000, burst: 1, clock });
    let admitted = 0;
    for (let step = 0; step < 100_000; step++) {
      if (policy.tryAcquire()) admitted++;
      clock.advanceSync(10);
    }
    // 1,000 s at 7 a second. Asked every 10 ms each call is late by less than that, which the next must not add up.
    expect(admitted).toBeGreaterThanOrEqual(6_666);
    expect(admitted).toBeLessThanOrEqual(7_001);
    const exact = rateLimit({ permits: 7, perMs: 1_000, burst: 2, clock });
    admitted = 0;
    for (let step = 0; step < 100_000; step++) {
      if (exact.tryAcquire()) admitted++;
      clock.advanceSync(10);
    }
    expect(admitted).toBeGreaterThanOrEqual(7_000);
    expect(admitted).toBeLessThanOrEqual(7_002);
  });

  it("makes callers wait in order, with one timer while somebody waits and none after", async () => {
    const clock = new VirtualClock();
    const policy = rateLimit({ permits: 10, perMs: 1_000, burst: 1, mode: "wait", queueLimit: 3, clock });
    const begun: string[] = [];
    const run = (name: string): Promise<number> => policy.run(() => begun.push(`${name} ${clock.monotonicMs()}`));
    const calls = ["a", "b", "c", "d"].map(run);
    expect(clock.timers).toBe(1);
    const refusal = await rejectionOf(run("e"));
    expect(HoldfastError.is(refusal) && refusal.details["retryAfterMs"]).toBe(400);
    await clock.advance(150);
    const late = run("late");
    await clock.advance(1_000);
    await Promise.all([...calls, late]);
    expect(begun).toEqual(["a 0", "b 100", "c 200", "d 300", "late 400"]);
    expect(clock.timers).toBe(0);
    expect(policy.statistics()).toMatchObject({ admitted: 5, delayed: 4, rejected: 1, queued: 0 });
  });

  it("gives a turn to who waits, not to a newcomer who asks before the timer", async () => {
    const clock = new VirtualClock();
    const policy = rateLimit({ permits: 3, perMs: 1_000, burst: 1, mode: "wait", clock });
    await policy.acquire();
    const waiting = policy.run(() => clock.monotonicMs());
    // The turn has come, at a third of a millisecond past 333; timers know whole ones.
    await clock.advance(333.5);
    expect(policy.tryAcquire()).toBe(false);
    await clock.advance(0.5);
    expect(await waiting).toBe(334);
  });

  it("lets one who waits leave within the turn: nothing is used up, the others move up, no timer stays", async () => {
    const clock = new VirtualClock();
    const policy = rateLimit({ permits: 1, perMs: 100, mode: "wait", clock });
    await policy.acquire();
    const controller = new AbortController();
    const leaving = policy.run(() => "never", { signal: controller.signal });
    const staying = policy.run(() => clock.monotonicMs());
    const reason = { why: "enough" };
    controller.abort(reason);
    expect(policy.statistics().queued).toBe(1);
    expect(await settlesThisTurn(leaving)).toBe(true);
    expect(await rejectionOf(leaving)).toBe(reason);
    expect(listenersOn(controller.signal)).toBe(0);
    await clock.advance(100);
    expect(await staying).toBe(100);

    const other = new AbortController();
    const alone = policy.run(() => "never", { signal: other.signal });
    expect(clock.timers).toBe(1);
    other.abort("left");
    expect(await rejectionOf(alone)).toBe("left");
    expect(clock.timers).toBe(0);
  });

  it("bounds the wait of each where it is told to", async () => {
    const clock = new VirtualClock();
    const policy = rateLimit({ permits: 1, perMs: 1_000, mode: "wait", queueTimeoutMs: 50, clock });
    await policy.acquire();
    const call = codeOf(policy.acquire());
    await clock.advance(50);
    expect(await call).toBe("RATE_LIMITED");
    expect(clock.timers).toBe(0);
  });

  it("is met by a retry outside it as it asks", async () => {
    const clock = new VirtualClock();
    const limit = rateLimit({ permits: 1, perMs: 1_000, clock });
    const policy = pipe(retry({ clock, backoff: constant(5) }), limit);
    const times: number[] = [];
    const calls = [
      policy.run(() => times.push(clock.monotonicMs())),
      policy.run(() => times.push(clock.monotonicMs())),
    ];
    await clock.advance(2_000);
    await Promise.all(calls);
    expect(times).toEqual([0, 1_005]);
  });

  it("does not hear of clocks that are set", async () => {
    const clock = new VirtualClock();
    const policy = rateLimit({ permits: 1, perMs: 1_000, clock });
    expect(policy.tryAcquire()).toBe(true);
    clock.jumpWall(86_400_000);
    expect(policy.tryAcquire()).toBe(false);
    clock.jumpWall(-2 * 86_400_000);
    await clock.advance(1_000);
    expect(policy.tryAcquire()).toBe(true);
  });
});
