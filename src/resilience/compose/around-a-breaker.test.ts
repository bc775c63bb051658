/** A circuit breaker among the other policies: who tells it what, and what becomes of its refusals. */
import { describe, expect, expectTypeOf, it } from "vitest";
import { VirtualClock } from "../../base/index.ts";
import { circuitBreaker } from "../breaker/index.ts";
import type { Operation } from "../call.ts";
import { constant } from "./backoff.ts";
import { bulkhead } from "./bulkhead.ts";
import { fallback } from "./fallback.ts";
import { hedge } from "./hedge.ts";
import { pipe } from "./pipe.ts";
import { retry } from "./retry.ts";
import { codeOf, hang, listenersOn, nextTurn, rejectionOf, settlesThisTurn } from "./testing/probe.ts";
import { timeout } from "./timeout.ts";

/** Runs until its signal aborts. */
const obeying: Operation<never> = ({ signal }) =>
  new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));

describe("a breaker in a pipe", () => {
  it("is waited for by a retry outside it for as long as it says", async () => {
    const clock = new VirtualClock();
    const opensOn = { consecutiveFailures: 2 };
    const breaker = circuitBreaker({ name: "service", clock, jitter: 0, opensOn, openMs: 1_000 });
    const policy = pipe(
      fallback("none"),
      retry({ clock, backoff: constant(10), maximumAttempts: 5 }),
      bulkhead({ concurrency: 1 }),
      breaker,
      timeout({ timeoutMs: 100, clock }),
    );
    const times: number[] = [];
    const call = policy.run(() => {
      if (times.push(clock.monotonicMs()) <= 2) throw new Error("down");
      return times.length;
    });
    expectTypeOf(call).toEqualTypeOf<Promise<number | "none">>();
    await clock.advance(50);
    expect(breaker.state).toBe("open");
    await clock.advance(2_000);
    expect(await call).toBe(3);
    expect(times).toEqual([0, 10, 1_020]);
    expect(clock.timers).toBe(0);
  });

  it("counts the copy that lost a hedge neither way", async () => {
    const clock = new VirtualClock();
    const breaker = circuitBreaker({ name: "service", clock });
    const call = pipe(hedge({ delayMs: 10, clock }), breaker).run((context) =>
      context.isHedge ? "fast" : obeying(context),
    );
    await clock.advance(10);
    expect(await call).toBe("fast");
    await nextTurn();
    expect(breaker.statistics()).toMatchObject({ successes: 1, failures: 0, neutral: 1 });
  });

  it.each(["inside", "outside"])("counts a timeout that stands %s it as a failure", async (place) => {
    const clock = new VirtualClock();
    const breaker = circuitBreaker({ name: "service", clock });
    const deadline = timeout({ timeoutMs: 10, clock });
    const policy = place === "inside" ? pipe(breaker, deadline) : pipe(deadline, breaker);
    const code = codeOf(policy.run(obeying));
    await clock.advance(10);
    expect(await code).toBe("TIMEOUT_EXCEEDED");
    await nextTurn();
    expect(breaker.statistics()).toMatchObject({ failures: 1, neutral: 0 });
  });

  it("counts a caller who leaves neither way, and lets him go whatever the operation does", async () => {
    const breaker = circuitBreaker({ name: "service" });
    const controller = new AbortController();
    const policy = pipe(breaker, retry());
    const calls = [policy.run(obeying, controller), policy.run(hang, controller)];
    controller.abort("left");
    const reasons = Promise.all(calls.map(rejectionOf));
    expect(await settlesThisTurn(reasons)).toBe(true);
    expect(await reasons).toEqual(["left", "left"]);
    expect(listenersOn(controller.signal)).toBe(0);
    expect(breaker.statistics()).toMatchObject({ successes: 0, failures: 0, neutral: 1 });
  });
});
