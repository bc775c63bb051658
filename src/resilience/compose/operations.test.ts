/** What operations may do, rightly and wrongly, and that every policy passes it on as it is. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { VirtualClock } from "../../base/index.ts";
import type { Operation, Policy } from "../call.ts";
import { constant } from "./backoff.ts";
import { bulkhead } from "./bulkhead.ts";
import { fallback } from "./fallback.ts";
import { hedge } from "./hedge.ts";
import { pipe } from "./pipe.ts";
import { rateLimit } from "./rate-limit.ts";
import { retry } from "./retry.ts";
import { hang, listenersOn, rejectionOf, settlesThisTurn } from "./testing/probe.ts";
import { timeout } from "./timeout.ts";

const clock = new VirtualClock();
const never = { when: () => false };

/** Each policy, so made that it changes nothing about one call. */
const policies: readonly (readonly [string, () => Policy<unknown>])[] = [
  ["retry", () => retry({ maximumAttempts: 1 })],
  ["timeout that abandons", () => timeout({ timeoutMs: 1_000, clock })],
  ["timeout that is cooperative", () => timeout({ timeoutMs: 1_000, mode: "cooperative", clock })],
  ["bulkhead", () => bulkhead({ concurrency: 1_000 })],
  ["fallback", () => fallback("unused", never)],
  ["hedge", () => hedge({ delayMs: 1_000, clock })],
  ["rate limit", () => rateLimit({ permits: 1_000_000, perMs: 1, clock })],
  ["rate limit that waits", () => rateLimit({ permits: 1_000_000, perMs: 1, mode: "wait", clock })],
  ["pipe of none", () => pipe()],
  [
    "pipe of six",
    () =>
      pipe(
        fallback("unused", never),
        timeout({ timeoutMs: 1_000, clock }),
        retry({ maximumAttempts: 1 }),
        rateLimit({ permits: 1_000_000, perMs: 1, clock }),
        bulkhead({ concurrency: 1_000 }),
        hedge({ delayMs: 1_000, clock }),
      ),
  ],
];

const error = new Error("own");
const thrown: readonly unknown[] = [error, undefined, null, 0, "", "text", Symbol("own"), { plain: true }, () => 1];

/** A thenable of another library, with faults of its own. */
function thenable(then: (resolve: (value: unknown) => void, reject: (error: unknown) => void) => void): unknown {
  return { then };
}

