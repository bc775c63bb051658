import { describe, expect, it } from "vitest";
import { HoldfastError, VirtualClock } from "../../base/index.ts";
import type { CallContext } from "../call.ts";
import { type HedgeEvent, hedge } from "./hedge.ts";
import { LatencyQuantile } from "./latency-quantile.ts";
import { retryBudget } from "./retry-budget.ts";
import { hang, listenersOn, nextTurn, type Pending, pending, rejectionOf, settlesThisTurn } from "./testing/probe.ts";

/** Copies that end when told to. */
function copies(): {
  readonly contexts: CallContext[];
  readonly jobs: Pending<string>[];
  run(c: CallContext): Promise<string>;
} {
  const contexts: CallContext[] = [];
  const jobs: Pending<string>[] = [];
  return {
    contexts,
    jobs,
    run(context) {
      contexts.push(context);
      const job = pending<string>();
      jobs.push(job);
      return job.promise;
    },
  };
}

describe("a hedge", () => {
  it("starts no second copy of a call that answers in time, and leaves neither timer nor listener", async () => {
    const clock = new VirtualClock();
    const { signal } = new AbortController();
    const policy = hedge({ delayMs: 100, clock });
    const { contexts, jobs, run } = copies();
    const call = policy.run(run, { signal });
    await clock.advance(99);
    jobs[0]!.resolve("first");
    expect(await call).toBe("first");
    expect(await policy.run(() => "at once", { signal })).toBe("at once");
    expect([contexts.length, clock.timers, listenersOn(signal)]).toEqual([1, 0, 0]);
    expect(policy.statistics()).toEqual({ calls: 2, hedges: 0, hedgeWins: 0, failures: 0, delayMs: 100 });
  });

  it("takes the first success, and aborts the others through signals of their own", async () => {
    const clock = new VirtualClock();
    const { signal } = new AbortController();
    const policy = hedge({ delayMs: 100, maximumHedges: 2, clock });
    const events: HedgeEvent[] = [];
    policy.onHedge((event) => events.push(event));
    const { contexts, jobs, run } = copies();
    const call = policy.run(run, { signal });
    await clock.advance(1_000);
    expect(contexts.map(({ isHedge }) => isHedge)).toEqual([false, true, true]);
    const signals = contexts.map((context) => context.signal);
    jobs[1]!.resolve("second");
    expect(await call).toBe("second");
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false, true]);
    expect(HoldfastError.is(signals[0]!.reason) && signals[0]!.reason.code).toBe("HEDGE_LOST");
    expect(signal.aborted).toBe(false);
    expect([clock.timers, listenersOn(signal)]).toEqual([0, 0]);
    expect(events).toEqual([
      { name: "hedge", hedge: 1, delayMs: 100 },
      { name: "hedge", hedge: 2, delayMs: 100 },
    ]);
    // What comes of the others later, good or bad, is unheard and counts neither way.
    jobs[0]!.reject(new Error("aborted"));
    jobs[2]!.resolve("third");
    await nextTurn();
    expect(policy.statistics()).toEqual({ calls: 1, hedges: 2, hedgeWins: 1, failures: 0, delayMs: 100 });
  });

  it("waits past a failure while another copy runs, and fails with the first error when all have failed", async () => {
    const clock = new VirtualClock();
    const policy = hedge({ delayMs: 10, clock });
    const errors = [new Error("first"), new Error("second")];
    for (const order of [
      [0, 1],
      [1, 0],
    ]) {
      const { jobs, run } = copies();
      const call = policy.run(run);
      const heard = rejectionOf(call);
      await clock.advance(10);
      jobs[order[0]!]!.reject(errors[order[0]!]);
      expect(await settlesThisTurn(call)).toBe(false);
      jobs[order[1]!]!.reject(errors[order[1]!]);
      expect(await heard).toBe(errors[order[0]!]);
      expect(clock.timers).toBe(0);
    }
    const { jobs, run } = copies();
    const call = policy.run(run);
    await clock.advance(10);
    jobs[0]!.reject(errors[0]);
    jobs[1]!.resolve("saved");
    expect(await call).toBe("saved");
    expect(policy.statistics()).toMatchObject({ failures: 2, hedgeWins: 1 });
  });

  it("starts no copy for a failure: that ends the call with the operation's own error", async () => {
    const clock = new VirtualClock();
    const policy = hedge({ delayMs: 10, clock });
    for (const thrown of [new Error("own"), undefined, null]) {
      expect(await rejectionOf(policy.run(() => Promise.reject(thrown)))).toBe(thrown);
      expect(
        await rejectionOf(
          policy.run(() => {
            throw thrown;
          }),
        ),
      ).toBe(thrown);
    }
    expect(clock.timers).toBe(0);
  });

  it("lets a caller go within the turn, tells the copies, and starts no more", async () => {
    const clock = new VirtualClock();
    const controller = new AbortController();
    const policy = hedge({ delayMs: 100, maximumHedges: 3, clock });
    const signals: AbortSignal[] = [];
    const call = policy.run(
      (context) => {
        signals.push(context.signal);
        return hang();
      },
      { signal: controller.signal },
    );
    await clock.advance(150);
    const reason = { why: "enough" };
    controller.abort(reason);
    expect(await settlesThisTurn(call)).toBe(true);
    expect(await rejectionOf(call)).toBe(reason);
    expect(signals.map((signal) => signal.reason)).toEqual([reason, reason]);
    expect([clock.timers, listenersOn(controller.signal)]).toEqual([0, 0]);
    expect(await rejectionOf(policy.run(hang, { signal: controller.signal }))).toBe(reason);
    expect(policy.statistics()).toMatchObject({ calls: 1, hedges: 1, failures: 0 });
  });

  it("starts only copies that its budget pays for", async () => {
    const clock = new VirtualClock();
    const budget = retryBudget({ ratio: 0.1, minimumPerSecond: 0, clock, windowMs: 60_000 });
    const policy = hedge({ delayMs: 10, maximumHedges: 5, budget, clock });
    let started = 0;
    const calls = Array.from({ length: 40 }, () => {
      const controller = new AbortController();
      const call = policy.run(
        () => {
          started++;
          return hang();
        },
        { signal: controller.signal },
      );
      return { controller, heard: rejectionOf(call) };
    });
    await clock.advance(1_000);
    expect(started).toBe(44);
    for (const { controller } of calls) controller.abort();
    await Promise.all(calls.map(({ heard }) => heard));
  });

  it("with a delay that follows a quantile of the latency, waits the initial time until it knows enough", async () => {
    const clock = new VirtualClock();
    const policy = hedge({
      delayMs: { quantile: 0.9, initialMs: 500, minimumMs: 5, maximumMs: 80 },
      clock,
    });
    const take = async (latencyMs: number): Promise<void> => {
      const { jobs, run } = copies();
      const call = policy.run(run);
      await clock.advance(latencyMs);
      jobs[0]!.resolve("done");
      await call;
    };
    for (let call = 1; call <= 9; call++) await take(call);
    expect(policy.statistics().delayMs).toBe(500);
    await take(10);
    expect(policy.statistics().delayMs).toBe(9);
    for (let call = 0; call < 30; call++) await take(1);
    expect(policy.statistics().delayMs).toBe(7);
    for (let call = 0; call < 300; call++) await take(0);
    expect(policy.statistics().delayMs).toBe(5);
  });

  it("does not let its delay sink because hedges win", async () => {
    const clock = new VirtualClock();
    const policy = hedge({ delayMs: { quantile: 0.5, initialMs: 50 }, clock });
    for (let call = 0; call < 40; call++) {
      const running = policy.run(({ isHedge }) => (isHedge ? "fast" : hang()));
      await clock.advance(50);
      expect(await running).toBe("fast");
    }
    expect(policy.statistics()).toMatchObject({ hedgeWins: 40, delayMs: 50 });
  });
});

describe("a latency quantile", () => {
  it("is that of the last samples", () => {
    const latency = new LatencyQuantile(0.95, 20);
    expect(latency.valueMs).toBe(0);
    for (let sample = 1; sample <= 20; sample++) latency.add(sample);
    expect(latency.valueMs).toBe(19);
    for (let sample = 0; sample < 60; sample++) latency.add(2);
    expect(latency.valueMs).toBe(2);
  });
});
