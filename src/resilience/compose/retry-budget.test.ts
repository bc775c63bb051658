import { describe, expect, it } from "vitest";
import { VirtualClock } from "../../base/index.ts";
import { constant } from "./backoff.ts";
import { hedge } from "./hedge.ts";
import { pipe } from "./pipe.ts";
import { retry } from "./retry.ts";
import { retryBudget } from "./retry-budget.ts";
import { codeOf, rejectionOf } from "./testing/probe.ts";

describe("a retry budget", () => {
  it.each([0, 0.1, 0.29, 1])("of %s bounds all calls in an outage to that share and the reserve", async (ratio) => {
    const clock = new VirtualClock();
    const budget = retryBudget({ ratio, minimumPerSecond: 2, windowMs: 10_000, clock });
    const policies = [1, 2, 3].map(() => retry({ maximumAttempts: 10, backoff: constant(0), budget, clock }));
    const calls = 3_000;
    let total = 0;
    for (let call = 0; call < calls; call++) {
      const run = rejectionOf(
        policies[call % 3]!.run(() => {
          total++;
          throw new Error("down");
        }),
      );
      // All within one window: the reserve is there once.
      for (let step = 0; step < 12 && clock.timers > 0; step++) clock.advanceSync(0);
      await clock.advance(call % 10 === 0 ? 1 : 0);
      await run;
    }
    expect(total).toBeGreaterThanOrEqual(Math.floor(calls * (1 + ratio)));
    expect(total).toBeLessThanOrEqual(calls * (1 + ratio) + 20);
    expect(budget.statistics()).toMatchObject({ calls, spent: total - calls });
  });

  it("lets a share of old calls go, and has its reserve anew in each window", async () => {
    const clock = new VirtualClock();
    const budget = retryBudget({ ratio: 0.5, minimumPerSecond: 1, windowMs: 1_000, clock });
    for (let call = 0; call < 10; call++) budget.deposit();
    expect(budget.statistics().available).toBe(6);
    for (let extra = 0; extra < 6; extra++) expect(budget.tryWithdraw()).toBe(true);
    expect(budget.tryWithdraw()).toBe(false);
    await clock.advance(999);
    expect(budget.tryWithdraw()).toBe(false);
    await clock.advance(1);
    expect([budget.tryWithdraw(), budget.tryWithdraw()]).toEqual([true, false]);
    // However long nothing happened, a window is all there is to forget.
    await clock.advance(1e15);
    expect([budget.tryWithdraw(), budget.tryWithdraw()]).toEqual([true, false]);
    expect(budget.statistics()).toEqual({ calls: 10, spent: 8, rejected: 4, available: 0 });
  });

  it("knows shares that have no exact double", () => {
    const budget = retryBudget({ ratio: 0.29, minimumPerSecond: 0, clock: new VirtualClock() });
    for (let call = 0; call < 100; call++) budget.deposit();
    for (let extra = 0; extra < 29; extra++) expect(budget.tryWithdraw()).toBe(true);
    expect(budget.tryWithdraw()).toBe(false);
  });

  it("is paid into once by a call that passes several policies which share it", async () => {
    const budget = retryBudget({ ratio: 0.1, minimumPerSecond: 0 });
    const policy = pipe(retry({ budget }), hedge({ delayMs: 1_000, budget }), retry({ budget }));
    for (let call = 0; call < 7; call++) await policy.run(() => call);
    expect(budget.statistics().calls).toBe(7);
  });

  it("is not paid into by attempts of a retry outside, however deep it stands", async () => {
    const budget = retryBudget({ ratio: 1, minimumPerSecond: 0 });
    const outer = [1, 2].map(() => retry({ backoff: constant(0), maximumAttempts: 2 }));
    const policy = pipe(...outer, retry({ backoff: constant(0), maximumAttempts: 9, budget }));
    let runs = 0;
    await rejectionOf(
      policy.run(() => {
        runs++;
        throw new Error("down");
      }),
    );
    // Four of the outer two, and the one that the call has paid for.
    expect([runs, budget.statistics().calls, budget.statistics().spent]).toEqual([5, 1, 1]);
  });

  it("says when it refused", async () => {
    const budget = retryBudget({ name: "shared", ratio: 0, minimumPerSecond: 0 });
    const reasons: string[] = [];
    budget.onReject(({ name }) => reasons.push(name));
    const policy = retry({ backoff: constant(0), budget });
    policy.onGiveUp(({ reason }) => reasons.push(reason));
    await rejectionOf(policy.run(() => Promise.reject(new Error("down"))));
    expect(reasons).toEqual(["shared", "budget"]);
  });

  it("is refused with options that make no sense", async () => {
    for (const options of [{ ratio: -1 }, { ratio: 11 }, { minimumPerSecond: Number.NaN }, { windowMs: 0 }]) {
      expect(await codeOf(() => retryBudget(options))).toBe("RETRY_OPTION");
    }
  });
});
