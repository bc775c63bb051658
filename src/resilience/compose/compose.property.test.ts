/**
 * Random pipes over random operations, in virtual time. However the policies stand and whatever the operations do: each
 * call ends by its abort or deadline, nothing is left behind, and no bound is passed.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { seededRandom, VirtualClock } from "../../base/index.ts";
import type { CallContext, Policy } from "../call.ts";
import { constant, decorrelatedJitter } from "./backoff.ts";
import { BulkheadPolicy, bulkhead } from "./bulkhead.ts";
import { fallback } from "./fallback.ts";
import { HedgePolicy, hedge } from "./hedge.ts";
import { pipe } from "./pipe.ts";
import { rateLimit } from "./rate-limit.ts";
import { RetryPolicy, retry } from "./retry.ts";
import { retryBudget } from "./retry-budget.ts";
import { listenersOn, nextTurn, pending } from "./testing/probe.ts";
import { TimeoutPolicy, timeout } from "./timeout.ts";

const millis = (max: number): fc.Arbitrary<number> => fc.integer({ min: 0, max });
const count = (max: number): fc.Arbitrary<number> => fc.integer({ min: 1, max });

const policySpec = fc.oneof(
  fc.record({
    kind: fc.constant("retry" as const),
    attempts: count(4),
    waitMs: millis(50),
    jitter: fc.boolean(),
    budget: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant("timeout" as const),
    timeoutMs: count(200),
    mode: fc.constantFrom("abandon" as const, "cooperative" as const),
    graceMs: fc.option(millis(50), { nil: undefined }),
  }),
  fc.record({ kind: fc.constant("bulkhead" as const), concurrency: count(3), queue: millis(4), waitMs: count(100) }),
  fc.record({ kind: fc.constant("fallback" as const), slow: fc.boolean(), throws: fc.boolean() }),
  fc.record({ kind: fc.constant("hedge" as const), delayMs: millis(60), hedges: count(3), budget: fc.boolean() }),
  fc.record({ kind: fc.constant("rateLimit" as const), permits: count(5), wait: fc.boolean(), queue: millis(5) }),
);
type PolicySpec = typeof policySpec extends fc.Arbitrary<infer Spec> ? Spec : never;

/** What one run of an operation does. */
const behaviour = fc.record({
  ending: fc.constantFrom("succeed", "fail", "hang", "throw", "plain"),
  afterMs: millis(150),
  obeys: fc.boolean(),
});

const callSpec = fc.record({ startMs: millis(100), abortAfterMs: millis(600) });

function make(spec: PolicySpec, clock: VirtualClock, budget: ReturnType<typeof retryBudget>): Policy<unknown> {
  const random = seededRandom(1);
  switch (spec.kind) {
    case "retry": {
      const backoff = spec.jitter ? decorrelatedJitter({ baseMs: spec.waitMs, maximumMs: 200 }) : constant(spec.waitMs);
      return retry({ maximumAttempts: spec.attempts, backoff, clock, random, ...(spec.budget ? { budget } : {}) });
    }
    case "timeout": {
      const grace = spec.graceMs === undefined ? {} : { abortGraceMs: spec.graceMs };
      return timeout({ timeoutMs: spec.timeoutMs, mode: spec.mode, clock, ...grace });
    }
    case "bulkhead":
      return bulkhead({ concurrency: spec.concurrency, queueLimit: spec.queue, queueTimeoutMs: spec.waitMs, clock });
    case "fallback":
      return fallback(() => {
        if (spec.throws) throw new Error("no alternative");
        return spec.slow ? new Promise((resolve) => setImmediate(resolve, "slow")) : "alternative";
      });
    case "hedge":
      return hedge({ delayMs: spec.delayMs, maximumHedges: spec.hedges, clock, ...(spec.budget ? { budget } : {}) });
    case "rateLimit":
      return rateLimit({
        permits: spec.permits,
        perMs: 50,
        mode: spec.wait ? "wait" : "reject",
        queueLimit: spec.queue,
        clock,
      });
  }
}

type Behaviours = readonly { readonly ending: string; readonly afterMs: number; readonly obeys: boolean }[];

/** Operations that do what was drawn for them, and a count of those that run. */
class Workplace {
  readonly #clock: VirtualClock;
  readonly #behaviours: Behaviours;
  readonly #hung = new Set<(error: Error) => void>();
  begun = 0;
  running = 0;
  most = 0;

  constructor(clock: VirtualClock, behaviours: Behaviours) {
    this.#clock = clock;
    this.#behaviours = behaviours;
  }

