import { channel } from "node:diagnostics_channel";
import { getEventListeners } from "node:events";
import { describe, expect, it } from "vitest";
import { HoldfastError, MemoryMetrics, VirtualClock } from "../../base/index.ts";
import {
  breakerPresets,
  type CircuitBreakerOptions,
  circuitBreaker,
  countWindow,
  explanationText,
  Refusal,
  timeWindow,
} from "../index.ts";

const failing = (): never => {
  throw new Error("the dependency failed");
};
const fine = (): string => "fine";

function breakerOf(options: Partial<CircuitBreakerOptions> = {}) {
  const clock = new VirtualClock();
  const breaker = circuitBreaker({ name: "test", clock, jitter: 0, ramp: false, ...options });
  const fail = (times: number): void => {
    for (let turn = 0; turn < times; turn++) expect(() => breaker.runSync(failing)).toThrow("the dependency failed");
  };
  const succeed = (times: number): void => {
    for (let turn = 0; turn < times; turn++) expect(breaker.runSync(fine)).toBe("fine");
  };
  return { breaker, clock, fail, succeed };
}

async function errorOf(promise: Promise<unknown>): Promise<HoldfastError> {
  return promise.then(
    () => expect.unreachable("it was let in"),
    (error: unknown) => error as HoldfastError,
  );
}

function deferred<T>() {
  let resolve = (_: T): void => {};
  let reject = (_: unknown): void => {};
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}