describe.each(policies)("%s", (_name, make) => {
  it("takes a signal of null for none, as fetch does", async () => {
    const policy = make();
    const options = { signal: null } as unknown as { readonly signal: AbortSignal };
    expect(await policy.run(async ({ isAbortable }) => isAbortable || "run", options)).toBeTruthy();
    expect(await rejectionOf(policy.run(() => Promise.reject(error), options))).toBe(error);
  });

  it("passes on results as they are, of synchronous operations and others", async () => {
    const policy = make();
    const object = { own: true };
    for (const value of [5, 0, "", null, undefined, false, object, () => 1, Symbol("own"), [object]]) {
      expect(await policy.run(() => value)).toBe(value);
      expect(await policy.run(async () => value)).toBe(value);
      expect(await policy.run(() => thenable((resolve) => resolve(value)))).toBe(value);
    }
  });

  it("passes on what is thrown and rejected with as it is", async () => {
    const policy = make();
    for (const value of thrown) {
      const operations: readonly Operation<unknown>[] = [
        () => {
          throw value;
        },
        () => Promise.reject(value),
        () => thenable((_, reject) => reject(value)),
        () =>
          thenable(() => {
            throw value;
          }),
      ];
      for (const operation of operations) expect(await rejectionOf(policy.run(operation))).toBe(value);
    }
  });

  it("hears a thenable once, whatever it calls", async () => {
    const policy = make();
    const first = thenable((resolve, reject) => {
      resolve("first");
      reject(error);
      resolve("second");
      throw error;
    });
    expect(await policy.run(() => first)).toBe("first");
    const second = thenable((resolve, reject) => {
      reject(error);
      resolve("late");
    });
    expect(await rejectionOf(policy.run(() => second))).toBe(error);
    const broken = {
      get then(): never {
        throw error;
      },
    };
    expect(await rejectionOf(policy.run(() => broken))).toBe(error);
  });

  it("lets a caller go within the turn of an abort, whatever the operation does", async () => {
    const policy = make();
    const before = clock.timers;
    for (const operation of [hang, () => thenable(() => {}), async () => hang()]) {
      const controller = new AbortController();
      const call = policy.run(operation, { signal: controller.signal });
      expect(await settlesThisTurn(call)).toBe(false);
      const reason = { why: "enough" };
      controller.abort(reason);
      expect(await settlesThisTurn(call)).toBe(true);
      expect(await rejectionOf(call)).toBe(reason);
      expect([listenersOn(controller.signal), clock.timers]).toEqual([0, before]);
    }
  });

  it("lets a caller go whom the operation itself sends away, and leaves no timer", async () => {
    const policy = make();
    const before = clock.timers;
    const controller = new AbortController();
    const call = policy.run(
      () => {
        controller.abort("sent away");
        return hang();
      },
      { signal: controller.signal },
    );
    expect(await settlesThisTurn(call)).toBe(true);
    expect(await rejectionOf(call)).toBe("sent away");
    expect([listenersOn(controller.signal), clock.timers]).toEqual([0, before]);
  });

  it("passes on the reason of an abort as it is, and never calls for one who has left", async () => {
    const policy = make();
    let calls = 0;
    for (const reason of thrown.filter((value) => value !== undefined)) {
      expect(await rejectionOf(policy.run(() => calls++, { signal: AbortSignal.abort(reason) }))).toBe(reason);
    }
    expect(await rejectionOf(policy.run(() => calls++, { signal: AbortSignal.abort() }))).toMatchObject({
      name: "AbortError",
    });
    expect(calls).toBe(0);
  });

  it("leaves nothing on a signal that many calls share", async () => {
    const policy = make();
    const { signal } = new AbortController();
    const before = clock.timers;
    for (let call = 0; call < 500; call++) {
      const operation: Operation<number> = async (context) => {
        if (call % 3 === 0) context.signal.throwIfAborted();
        if (call % 5 === 0) throw error;
        return call;
      };
      const outcome = policy.run(operation, { signal });
      if (call % 5 === 0) expect(await rejectionOf(outcome)).toBe(error);
      else expect(await outcome).toBe(call);
    }
    expect([listenersOn(signal), clock.timers]).toEqual([0, before]);
  });
});

describe("a pipe of six", () => {
  it("leaves no listener, no timer and no memory after many calls on one signal", async () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
    const timersBefore = timers();
    const { signal } = new AbortController();
    const policy = pipe(
      fallback("none"),
      retry({ backoff: constant(0) }),
      rateLimit({ permits: 1e9, perMs: 1 }),
      bulkhead({ concurrency: 100 }),
      hedge({ delayMs: 60_000 }),
      timeout({ timeoutMs: 60_000 }),
    );
    const operation: Operation<number> = async ({ signal: own }) => (own.aborted ? 0 : 1);
    const round = async (calls: number): Promise<number> => {
      for (let call = 0; call < calls; call += 10) {
        await Promise.all(Array.from({ length: 10 }, () => policy.run(operation, { signal })));
      }
      collect();
      return process.memoryUsage().heapUsed;
    };
    const beforeBytes = await round(5_000);
    const afterBytes = await round(20_000);
    expect(listenersOn(signal)).toBe(0);
    // A leak of one object a call would be more.
    expect(afterBytes - beforeBytes).toBeLessThan(500_000);
    expect(timers()).toBe(timersBefore);
  });
});