  readonly operation = (context: CallContext): Promise<string> | string => {
    const { ending, afterMs, obeys } = this.#behaviours[this.begun++ % this.#behaviours.length]!;
    if (ending === "throw") throw new Error("thrown");
    if (ending === "plain") return "plain";
    this.running++;
    this.most = Math.max(this.most, this.running);
    const job = pending<string>();
    const stop = ending === "hang" ? (): void => {} : this.#clock.schedule(afterMs, () => end());
    const end = (error: Error | undefined = ending === "fail" ? new Error("failed") : undefined): void => {
      if (!this.#hung.delete(end)) return;
      stop();
      this.running--;
      if (error === undefined) job.resolve("done");
      else job.reject(error);
    };
    this.#hung.add(end);
    if (obeys) {
      if (context.aborted) end(new Error("stopped"));
      else context.signal.addEventListener("abort", () => end(new Error("stopped")), { once: true });
    }
    return job.promise;
  };

  endAll(): void {
    for (const end of this.#hung) end(new Error("ended at last"));
  }
}

/** How many runs of the operation one call can come to. */
function mostRuns(policies: readonly Policy<unknown>[]): number {
  let most = 1;
  for (const policy of policies) {
    if (policy instanceof RetryPolicy) most *= policy.maximumAttempts;
    if (policy instanceof HedgePolicy) most *= 1 + policy.maximumHedges;
  }
  return most;
}

/** What bounds the operations that run: the bulkheads inside which one call is one run of the operation. */
function concurrencyBound(policies: readonly Policy<unknown>[]): number {
  const bounds = policies.flatMap((policy, place) =>
    policy instanceof BulkheadPolicy && mostRuns(policies.slice(place + 1)) === 1 ? [policy.concurrency] : [],
  );
  return Math.min(Infinity, ...bounds);
}

describe("any pipe of any policies", () => {
  it("ends each call by its abort or deadline, leaves nothing behind, and passes no bound", async () => {
    let ended = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(policySpec, { minLength: 1, maxLength: 6 }),
        fc.array(behaviour, { minLength: 1, maxLength: 8 }),
        fc.array(callSpec, { minLength: 1, maxLength: 8 }),
        async (specs, behaviours, calls) => {
          const clock = new VirtualClock();
          const budget = retryBudget({ ratio: 0.5, minimumPerSecond: 1, windowMs: 60_000, clock });
          const policies = specs.map((spec) => make(spec, clock, budget));
          const policy = pipe(...policies);
          const work = new Workplace(clock, behaviours);
          const signals: AbortSignal[] = [];
          let settled = 0;
          for (const { startMs, abortAfterMs } of calls) {
            clock.schedule(startMs, () => {
              const controller = new AbortController();
              signals.push(controller.signal);
              clock.schedule(abortAfterMs, () => controller.abort("left"));
              const outer = specs[0]!;
              const strict = outer.kind === "timeout" && (outer.mode === "abandon" || outer.graceMs !== undefined);
              const deadlineMs = strict ? outer.timeoutMs + (outer.mode === "abandon" ? 0 : outer.graceMs!) : Infinity;
              const end = (): void => {
                settled++;
                expect(clock.monotonicMs() - startMs).toBeLessThanOrEqual(Math.min(abortAfterMs, deadlineMs));
              };
              policy.run(work.operation, { signal: controller.signal }).then(end, end);
            });
          }
          await clock.advance(701);
          expect(settled).toBe(calls.length);
          ended += settled;
          expect(work.most).toBeLessThanOrEqual(concurrencyBound(policies));
          work.endAll();
          await nextTurn();
          await nextTurn();
          expect(work.running).toBe(0);
          expect(clock.timers).toBe(0);
          expect(signals.map(listenersOn)).toEqual(signals.map(() => 0));
          expect(work.begun).toBeLessThanOrEqual(calls.length * mostRuns(policies));
          expect(budget.statistics().spent).toBeLessThanOrEqual(calls.length * 0.5 + 60);
          for (const one of policies) {
            if (one instanceof TimeoutPolicy) expect(one.statistics().abandonedRunning).toBe(0);
            if (!(one instanceof BulkheadPolicy)) continue;
            expect(one.statistics()).toMatchObject({ running: 0, queued: 0 });
            expect(one.statistics().peak).toBeLessThanOrEqual(one.concurrency);
          }
        },
      ),
      { numRuns: Number(process.env["HOLDFAST_PROPERTY_RUNS"] ?? 250) },
    );
    expect(ended).toBeGreaterThan(250);
  });
});
