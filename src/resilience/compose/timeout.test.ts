import { describe, expect, it } from "vitest";
import { HoldfastError, VirtualClock } from "../../base/index.ts";
import { codeOf, hang, listenersOn, nextTurn, pending, rejectionOf, settlesThisTurn } from "./testing/probe.ts";
import { type TimeoutEvent, timeout } from "./timeout.ts";

describe("a timeout", () => {
  it("hands on what comes in time, and leaves neither timer nor listener", async () => {
    const clock = new VirtualClock();
    const { signal } = new AbortController();
    for (const mode of ["abandon", "cooperative"] as const) {
      const policy = timeout({ timeoutMs: 100, mode, clock });
      const work = pending<number>();
      const call = policy.run(() => work.promise, { signal });
      await clock.advance(99);
      expect(clock.timers).toBe(1);
      work.resolve(5);
      expect(await call).toBe(5);
      const error = new Error("own");
      expect(await rejectionOf(policy.run(() => Promise.reject(error), { signal }))).toBe(error);
      expect([clock.timers, listenersOn(signal)]).toEqual([0, 0]);
      expect(policy.statistics()).toEqual({ calls: 2, timeouts: 0, abandoned: 0, abandonedRunning: 0 });
    }
  });

  it("sets no timer for an operation that answers at once", async () => {
    const clock = new VirtualClock();
    const policy = timeout({ timeoutMs: 100, clock });
    const call = policy.run(() => {
      expect(clock.timers).toBe(0);
      return 1;
    });
    expect(clock.timers).toBe(0);
    expect(await call).toBe(1);
  });

  it("abandons by default: answers at once, aborts the operation's signal, and hears no more of it", async () => {
    const clock = new VirtualClock();
    const { signal } = new AbortController();
    const policy = timeout({ name: "slow thing", timeoutMs: 100, clock });
    const events: TimeoutEvent[] = [];
    policy.onTimeout((event) => events.push(event));
    const work = pending();
    let inner: AbortSignal | undefined;
    const call = policy.run(
      (context) => {
        inner = context.signal;
        return work.promise;
      },
      { signal },
    );
    const error = rejectionOf(call);
    await clock.advance(100);
    const exceeded = await error;
    expect(HoldfastError.is(exceeded) && exceeded).toMatchObject({
      code: "TIMEOUT_EXCEEDED",
      retryable: true,
      details: { policy: "slow thing", timeoutMs: 100 },
    });
    expect(inner?.reason).toBe(exceeded);
    expect(signal.aborted).toBe(false);
    expect([clock.timers, listenersOn(signal)]).toEqual([0, 0]);
    expect(events).toEqual([{ name: "slow thing", timeoutMs: 100, attempt: 1 }]);
    expect(policy.statistics()).toEqual({ calls: 1, timeouts: 1, abandoned: 1, abandonedRunning: 1 });
    // A rejection that nobody heard would end the run of this test.
    work.reject(new Error("late"));
    await nextTurn();
    expect(policy.statistics().abandonedRunning).toBe(0);
  });

  it("gives an operation that first asks after its time a signal that is aborted already", async () => {
    const clock = new VirtualClock();
    const work = pending<void>();
    let reason: unknown;
    const call = rejectionOf(
      timeout({ timeoutMs: 10, clock }).run(async (context) => {
        await work.promise;
        reason = context.signal.reason;
      }),
    );
    await clock.advance(10);
    work.resolve();
    await nextTurn();
    expect(reason).toBe(await call);
  });

  it("that is cooperative waits for the operation, and hands on a result that comes all the same", async () => {
    const clock = new VirtualClock();
    const policy = timeout({ timeoutMs: 100, mode: "cooperative", clock });
    const work = pending<string>();
    const call = policy.run(() => work.promise);
    await clock.advance(1_000);
    expect(await settlesThisTurn(call)).toBe(false);
    work.resolve("late");
    expect(await call).toBe("late");
    expect(policy.statistics()).toMatchObject({ timeouts: 1, abandoned: 0 });
  });

  it("that is cooperative calls the operation's end by its name, with what it ended with as the cause", async () => {
    const clock = new VirtualClock();
    const policy = timeout({ timeoutMs: 100, mode: "cooperative", clock });
    let inner: AbortSignal | undefined;
    const stopped = new Error("stopped");
    const obeying = rejectionOf(
      policy.run(({ signal }) => {
        inner = signal;
        return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      }),
    );
    const other = rejectionOf(
      policy.run(({ signal }) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(stopped)))),
    );
    await clock.advance(100);
    expect(await obeying).toBe(inner?.reason);
    expect(await other).toMatchObject({ code: "TIMEOUT_EXCEEDED", cause: stopped });
    expect(policy.statistics().timeouts).toBe(2);
  });

  it("that is cooperative waits for its grace at most", async () => {
    const clock = new VirtualClock();
    const policy = timeout({ timeoutMs: 100, mode: "cooperative", abortGraceMs: 50, clock });
    const call = codeOf(policy.run(hang));
    await clock.advance(149);
    expect(policy.statistics().abandonedRunning).toBe(0);
    await clock.advance(1);
    expect(await call).toBe("TIMEOUT_EXCEEDED");
    expect(policy.statistics()).toMatchObject({ timeouts: 1, abandonedRunning: 1 });
    expect(clock.timers).toBe(0);
  });

  it.each(["abandon", "cooperative"] as const)(
    "in mode %s reports a caller who leaves as that, never as a timeout",
    async (mode) => {
      const clock = new VirtualClock();
      const policy = timeout({ timeoutMs: 100, mode, clock });
      let told = 0;
      policy.onTimeout(() => told++);
      const reason = new Error("the caller's own");
      for (const operation of [
        hang,
        ({ signal }: { readonly signal: AbortSignal }) =>
          new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("stopped")))),
      ]) {
        const controller = new AbortController();
        const call = policy.run(operation, { signal: controller.signal });
        await clock.advance(99);
        controller.abort(reason);
        expect(await settlesThisTurn(call)).toBe(true);
        expect(await rejectionOf(call)).toBe(reason);
        expect([clock.timers, listenersOn(controller.signal)]).toEqual([0, 0]);
        await clock.advance(1_000);
      }
      expect([told, policy.statistics().timeouts]).toEqual([0, 0]);
      expect(await rejectionOf(policy.run(() => 1, { signal: AbortSignal.abort(reason) }))).toBe(reason);
    },
  );

  it("is longer than a platform timer can be where it is told to", async () => {
    const clock = new VirtualClock();
    const call = codeOf(timeout({ timeoutMs: 2 ** 31 + 5, clock }).run(hang));
    await clock.advance(2 ** 31 + 4);
    expect(clock.timers).toBe(1);
    await clock.advance(1);
    expect(await call).toBe("TIMEOUT_EXCEEDED");
    // On the platform's clock such a time would be over at once if it were not waited for in parts.
    expect(await timeout({ timeoutMs: 2 ** 31 + 5 }).run(() => new Promise((end) => setTimeout(end, 20, "fine")))).toBe(
      "fine",
    );
  });

  it("asks a function for the time of each call, and refuses what is none", async () => {
    const clock = new VirtualClock();
    let timeoutMs = 10;
    const policy = timeout({ timeoutMs: () => timeoutMs, clock });
    const call = codeOf(policy.run(hang));
    await clock.advance(10);
    expect(await call).toBe("TIMEOUT_EXCEEDED");
    timeoutMs = Number.NaN;
    expect(await codeOf(policy.run(hang))).toBe("TIMEOUT_OPTION");
    expect(clock.timers).toBe(0);
  });

  it("is not moved by a listener that throws", async () => {
    const clock = new VirtualClock();
    const policy = timeout({ timeoutMs: 10, clock });
    policy.onTimeout(() => {
      throw new Error("listener");
    });
    const call = codeOf(policy.run(hang));
    await clock.advance(10);
    expect(await call).toBe("TIMEOUT_EXCEEDED");
  });
});
