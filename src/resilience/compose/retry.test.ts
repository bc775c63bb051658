import { describe, expect, it } from "vitest";
import { AssertionFailure, HoldfastError, VirtualClock } from "../../base/index.ts";
import { type Backoff, constant } from "./backoff.ts";
import { type GiveUpEvent, type RetryEvent, retry } from "./retry.ts";
import { codeOf, hang, listenersOn, rejectionOf, settlesThisTurn } from "./testing/probe.ts";

/** Fails so many times, each time with another error, then answers. */
function failing(times: number): { readonly errors: Error[]; calls: number; run(): Promise<string> } {
  const errors = Array.from({ length: times }, (_, place) => new Error(`failure ${place + 1}`));
  return {
    errors,
    calls: 0,
    async run() {
      const error = this.errors[this.calls++];
      if (error !== undefined) throw error;
      return "done";
    },
  };
}

const busy = (retryAfterMs: number): HoldfastError =>
  new HoldfastError("RATE_LIMITED", "busy", { retryable: true, details: { retryAfterMs } });

describe("a retry", () => {
  it("calls again until the operation succeeds, and tells it the number of the attempt", async () => {
    const attempts: number[] = [];
    const policy = retry({ maximumAttempts: 5, backoff: constant(0) });
    const result = await policy.run(({ attempt }) => {
      attempts.push(attempt);
      if (attempt < 3) throw new Error("not yet");
      return attempt;
    });
    expect([result, attempts]).toEqual([3, [1, 2, 3]]);
    expect(policy.statistics()).toEqual({ calls: 1, attempts: 3, successes: 1, failures: 0, aborted: 0 });
  });

  it("rejects with the operation's own last error when no attempt is left", async () => {
    const operation = failing(9);
    const policy = retry({ maximumAttempts: 3, backoff: constant(0) });
    const given: GiveUpEvent[] = [];
    policy.onGiveUp((event) => given.push(event));
    expect(await rejectionOf(policy.run(() => operation.run()))).toBe(operation.errors[2]);
    expect(given).toEqual([{ name: "retry", attempts: 3, reason: "attempts", error: operation.errors[2] }]);
  });

  it("waits as the back-off says, and tells each wait", async () => {
    const clock = new VirtualClock();
    const operation = failing(3);
    const asked: (readonly [number, number])[] = [];
    const backoff: Backoff = ({ attempt, previousDelayMs }) => {
      asked.push([attempt, previousDelayMs]);
      return attempt * 100;
    };
    const policy = retry({ maximumAttempts: 4, clock, backoff });
    const events: RetryEvent[] = [];
    policy.onRetry((event) => events.push(event));
    const call = policy.run(() => operation.run());
    await clock.advance(599);
    expect(operation.calls).toBe(3);
    await clock.advance(1);
    expect(await call).toBe("done");
    expect(events.map(({ attempt, delayMs }) => [attempt, delayMs])).toEqual([
      [1, 100],
      [2, 200],
      [3, 300],
    ]);
    expect(asked).toEqual([
      [1, 0],
      [2, 100],
      [3, 200],
    ]);
  });

  it.each([
    [Number.NaN, 5_000],
    [Infinity, 5_000],
    [2 ** 40, 5_000],
    ["soon" as unknown as number, 5_000],
    [-Infinity, 0],
    [-1, 0],
    [0, 0],
  ])("mends a back-off of %s to %s ms", async (delayMs, mendedMs) => {
    const clock = new VirtualClock();
    const operation = failing(1);
    const policy = retry({ clock, backoff: () => delayMs, maximumDelayMs: 5_000 });
    const call = policy.run(() => operation.run());
    if (mendedMs > 0) await clock.advance(mendedMs - 1);
    else await Promise.resolve();
    expect(operation.calls).toBe(1);
    await clock.advance(1);
    expect(await call).toBe("done");
  });

  it("waits longer than a platform timer can where it is told to", async () => {
    const clock = new VirtualClock();
    const operation = failing(1);
    const call = retry({ clock, backoff: constant(2 ** 32), maximumDelayMs: 2 ** 33 }).run(() => operation.run());
    await clock.advance(2 ** 32 - 1);
    expect(operation.calls).toBe(1);
    await clock.advance(1);
    expect(await call).toBe("done");
  });

  it("ends a back-off with the turn of an abort, and never calls again", async () => {
    const clock = new VirtualClock();
    const controller = new AbortController();
    const operation = failing(9);
    const policy = retry({ clock, backoff: constant(60_000) });
    const call = policy.run(() => operation.run(), { signal: controller.signal });
    await clock.advance(1_000);
    expect([operation.calls, clock.timers]).toEqual([1, 1]);
    const reason = { why: "enough" };
    controller.abort(reason);
    expect(await settlesThisTurn(call)).toBe(true);
    expect(await rejectionOf(call)).toBe(reason);
    expect([clock.timers, listenersOn(controller.signal)]).toEqual([0, 0]);
    await clock.advance(1_000_000);
    expect(operation.calls).toBe(1);
    expect(policy.statistics()).toMatchObject({ failures: 0, aborted: 1 });
  });

  it("does not call again an operation that failed because the caller left", async () => {
    const controller = new AbortController();
    let calls = 0;
    let told = 0;
    const policy = retry({ backoff: constant(0) });
    policy.onRetry(() => told++);
    const call = policy.run(
      ({ signal }) => {
        calls++;
        return new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("stopped"))));
      },
      { signal: controller.signal },
    );
    controller.abort("left");
    expect(await rejectionOf(call)).toBe("left");
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect([calls, told]).toEqual([1, 0]);
    expect(policy.statistics()).toMatchObject({ failures: 0, aborted: 1 });
  });

  it("never starts for a caller who has left, and lets one go whose operation hangs", async () => {
    let calls = 0;
    const call = retry().run(() => calls++, { signal: AbortSignal.abort("gone") });
    expect([await rejectionOf(call), calls]).toEqual(["gone", 0]);
    const controller = new AbortController();
    const hung = retry().run(hang, { signal: controller.signal });
    controller.abort("left");
    expect(await settlesThisTurn(hung)).toBe(true);
    expect(await rejectionOf(hung)).toBe("left");
  });

  it("retries a result that its filter calls bad, and gives the last one when no attempt is left", async () => {
    const policy = retry({ backoff: constant(0), retryableResult: (status) => (status as number) >= 500 });
    let status = 505;
    expect(await policy.run(() => --status)).toBe(502);
    status = 501;
    expect(await policy.run(() => --status)).toBe(499);
    expect(policy.statistics()).toMatchObject({ attempts: 5, successes: 1, failures: 1 });
  });

  it("retries what its filter says, by the thrown value itself", async () => {
    const policy = retry({ backoff: constant(0), retryable: (error) => error === 7 });
    let calls = 0;
    const thrown = [7, 7, "other"];
    const reason = await rejectionOf(
      policy.run(() => {
        throw thrown[calls++];
      }),
    );
    expect([reason, calls]).toEqual(["other", 3]);
  });

  it("without a filter leaves alone what is not retryable: final errors of Holdfast, and broken invariants", async () => {
    for (const error of [new HoldfastError("CLI_USAGE", "wrong"), new AssertionFailure("broken")]) {
      let calls = 0;
      const call = retry({ backoff: constant(0) }).run(() => {
        calls++;
        throw error;
      });
      expect([await rejectionOf(call), calls]).toEqual([error, 1]);
    }
  });

  it("decides by an expression, which knows the attempt, the time and the error", async () => {
    const clock = new VirtualClock();
    const seen: Readonly<Record<string, unknown>>[] = [];
    const when = {
      test(context: Readonly<Record<string, number | string | boolean>>) {
        seen.push(context);
        return (context["elapsed_time"] as number) < 150 && context["tier"] === "gold";
      },
    };
    const policy = retry({ clock, maximumAttempts: 10, backoff: constant(100), when, variables: { tier: "gold" } });
    const error = new HoldfastError("TIMEOUT_EXCEEDED", "slow", { retryable: true, details: { timeoutMs: 50 } });
    const call = rejectionOf(
      policy.run(() => {
        throw error;
      }),
    );
    await clock.advance(1_000);
    expect(await call).toBe(error);
    expect(seen).toHaveLength(3);
    expect(seen[2]).toEqual({
      attempt: 3,
      max_attempts: 10,
      depth: 2,
      max_depth: 9,
      elapsed_time: 200,
      error_code: "TIMEOUT_EXCEEDED",
      retryable: true,
      retry_after: 0,
      timeout: 50,
      tier: "gold",
    });
  });

  it("knows the codes of Node's errors and the names of others", async () => {
    const codes: unknown[] = [];
    const when = (context: Readonly<Record<string, unknown>>): boolean => codes.push(context["error_code"]) > 99;
    const policy = retry({ backoff: constant(0), when: { test: when } });
    for (const error of [Object.assign(new Error("gone"), { code: "ECONNRESET" }), new TypeError("type"), null, 3]) {
      await rejectionOf(policy.run(() => Promise.reject(error)));
    }
    expect(codes).toEqual(["ECONNRESET", "TypeError", "", ""]);
  });

  it("says so where its filter of results or its back-off fails itself, and counts the call as failed", async () => {
    const own = new Error("own");
    const throwing = (): never => {
      throw new Error("a slip");
    };
    const byResult = retry({ retryableResult: throwing });
    await expect(byResult.run(() => 5)).rejects.toMatchObject({ code: "RETRY_FILTER" });
    const byBackoff = retry({ backoff: throwing });
    const error = await rejectionOf(byBackoff.run(() => Promise.reject(own)));
    expect(error).toMatchObject({ code: "RETRY_BACKOFF" });
    expect((error as { cause: AggregateError }).cause.errors[0]).toBe(own);
    for (const policy of [byResult, byBackoff]) expect(policy.statistics()).toMatchObject({ calls: 1, failures: 1 });
  });

  it("hides no error where its filter fails itself", async () => {
    const own = new Error("own");
    const fault = new Error("no such variable");
    const policy = retry({
      when: {
        test() {
          throw fault;
        },
      },
    });
    const error = await rejectionOf(policy.run(() => Promise.reject(own)));
    expect(HoldfastError.is(error) && error.code).toBe("RETRY_FILTER");
    expect(((error as Error).cause as AggregateError).errors).toEqual([own, fault]);
  });

  it("comes again no sooner than a refusal says, with the back-off on top", async () => {
    const clock = new VirtualClock();
    let calls = 0;
    const call = retry({ clock, backoff: constant(10) }).run(() => {
      if (++calls === 1) throw busy(5_000);
      return calls;
    });
    await clock.advance(5_009);
    expect(calls).toBe(1);
    await clock.advance(1);
    expect(await call).toBe(2);
  });

  it("gives up at once where a refusal asks for too long a wait, and can pay no attention to it", async () => {
    const clock = new VirtualClock();
    const reasons: string[] = [];
    const policy = retry({ clock, backoff: constant(10), retryAfterLimitMs: 1_000 });
    policy.onGiveUp(({ reason }) => reasons.push(reason));
    expect(await codeOf(policy.run(() => Promise.reject(busy(1_001))))).toBe("RATE_LIMITED");
    expect([reasons, clock.timers]).toEqual([["retry-after"], 0]);

    let calls = 0;
    const call = retry({ clock, backoff: constant(10), honourRetryAfter: false }).run(() => {
      if (++calls === 1) throw busy(1e9);
      return calls;
    });
    await clock.advance(10);
    expect(await call).toBe(2);
  });

  it("is not moved by listeners that throw: a success is a success, called once", async () => {
    const policy = retry({ backoff: constant(0) });
    let calls = 0;
    let heard = 0;
    const listener = (): never => {
      heard++;
      throw new Error("listener");
    };
    policy.onRetry(listener);
    policy.onGiveUp(listener);
    const result = await policy.run(() => {
      if (++calls === 1) throw new Error("once");
      return "fine";
    });
    expect([result, calls, heard]).toEqual(["fine", 2, 1]);
  });

  it("can go on without end", async () => {
    const operation = failing(50);
    expect(await retry({ maximumAttempts: Infinity, backoff: constant(0) }).run(() => operation.run())).toBe("done");
    expect(operation.calls).toBe(51);
  });

  it("inside another counts its own attempts from 1", async () => {
    const seen: number[] = [];
    const outer = retry({ maximumAttempts: 2, backoff: constant(0) });
    const inner = retry({ maximumAttempts: 2, backoff: constant(0) });
    const call = outer.run((context) =>
      inner.run(({ attempt }) => {
        seen.push(attempt);
        throw new Error("no");
      }, context),
    );
    await rejectionOf(call);
    expect(seen).toEqual([1, 2, 1, 2]);
  });
});
