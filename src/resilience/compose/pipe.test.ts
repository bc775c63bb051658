import { describe, expect, expectTypeOf, it } from "vitest";
import { VirtualClock } from "../../base/index.ts";
import type { CallContext, Policy } from "../call.ts";
import { constant } from "./backoff.ts";
import { type BulkheadPolicy, bulkhead } from "./bulkhead.ts";
import { type FallbackPolicy, fallback } from "./fallback.ts";
import { hedge } from "./hedge.ts";
import { pipe } from "./pipe.ts";
import { rateLimit } from "./rate-limit.ts";
import { type RetryPolicy, retry } from "./retry.ts";
import { codeOf, hang, rejectionOf, settlesThisTurn } from "./testing/probe.ts";
import { timeout } from "./timeout.ts";

/** A policy of somebody else's, which tells when a call goes in and out. */
function tracing(name: string, trace: string[]): Policy {
  return {
    async run(operation, options) {
      trace.push(`${name} in`);
      try {
        return await operation(options as CallContext);
      } finally {
        trace.push(`${name} out`);
      }
    },
  };
}

describe("a pipe", () => {
  it("goes through its policies in the order in which they are read", async () => {
    const trace: string[] = [];
    const policy = pipe(tracing("a", trace), tracing("b", trace), tracing("c", trace));
    expect(await policy.run(() => trace.push("operation"))).toBe(4);
    expect(trace).toEqual(["a in", "b in", "c in", "operation", "c out", "b out", "a out"]);
  });

  it("of none is the operation itself", async () => {
    const none = pipe();
    const error = { thrown: true };
    expect(await none.run(({ attempt }) => attempt)).toBe(1);
    expect(
      await rejectionOf(
        none.run(() => {
          throw error;
        }),
      ),
    ).toBe(error);
    const controller = new AbortController();
    const call = none.run(hang, { signal: controller.signal });
    controller.abort("left");
    expect(await settlesThisTurn(call)).toBe(true);
    expect(await rejectionOf(call)).toBe("left");
    expectTypeOf(none.run(() => 5)).toEqualTypeOf<Promise<number>>();
  });

  it("is a policy itself, and shows what it is made of", async () => {
    const trace: string[] = [];
    const inner = pipe(tracing("b", trace), fallback("none"));
    const outer = pipe(tracing("a", trace), inner);
    expect(outer.policies[1].policies[1].statistics().calls).toBe(0);
    expect(await outer.run(() => Promise.reject(new Error("down")))).toBe("none");
    expect(trace).toEqual(["a in", "b in", "b out", "a out"]);
    expect(Object.isFrozen(outer.policies)).toBe(true);
  });

  it("lets a caller go whatever its policies do about signals", async () => {
    const deaf: Policy = { run: () => new Promise(() => {}) };
    const controller = new AbortController();
    const call = pipe(deaf, retry()).run(() => 1, { signal: controller.signal });
    controller.abort("left");
    expect(await settlesThisTurn(call)).toBe(true);
    expect(await rejectionOf(call)).toBe("left");
  });

  it("refuses what is no policy", async () => {
    expect(await codeOf(() => pipe(retry(), {} as Policy))).toBe("PIPE_OPTION");
    expect(await codeOf(() => pipe(undefined as unknown as Policy))).toBe("PIPE_OPTION");
  });

  it("rejects where a policy of somebody else's throws instead", async () => {
    const rude: Policy = {
      run() {
        throw new TypeError("rude");
      },
    };
    expect(await rejectionOf(pipe(rude).run(() => 1))).toBeInstanceOf(TypeError);
  });

  it("gives the operation the strictest signal, the attempt and whether it is a hedge", async () => {
    const clock = new VirtualClock();
    const seen: (readonly [number, boolean])[] = [];
    const policy = pipe(
      retry({ clock, backoff: constant(0) }),
      timeout({ timeoutMs: 100, clock }),
      hedge({ delayMs: 10, clock }),
    );
    const call = policy.run((context) => {
      seen.push([context.attempt, context.isHedge]);
      return new Promise((_, reject) => context.signal.addEventListener("abort", () => reject(context.signal.reason)));
    });
    const code = codeOf(call);
    await clock.advance(1_000);
    expect(await code).toBe("TIMEOUT_EXCEEDED");
    expect(seen).toEqual([
      [1, false],
      [1, true],
      [2, false],
      [2, true],
      [3, false],
      [3, true],
    ]);
    expect(clock.timers).toBe(0);
  });

  it("with a timeout outside a retry bounds all, with one inside bounds each", async () => {
    for (const [order, endMs] of [
      ["outside", 100],
      ["inside", 300],
    ] as const) {
      const clock = new VirtualClock();
      const deadline = timeout({ timeoutMs: 100, clock });
      const again = retry({ clock, backoff: constant(0), maximumAttempts: 3 });
      const policy = order === "outside" ? pipe(deadline, again) : pipe(again, deadline);
      let endedMs = 0;
      const call = rejectionOf(policy.run(hang)).then(() => (endedMs = clock.monotonicMs()));
      await clock.advance(1_000);
      await call;
      expect(endedMs).toBe(endMs);
    }
  });
});

describe("the types of a pipe", () => {
  const many = pipe(
    fallback("a" as const),
    retry(),
    timeout({ timeoutMs: 1 }),
    bulkhead({ concurrency: 1 }),
    fallback((): "b" => "b"),
    hedge({ delayMs: 1 }),
    rateLimit({ permits: 1, perMs: 1 }),
    retry(),
    fallback(async () => ({ c: 1 })),
    timeout({ timeoutMs: 1 }),
    fallback(undefined),
    retry(),
  );

  it("know the alternatives of any number of policies", () => {
    expectTypeOf(many.run(() => 5)).toEqualTypeOf<Promise<number | "a" | "b" | { c: number } | undefined>>();
    expectTypeOf(many).toExtend<Policy<"a" | "b" | { c: number } | undefined>>();
    expectTypeOf(pipe(retry(), bulkhead({ concurrency: 1 })).run(async () => "x" as const)).toEqualTypeOf<
      Promise<"x">
    >();
    expectTypeOf(pipe(retry(), pipe(pipe(fallback(null)))).run(() => 1)).toEqualTypeOf<Promise<number | null>>();
    const dated: Policy<Date> = fallback(() => new Date(0));
    expectTypeOf(pipe(dated, retry()).run(() => 1)).toEqualTypeOf<Promise<number | Date>>();
  });

  it("know each policy, and what an operation is told", () => {
    expectTypeOf(many.policies).toHaveProperty("length").toEqualTypeOf<12>();
    expectTypeOf(many.policies[0]).toEqualTypeOf<FallbackPolicy<"a">>();
    expectTypeOf(many.policies[3]).toEqualTypeOf<BulkheadPolicy>();
    expectTypeOf(many.policies[11]).toEqualTypeOf<RetryPolicy>();
    expectTypeOf(many.run<number>)
      .parameter(0)
      .parameter(0)
      .toEqualTypeOf<CallContext>();
    const list: readonly Policy[] = [retry()];
    expectTypeOf(pipe(...list).run(() => 1)).toEqualTypeOf<Promise<number>>();
  });
});