describe("a circuit breaker", () => {
  it("R1: wraps synchronous and asynchronous operations and hands on what they give and throw", async () => {
    const { breaker } = breakerOf({ opensOn: { consecutiveFailures: false, averageRate: false } });
    const odd = [undefined, null, 0, "text", new Error("x"), Symbol("s")];
    for (const value of odd) {
      expect(breaker.runSync(() => value)).toBe(value);
      expect(await breaker.run(() => value)).toBe(value);
      expect(await breaker.run(async () => value)).toBe(value);
      const thrown = (): never => {
        throw value;
      };
      await expect(breaker.run(thrown)).rejects.toBe(value);
      await expect(breaker.run(() => Promise.reject(value))).rejects.toBe(value);
      try {
        breaker.runSync(thrown);
        expect.unreachable();
      } catch (error) {
        expect(error).toBe(value);
      }
    }
    expect(breaker.statistics()).toMatchObject({ successes: 18, failures: 18, rejected: 0 });
  });

  it("R1: takes thenables that are no promises, and asks nothing of what is behind them but then", async () => {
    const { breaker } = breakerOf();
    const thenable = { then: (resolve: (value: number) => void) => resolve(7) } as PromiseLike<number>;
    expect(await breaker.run(() => thenable)).toBe(7);
    const both = {
      then: (resolve: (value: number) => void, reject: (error: Error) => void) => {
        resolve(8);
        reject(new Error("too late to say so"));
      },
    } as PromiseLike<number>;
    expect(await breaker.run(() => both)).toBe(8);
    expect(breaker.statistics()).toMatchObject({ successes: 2, failures: 0 });
  });

  it("R1: when open refuses at once, names itself and says when to come back", async () => {
    const { breaker, clock, fail } = breakerOf();
    fail(5);
    clock.advanceSync(12_000);
    const error = await errorOf(breaker.run(() => expect.unreachable("it was called")));
    expect(error.code).toBe("BREAKER_OPEN");
    expect(error.message).toBe("[BREAKER_OPEN] circuit breaker test is open: 5 failures in a row, and 5 open it");
    expect(error.hint).toBe("try again in 18000 ms, or answer with a fallback");
    expect(error.retryable).toBe(true);
    expect(error.details).toMatchObject({ breaker: "test", state: "open", retryAfterMs: 18_000 });
  });

  it("R2: opens on five failures in a row, and a success between begins the row anew", () => {
    const { breaker, fail, succeed } = breakerOf();
    fail(4);
    succeed(1);
    fail(4);
    expect(breaker.state).toBe("closed");
    fail(1);
    expect(breaker.state).toBe("open");
    expect(breaker.explain().opening).toMatchObject({ rule: "consecutive-failures", numbers: { failures: 5 } });
  });

  it("R2: opens on the moving average, only after ten calls, and does not round before it compares", () => {
    const { breaker, fail } = breakerOf({ opensOn: { consecutiveFailures: false } });
    fail(9);
    expect(breaker.explain().averageRate).toBeCloseTo(1 - 0.9 ** 9, 12);
    expect(breaker.state).toBe("closed");
    fail(1);
    expect(breaker.explain().opening).toMatchObject({ rule: "average-rate", numbers: { calls: 10, threshold: 0.5 } });

    const close = breakerOf({
      opensOn: { consecutiveFailures: false, averageRate: { alpha: 0.495, minimumCalls: 1 } },
    });
    close.fail(1);
    expect(close.breaker.state).toBe("closed");
  });

  it("R2: opens on the share of failures in the last calls, counting settled calls alone", async () => {
    const { breaker, fail, succeed } = breakerOf({
      opensOn: { consecutiveFailures: false, averageRate: false, window: countWindow({ calls: 20, failureRate: 0.5 }) },
    });
    const hung = Array.from({ length: 10 }, () => breaker.acquire());
    succeed(5);
    fail(4);
    expect(breaker.state).toBe("closed");
    fail(1);
    expect(explanationText(breaker.explain())).toBe(
      "test is open: 5 of 10 calls failed, and a share of 0.5 opens it; trial calls in 30000 ms",
    );
    for (const permit of hung) permit.succeed();
    expect(breaker.statistics().late).toBe(10);
  });

  it("R2: forgets what is older than its window of time, however long nothing happened", () => {
    const { breaker, clock, fail, succeed } = breakerOf({
      opensOn: {
        consecutiveFailures: false,
        averageRate: false,
        window: timeWindow({ durationMs: 5_000, buckets: 5, failureRate: 0.5, minimumCalls: 2 }),
      },
    });
    succeed(5);
    fail(4);
    clock.advanceSync(300_000);
    fail(1);
    expect(breaker.explain().window).toEqual({ calls: 1, failures: 1, slow: 0 });
    expect(breaker.state).toBe("closed");
  });

  it("R2: opens on slow calls, though they succeed", async () => {
    const { breaker, clock } = breakerOf({
      opensOn: { window: countWindow({ calls: 10, slowRate: 0.8, slowCallMs: 100, minimumCalls: 5 }) },
    });
    for (let turn = 0; turn < 5; turn++) {
      const work = deferred<number>();
      const call = breaker.run(() => work.promise);
      await clock.advance(turn === 0 ? 99 : 100);
      work.resolve(1);
      await call;
    }
    expect(breaker.explain().opening).toMatchObject({ rule: "window-slow-calls", numbers: { slow: 4, calls: 5 } });
  });

  it("R3: tries again after its time, closes after enough successes, and reopens on any failure", () => {
    const { breaker, clock, fail, succeed } = breakerOf();
    fail(5);
    clock.advanceSync(29_999);
    expect(breaker.state).toBe("open");
    clock.advanceSync(1);
    expect(breaker.state).toBe("half-open");
    succeed(1);
    fail(1);
    expect(breaker.explain().opening?.rule).toBe("probe-failed");
    clock.advanceSync(30_000);
    succeed(1);
    expect(breaker.state).toBe("half-open");
    succeed(1);
    expect(breaker.state).toBe("closed");
    expect(breaker.explain().calls).toBe(0);
  });

  it("R3: no late result moves a later state, whether it failed or succeeded", async () => {
    const { breaker, clock, fail, succeed } = breakerOf();
    const early = [deferred<number>(), deferred<number>(), deferred<number>()];
    const calls = early.map((work) => breaker.run(() => work.promise));
    fail(5);
    clock.advanceSync(30_000);
    const probe = breaker.acquire();
    early[0]!.reject(new Error("late"));
    early[1]!.resolve(1);
    await expect(calls[0]).rejects.toThrow("late");
    expect(await calls[1]).toBe(1);
    expect(breaker.state).toBe("half-open");
    probe.succeed();
    succeed(1);
    expect(breaker.state).toBe("closed");
    fail(4);
    early[2]!.reject(new Error("later still"));
    await expect(calls[2]).rejects.toThrow("later still");
    expect(breaker.state).toBe("closed");
    expect(breaker.statistics().late).toBe(3);
  });

  it("R3: a trial that never ends does not hold it half-open: its lease runs out", async () => {
    const { breaker, clock, fail, succeed } = breakerOf({ halfOpen: { successes: 1, probeTimeoutMs: 10_000 } });
    fail(5);
    clock.advanceSync(30_000);
    const hung = deferred<number>();
    const call = breaker.run(() => hung.promise);
    expect(breaker.tryAcquire()).toMatchObject({ state: "half-open", retryAfterMs: 3_000 });
    clock.advanceSync(10_000);
    expect(breaker.explain().opening).toMatchObject({ rule: "probe-expired" });
    clock.advanceSync(30_000);
    hung.resolve(1);
    await call;
    expect(breaker.state).toBe("half-open");
    succeed(1);
    expect(breaker.state).toBe("closed");
  });

  it("R3: each opening after a failed trial lasts longer, up to a bound, and a full recovery forgets it", () => {
    const { breaker, clock, fail, succeed } = breakerOf({
      openMs: 100,
      openBackoff: { factor: 3, maximumMs: 500 },
      halfOpen: { successes: 1 },
    });
    fail(5);
    const lengths: number[] = [];
    for (let turn = 0; turn < 4; turn++) {
      lengths.push(breaker.explain().retryAfterMs);
      clock.advanceSync(lengths.at(-1)!);
      if (turn < 3) fail(1);
    }
    expect(lengths).toEqual([100, 300, 500, 500]);
    succeed(1);
    fail(5);
    expect(breaker.explain().retryAfterMs).toBe(100);
  });

  it("R4: excluded errors pass through and count for nothing, in half-open too", async () => {
    const { breaker, clock, fail } = breakerOf({
      halfOpen: { successes: 1 },
      classifyError: (error) => ((error as Error).message === "not found" ? "neutral" : "failure"),
    });
    const notFound = (): never => {
      throw new Error("not found");
    };
    for (let turn = 0; turn < 20; turn++) await expect(breaker.run(notFound)).rejects.toThrow("not found");
    expect(breaker.state).toBe("closed");
    fail(5);
    clock.advanceSync(30_000);
    await expect(breaker.run(notFound)).rejects.toThrow("not found");
    expect(breaker.state).toBe("half-open");
    expect(breaker.tryAcquire()).not.toBeInstanceOf(Refusal);
    expect(breaker.statistics()).toMatchObject({ neutral: 21, failures: 5 });
  });

  it("R4: results can count as failures, and a classifier that throws changes nothing", async () => {
    const { breaker } = breakerOf({
      classifyResult: (result) => (result === 503 ? "failure" : "success"),
      classifyError: () => {
        throw new Error("the classifier's own");
      },
    });
    for (let turn = 0; turn < 4; turn++) expect(await breaker.run(async () => 503)).toBe(503);
    await expect(breaker.run(failing)).rejects.toThrow("the dependency failed");
    expect(breaker.state).toBe("open");
  });

  it("R4: the caller's own abort is neutral; a timeout around the breaker is a failure", async () => {
    const { breaker, clock, fail } = breakerOf({ halfOpen: { successes: 1 } });
    const abortable = (signal: AbortSignal): Promise<never> =>
      new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
    const abort = async (reason: unknown): Promise<void> => {
      const controller = new AbortController();
      const call = breaker.run(({ signal }) => abortable(signal), { signal: controller.signal });
      controller.abort(reason);
      await expect(call).rejects.toBe(reason);
    };
    for (let turn = 0; turn < 10; turn++) await abort(new Error("the caller left"));
    expect(breaker.state).toBe("closed");
    fail(5);
    clock.advanceSync(30_000);
    await abort(new Error("the caller left"));
    expect(breaker.state).toBe("half-open");
    await abort(new HoldfastError("TIMEOUT_EXCEEDED", "took too long"));
    expect(breaker.state).toBe("open");
  });

  it("R4: a signal that has aborted already ends the call before it begins, and costs no permit", async () => {
    const { breaker, clock, fail } = breakerOf();
    fail(5);
    clock.advanceSync(30_000);
    const reason = new Error("before");
    const call = breaker.run(() => expect.unreachable("it was called"), { signal: AbortSignal.abort(reason) });
    await expect(call).rejects.toBe(reason);
    expect(breaker.tryAcquire()).not.toBeInstanceOf(Refusal);
  });

  it("R5: a check that does not hold counts as a failure, is told, and never throws", () => {
    const metrics = new MemoryMetrics();
    const { breaker } = breakerOf({ metrics });
    const seen: unknown[] = [];
    breaker.onCheckFailed(({ message, value, state }) => seen.push([message, value, state]));
    expect(breaker.check(1 < 2, "order")).toBe(true);
    for (let turn = 0; turn < 6; turn++) expect(breaker.check(false, "shape", turn)).toBe(false);
    expect(breaker.state).toBe("open");
    expect(seen[0]).toEqual(["shape", 0, "closed"]);
    expect(seen[5]).toEqual(["shape", 5, "open"]);
    expect(breaker.statistics()).toMatchObject({ checkFailures: 6, openings: 1 });
    expect(metrics.value("holdfast_breaker_check_failures_total", { breaker: "test" })).toBe(6);
  });

  it("R5: a check that does not hold in half-open reopens it", () => {
    const { breaker, clock, fail } = breakerOf();
    fail(5);
    clock.advanceSync(30_000);
    expect(breaker.state).toBe("half-open");
    breaker.check(false, "still broken");
    expect(breaker.state).toBe("open");
  });

  it("R6: tells each change of state once, in order, with the rule that opened it", () => {
    const { breaker, clock, fail, succeed } = breakerOf();
    const changes: string[] = [];
    const onChannel: unknown[] = [];
    const listener = (message: unknown): void => void onChannel.push(message);
    channel("holdfast:breaker.state").subscribe(listener);
    using _ = breaker.onStateChange(({ from, to, opening }) =>
      changes.push(`${from} > ${to}${opening === undefined ? "" : `: ${opening.rule}`}`),
    );
    fail(5);
    clock.advanceSync(30_000);
    succeed(2);
    breaker.reset();
    channel("holdfast:breaker.state").unsubscribe(listener);
    expect(changes).toEqual(["closed > open: consecutive-failures", "open > half-open", "half-open > closed"]);
    expect(onChannel).toHaveLength(3);
  });

  it("R6: listeners that throw, hang or call back change no result and no order", async () => {
    const { breaker, clock } = breakerOf({ halfOpen: { successes: 1 } });
    const seen: string[] = [];
    const failures: unknown[] = [];
    const listener = (message: unknown): void => void failures.push(message);
    channel("holdfast:listener.failed").subscribe(listener);
    breaker.onFailure(() => {
      throw new Error("a listener's");
    });
    breaker.onStateChange(({ to }) => {
      if (to === "open") breaker.reset();
    });
    breaker.onStateChange(() => new Promise(() => {}));
    breaker.onStateChange(({ from, to }) => seen.push(`${from} > ${to}`));
    for (let turn = 0; turn < 5; turn++) await expect(breaker.run(failing)).rejects.toThrow("the dependency failed");
    expect(await breaker.run(fine)).toBe("fine");
    channel("holdfast:listener.failed").unsubscribe(listener);
    expect(seen).toEqual(["closed > open", "open > closed"]);
    expect(failures).toHaveLength(5);
    expect(clock.timers).toBe(0);
  });

  it("R6: can be isolated by several at once, each with a reason, and goes on below", async () => {
    const { breaker, clock, fail } = breakerOf();
    fail(5);
    const first = breaker.isolate("maintenance");
    {
      using _second = breaker.isolate("migration", { forMs: 60_000 });
      const error = await errorOf(breaker.run(fine));
      expect(error.message).toBe("[BREAKER_ISOLATED] circuit breaker test is isolated by hand: maintenance; migration");
      expect(error.details).not.toHaveProperty("retryAfterMs");
    }
    clock.advanceSync(30_000);
    expect(breaker.state).toBe("isolated");
    first.release();
    first.release();
    expect(breaker.state).toBe("half-open");
    breaker.isolate("for a while", { forMs: 100 });
    clock.advanceSync(100);
    expect(breaker.state).toBe("half-open");
    expect(breaker.isolations).toEqual([]);
  });

  it("R6: what began before an isolation says nothing after it", () => {
    const { breaker, clock, fail } = breakerOf();
    fail(5);
    clock.advanceSync(30_000);
    const probe = breaker.acquire();
    breaker.isolate("a moment").release();
    probe.fail();
    expect(breaker.state).toBe("half-open");
    clock.advanceSync(100_000);
    expect(breaker.state).toBe("half-open");
  });

  it("R6: can be reset, tripped and let try by hand", () => {
    const { breaker, fail, succeed } = breakerOf();
    breaker.trip("the operator knows");
    expect(explanationText(breaker.explain())).toBe("test is open: the operator knows; trial calls in 30000 ms");
    breaker.allowProbe();
    expect(breaker.state).toBe("half-open");
    succeed(2);
    fail(5);
    breaker.reset();
    expect(explanationText(breaker.explain())).toBe(
      "test is closed; 0 failures in a row, average failure rate 0.000 over 0 calls",
    );
  });

  it("a permit says its verdict once, and disposed of without one is neutral", () => {
    const { breaker, clock, fail } = breakerOf({ halfOpen: { successes: 1 } });
    fail(5);
    clock.advanceSync(30_000);
    {
      using _probe = breaker.acquire();
      expect(() => breaker.acquire()).toThrow("[BREAKER_HALF_OPEN] circuit breaker test is half-open");
    }
    const probe = breaker.acquire();
    probe.succeed();
    probe.fail();
    expect(breaker.state).toBe("closed");
    expect(breaker.statistics()).toMatchObject({ successes: 1, neutral: 1, failures: 5, late: 0, rejected: 1 });
  });

  it("leaves nothing on the caller's signal, and gives one that never aborts where there is none", async () => {
    const { breaker } = breakerOf();
    const { signal } = new AbortController();
    for (let turn = 0; turn < 1_000; turn++)
      await breaker.run(async (context) => context.signal === signal, { signal });
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
    const seen: AbortSignal[] = [];
    for (let turn = 0; turn < 2; turn++) await breaker.run((context) => seen.push(context.signal));
    expect(seen[0]).not.toBe(seen[1]);
    expect(seen[0]!.aborted).toBe(false);
  });

  it.each([
    ["storage", 5, 2, 60_000],
    ["memory", 3, 3, 30_000],
    ["gpuMemory", 3, 3, 30_000],
    ["gpu", 5, 3, 30_000],
    ["compilationTimeout", 2, 3, 300_000],
    ["kernelValidation", 5, 3, 30_000],
  ] as const)(
    "R2, R3: as a %s breaker opens on %i failures and closes on %i successes after %i ms",
    (kind, row, good, ms) => {
      const { breaker, clock, fail, succeed } = breakerOf(breakerPresets[kind]);
      fail(row - 1);
      expect(breaker.state).toBe("closed");
      fail(1);
      clock.advanceSync(ms - 1);
      expect(breaker.state).toBe("open");
      clock.advanceSync(1);
      succeed(good - 1);
      expect(breaker.state).toBe("half-open");
      succeed(1);
      expect(breaker.state).toBe("closed");
    },
  );

  it("says which option is wrong, and what it may be", () => {
    const wrong: [Partial<CircuitBreakerOptions>, string][] = [
      [{ name: "" }, "name is : it may be a text of 1 to 200 characters"],
      [{ openMs: Number.NaN }, "openMs is NaN: it may be above 0, at most"],
      [{ openMs: "30s" as never }, "openMs is 30s"],
      [{ jitter: 2 }, "jitter is 2: it may be 0 to 1"],
      [{ halfOpen: { probes: 0 } }, "halfOpen.probes is 0: it may be 1 to 1000000"],
      [{ opensOn: { consecutiveFailures: 2.5 } }, "opensOn.consecutiveFailures is 2.5: it may be a whole number"],
      [
        { opensOn: { window: { calls: 5 } as never } },
        "opensOn.window is [object Object]: it may be made by countWindow",
      ],
      [{ ramp: { shares: [0.5, 0], stepMs: 10 } }, "ramp.shares is 0: it may be above 0, at most 1"],
      [{ openBackoff: { factor: 2, maximumMs: 5 } }, "openBackoff.maximumMs is 5: it may be 30000 to"],
      [{ classifyError: "neutral" as never }, "classifyError is neutral: it may be a function"],
      [{ timeoutMs: 5 } as never, "a circuit breaker has no option timeoutMs"],
    ];
    for (const [options, message] of wrong) expect(() => circuitBreaker({ name: "x", ...options })).toThrow(message);
    expect(() => circuitBreaker(undefined as never)).toThrow("options is undefined: it may be an object");
    expect(() => countWindow({ calls: 5 })).toThrow("window is [object Object]: it may be given at least one of");
    expect(() => countWindow({ calls: 0, failureRate: 1 })).toThrow("window's calls is 0: it may be 1 to 65536");
    expect(() => timeWindow({ durationMs: 5, slowRate: 1 })).toThrow("window's slowCallMs is undefined");
    expect(() => circuitBreaker({ name: "x", openMS: 5 } as never)).toThrow(
      expect.objectContaining({ hint: expect.stringContaining("openMs, "), code: "BREAKER_OPTION" }),
    );
  });
});
