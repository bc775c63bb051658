import { describe, expect, expectTypeOf, it } from "vitest";
import { HoldfastError, VirtualClock } from "../../base/index.ts";
import { fallback } from "./fallback.ts";
import { pipe } from "./pipe.ts";
import { hang, nextTurn, pending, rejectionOf, settlesThisTurn } from "./testing/probe.ts";
import { timeout } from "./timeout.ts";

const down = new Error("down");
const fail = (): Promise<number> => Promise.reject(down);

describe("a fallback", () => {
  it("answers with its value where a call fails, and is not heard of where it does not", async () => {
    const policy = fallback("none");
    const seen: unknown[] = [];
    policy.onFallback(({ error }) => seen.push(error));
    expect(await policy.run(fail)).toBe("none");
    expect(await policy.run(() => 5)).toBe(5);
    expect(seen).toEqual([down]);
    expect(policy.statistics()).toEqual({ calls: 2, used: 1, failed: 0 });
    expectTypeOf(policy.run(fail)).toEqualTypeOf<Promise<number | "none">>();
  });

  it("answers with what its function makes of the error", async () => {
    const policy = fallback(async (error, { attempt }) => ({ error, attempt }));
    expect(await policy.run(fail)).toEqual({ error: down, attempt: 1 });
    expectTypeOf(policy.run(fail)).toEqualTypeOf<Promise<number | { error: unknown; attempt: number }>>();
  });

  it("can answer with nothing", async () => {
    expect(await fallback(undefined).run(fail)).toBeUndefined();
    expect(await fallback(null).run(fail)).toBeNull();
    expectTypeOf(fallback(undefined).run(fail)).toEqualTypeOf<Promise<number | undefined>>();
  });

  it("is for the errors that its filter names; others come through as they are", async () => {
    const byFunction = fallback("none", { when: (error) => error === down });
    expect(await byFunction.run(fail)).toBe("none");
    expect(await rejectionOf(byFunction.run(() => Promise.reject(undefined)))).toBeUndefined();
    const byExpression = fallback("none", { when: { test: (context) => context["error_code"] === "RATE_LIMITED" } });
    const limited = new HoldfastError("RATE_LIMITED", "busy");
    expect(await byExpression.run(() => Promise.reject(limited))).toBe("none");
    expect(await rejectionOf(byExpression.run(fail))).toBe(down);
  });

  it("does not answer a caller who has left", async () => {
    const policy = fallback("none");
    const controller = new AbortController();
    const call = policy.run(hang, { signal: controller.signal });
    const obeying = policy.run(
      ({ signal }) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(down))),
      { signal: controller.signal },
    );
    const reasons = Promise.all([rejectionOf(call), rejectionOf(obeying)]);
    controller.abort("left");
    expect(await settlesThisTurn(reasons)).toBe(true);
    expect(await reasons).toEqual(["left", "left"]);
    expect(policy.statistics().used).toBe(0);
  });

  it("lets one go who leaves while the alternative is made", async () => {
    const controller = new AbortController();
    const call = fallback(hang).run(fail, { signal: controller.signal });
    await Promise.resolve();
    controller.abort("left");
    expect(await settlesThisTurn(call)).toBe(true);
    expect(await rejectionOf(call)).toBe("left");
  });

  it("does not count an alternative that ended because its caller left as one that failed", async () => {
    const controller = new AbortController();
    const policy = fallback(
      (_, { signal }) => new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(down))),
    );
    const call = policy.run(fail, { signal: controller.signal });
    await nextTurn();
    controller.abort("left");
    expect(await rejectionOf(call)).toBe("left");
    await nextTurn();
    expect(policy.statistics()).toEqual({ calls: 1, used: 0, failed: 0 });
  });

  it("inside a timeout does not answer what the timeout has ended", async () => {
    const clock = new VirtualClock();
    const inner = fallback("none");
    const work = pending();
    const call = rejectionOf(pipe(timeout({ timeoutMs: 10, clock }), inner).run(() => work.promise));
    await clock.advance(10);
    expect(await call).toMatchObject({ code: "TIMEOUT_EXCEEDED" });
    work.reject(down);
    expect(inner.statistics().used).toBe(0);
  });

  it("that fails itself hides neither error", async () => {
    const fault = new Error("no alternative");
    const failures = [
      fallback(() => {
        throw fault;
      }),
      fallback(() => Promise.reject(fault)),
      fallback("none", {
        when: () => {
          throw fault;
        },
      }),
    ];
    for (const policy of failures) {
      const error = await rejectionOf(policy.run(fail));
      expect(HoldfastError.is(error) && error.code).toBe("FALLBACK_FAILED");
      const cause = (error as HoldfastError).cause as AggregateError;
      expect(cause.errors).toEqual([down, fault]);
      expect(cause.cause).toBe(fault);
      expect(policy.statistics()).toMatchObject({ used: 0, failed: 1 });
    }
  });

  it("is not moved by a listener that throws", async () => {
    const policy = fallback("none");
    policy.onFallback(() => {
      throw new Error("listener");
    });
    expect(await policy.run(fail)).toBe("none");
  });
});
