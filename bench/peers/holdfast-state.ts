/** Holdfast's breaker where the peers' let the wrong call decide, or let callers wait for one. */
import { HoldfastError } from "../../src/base/index.ts";
import {
  type CircuitBreaker,
  type CircuitBreakerOptions,
  circuitBreaker,
  countWindow,
  timeWindow,
} from "../../src/resilience/index.ts";
import type { Answers } from "./case.ts";
import { dayMs, fakeTime, secondMs, settle } from "./fake-time.ts";
import { numbersSorted } from "./numbers-sorted.ts";
import { answer, each, fail, hang, watch } from "./watch.ts";

const openMs = secondMs;

export const stateAnswers: Answers = {
  async "cockatiel-sampling-stale-window"() {
    const time = fakeTime();
    const stateAfter = async (idleMs: number): Promise<string> => {
      const window = timeWindow({ durationMs: 5 * secondMs, failureRate: 0.5, minimumCalls: 5 });
      const breaker = breakerOf({ opensOn: { consecutiveFailures: false, averageRate: false, window } });
      await each(4, () => breaker.run(fail));
      await time.pass(idleMs);
      await each(1, () => breaker.run(fail));
      return breaker.state;
    };
    const idle = await stateAfter(300 * secondMs);
    const busy = await stateAfter(0);
    return {
      holds: idle === "closed" && busy === "open",
      observed: `4 failures, 300 s idle, 1 failure: ${idle}; not idle: ${busy}`,
    };
  },

  async "cockatiel-late-failure-half-open"() {
    const { breaker, late } = await openedWithLateCalls(1);
    void breaker.run(hang);
    const before = breaker.state;
    late();
    await settle();
    return {
      holds: before === "half-open" && breaker.state === "half-open" && breaker.statistics().late === 1,
      observed: `probe under way: ${before}; one late failure later: ${breaker.state}, ${breaker.statistics().late} late`,
    };
  },

  async "cockatiel-late-failures-closed"() {
    const { breaker, late } = await openedWithLateCalls(2);
    await breaker.run(answer);
    const before = breaker.state;
    late();
    await settle();
    return {
      holds: before === "closed" && breaker.state === "closed" && breaker.statistics().late === 2,
      observed: `the probe succeeded: ${before}; two late failures later: ${breaker.state}, ${breaker.statistics().late} late`,
    };
  },

  async "cockatiel-half-open-herd"() {
    const { breaker } = await openedWithLateCalls(0);
    const probe = Promise.withResolvers<string>();
    void breaker.run(() => probe.promise);
    let ran = 0;
    const callers = Array.from({ length: 500 }, () => watch(breaker.run(() => ran++)));
    await settle();
    const refused = callers.filter(({ state }) => state === "rejected").length;
    const refusal = await breaker.run(answer).catch((error: unknown) => error);
    probe.resolve("well");
    await settle();
    const [code, retryAfterMs] = HoldfastError.is(refusal) ? [refusal.code, refusal.details["retryAfterMs"]] : [];
    return {
      holds: refused === 500 && ran === 0 && code === "BREAKER_HALF_OPEN" && typeof retryAfterMs === "number",
      observed: `${refused} of 500 refused at once (${code}, again in ${retryAfterMs} ms); when the probe answers ${ran} run`,
    };
  },

  async "cockatiel-half-open-abort"() {
    const { breaker } = await openedWithLateCalls(0);
    void breaker.run(hang);
    let ran = 0;
    const abort = new AbortController();
    const caller = watch(breaker.run(() => ran++, { signal: abort.signal }));
    await settle();
    const before = caller.state;
    abort.abort();
    const late = watch(breaker.run(() => ran++, { signal: abort.signal }));
    await settle();
    return {
      holds: before === "rejected" && late.state === "rejected" && ran === 0,
      observed: `nobody waits: ${before} at once; with an aborted signal ${late.state} (${late.value})`,
    };
  },

  async "cockatiel-cancelled-probe"() {
    const { breaker } = await openedWithLateCalls(0);
    const abort = new AbortController();
    const probe = (): Promise<never> =>
      new Promise((_, reject) => abort.signal.addEventListener("abort", () => reject(abort.signal.reason)));
    watch(breaker.run(probe, { signal: abort.signal }));
    abort.abort();
    await settle();
    const cancelled = breaker.state;
    const next = watch(breaker.run(answer));
    await settle();
    return {
      holds: cancelled === "half-open" && next.state === "resolved",
      observed: `probe cancelled: ${cancelled}, and the next caller may try: ${next.state}`,
    };
  },

  async "opossum-late-success"() {
    const breaker = breakerOf();
    const slow = Promise.withResolvers<string>();
    void breaker.run(() => slow.promise);
    await each(2, () => breaker.run(fail));
    await fakeTime().pass(openMs);
    const before = breaker.state;
    slow.resolve("late");
    await settle();
    return {
      holds: before === "half-open" && breaker.state === "half-open",
      observed: `late success: ${before}, then ${breaker.state}, ${breaker.statistics().late} late`,
    };
  },

  async "opossum-hung-probe"() {
    const { breaker } = await openedWithLateCalls(0);
    watch(breaker.run(hang));
    await fakeTime().pass(dayMs);
    const { state } = breaker;
    const call = watch(breaker.run(answer));
    await settle();
    return {
      holds: call.state === "resolved",
      observed: `a day after a hung probe, without any timeout: ${state}, a good call ${call.state}`,
    };
  },

  async "opossum-rate-in-flight"() {
    const failuresToOpen = async (hung: number): Promise<number> => {
      const window = countWindow({ calls: 100, failureRate: 0.5, minimumCalls: 1 });
      const breaker = breakerOf({ opensOn: { consecutiveFailures: false, averageRate: false, window } });
      for (let call = 0; call < hung; call++) void breaker.run(hang);
      let failures = 0;
      for (; breaker.state === "closed" && failures < 100; failures++) await each(1, () => breaker.run(fail));
      return failures;
    };
    const [idle, busy] = [await failuresToOpen(0), await failuresToOpen(10)];
    return {
      holds: idle === 1 && busy === 1,
      observed: `beside 10 hung calls it takes ${busy} failure, beside none ${idle}`,
    };
  },

  async "opossum-stats-cost"() {
    const window = timeWindow({ durationMs: 60 * secondMs, failureRate: 0.5 });
    const breaker = breakerOf({ opensOn: { window } });
    for (let call = 0; call < 10_000; call++) await breaker.run(answer);
    const sorted = await numbersSorted(() => each(1, () => breaker.run(fail)));
    return { holds: sorted === 0, observed: `one failure after 10,000 calls sorts ${sorted} numbers` };
  },

  "mollitia-late-failures": async () => {
    const { breaker, late } = await openedWithLateCalls(2);
    const before = breaker.state;
    late();
    await settle();
    return {
      holds: before === "half-open" && breaker.state === "half-open",
      observed: `two late failures: ${before}, then ${breaker.state}`,
    };
  },

  async "mollitia-open-timer"() {
    const breaker = circuitBreaker({ name: "peer", opensOn: { consecutiveFailures: 2 } });
    await each(2, () => breaker.run(fail));
    const timers = process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
    return {
      holds: breaker.state === "open" && timers === 0,
      observed: `timers that keep Node alive: ${timers} with an ${breaker.state} breaker`,
    };
  },
};

/** Opens after two failures for a second, and closes after one good trial. */
export function breakerOf(options: Partial<CircuitBreakerOptions> = {}): CircuitBreaker {
  return circuitBreaker({
    name: "peer",
    opensOn: { consecutiveFailures: 2 },
    openMs,
    jitter: 0,
    halfOpen: { successes: 1 },
    ramp: false,
    clock: fakeTime().clock,
    ...options,
  });
}

/** Half-open again after two failures; before them so many calls began, which `late` lets fail. */
async function openedWithLateCalls(count: number): Promise<{ breaker: CircuitBreaker; late: () => void }> {
  const breaker = breakerOf();
  const service = Promise.withResolvers<never>();
  service.promise.catch(() => undefined);
  for (let call = 0; call < count; call++) watch(breaker.run(() => service.promise));
  await each(2, () => breaker.run(fail));
  await fakeTime().pass(openMs);
  return { breaker, late: () => service.reject(new Error("late")) };
}
