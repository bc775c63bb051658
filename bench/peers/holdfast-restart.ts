/** Holdfast's breaker over restarts, under clocks that step, and with listeners that throw. */
import {
  type CircuitBreaker,
  type CircuitBreakerOptions,
  type RestoreResult,
  restoreBreaker,
  snapshotBreaker,
  timeWindow,
} from "../../src/resilience/index.ts";
import type { Answers } from "./case.ts";
import { dayMs, fakeTime, hourMs, secondMs, settle } from "./fake-time.ts";
import { breakerOf } from "./holdfast-state.ts";
import { answer, each, fail, watch } from "./watch.ts";

const openMs = 100;

export const restartAnswers: Answers = {
  async "cockatiel-snapshot-isolated"() {
    const isolated = breakerOf();
    isolated.isolate("maintenance");
    const { breaker: restored } = restoredFrom(saved(isolated));
    const before = restored.state;
    const reasons = restored.isolations.map(({ reason }) => reason).join();
    for (const isolation of restored.isolations) isolation.release();
    return {
      holds: before === "isolated" && restored.state === "closed",
      observed: `restored ${before} (${reasons}); released: ${restored.state}`,
    };
  },

  async "cockatiel-snapshot-skew"() {
    const time = fakeTime();
    const openFor = async (skewMs: number): Promise<string> => {
      time.stepWallClock(skewMs);
      const away = breakerOf({ openMs });
      await each(2, () => away.run(fail));
      const snapshot = saved(away);
      time.stepWallClock(-skewMs);
      return measureOpen(restoredFrom(snapshot, { openMs }).breaker);
    };
    const [same, ahead, behind] = [await openFor(0), await openFor(dayMs), await openFor(-dayMs)];
    return {
      holds: same === "100 ms" && ahead === "100 ms",
      observed: `refuses: with equal clocks for ${same}, from a clock a day ahead for ${ahead}, a day behind for ${behind}`,
    };
  },

  async "cockatiel-clock-back"() {
    const openFor = async (stepMs: number): Promise<string> => {
      const breaker = breakerOf({ openMs });
      await each(2, () => breaker.run(fail));
      fakeTime().stepWallClock(stepMs);
      return measureOpen(breaker);
    };
    const [steady, back, on] = [await openFor(0), await openFor(-dayMs), await openFor(dayMs)];
    return {
      holds: steady === "100 ms" && back === "100 ms",
      observed: `refuses: with a steady clock for ${steady}, set back for ${back}, set on for ${on}`,
    };
  },

  async "cockatiel-snapshot-unvalidated"() {
    const whole = saved(breakerOf()) as Record<string, unknown>;
    let [damaged, ended] = [0, 0];
    const broken = [1, "x", {}, { sample: 1 }, { ...whole, state: "sample" }];
    for (const key of Object.keys(whole)) for (const value of [-1, "x", null]) broken.push({ ...whole, [key]: value });
    for (const restore of broken) {
      const { breaker, result } = restoredFrom(restore);
      if (result.status === "damaged") damaged++;
      await fakeTime().pass(secondMs);
      const call = watch(breaker.run(answer));
      await settle();
      if (call.state === "resolved") ended++;
    }
    // Some fields may be null, and then are what they were.
    const unchanged = broken.filter((one) => JSON.stringify(one) === JSON.stringify(whole)).length;
    return {
      holds: damaged === broken.length - unchanged && ended === broken.length,
      observed:
        `${broken.length} snapshots, ${unchanged} of them whole: ${damaged} told as damaged, none thrown at; ` +
        `after the open period ${ended} good calls ended well`,
    };
  },

  async "opossum-listener-success"() {
    const loud = await endWithListeners(true);
    const quiet = await endWithListeners(false);
    return { holds: loud === quiet, observed: `throwing: ${loud}; quiet: ${quiet}` };
  },

  async "cockatiel-listener-break"() {
    const breaker = breakerOf({ opensOn: { consecutiveFailures: 1 } });
    let told = 0;
    breaker.onStateChange(throwing);
    breaker.onFailure(throwing);
    breaker.onStateChange(() => told++);
    const call = watch(breaker.run(fail));
    await settle();
    return {
      holds: call.value === "the service failed" && told === 1 && breaker.state === "open",
      observed: `the caller gets: ${call.value}, ${told} change told, ${breaker.state}`,
    };
  },

  async "opossum-last-timer-at"() {
    const stateAfter = async (ageMs: number): Promise<string> => {
      const breaker = breakerOf();
      await fakeTime().pass(ageMs);
      await each(2, () => breaker.run(fail));
      return restoredFrom(saved(breaker)).breaker.state;
    };
    const [young, old] = [await stateAfter(0), await stateAfter(hourMs)];
    return {
      holds: young === "open" && old === "open",
      observed: `opened an hour after it was made, restored ${old}; at once: ${young}`,
    };
  },

  async "opossum-status-options"() {
    const time = fakeTime();
    const window = timeWindow({ durationMs: 60 * secondMs, buckets: 60, failureRate: 0.5, minimumCalls: 5 });
    const opensOn = { consecutiveFailures: false, averageRate: false, window } as const;
    const stateAfter = async (passedMs: number): Promise<string> => {
      const first = breakerOf({ opensOn });
      await each(4, () => first.run(fail));
      const { breaker: restored } = restoredFrom(saved(first), { opensOn });
      await time.pass(passedMs);
      await each(1, () => restored.run(fail));
      return restored.state;
    };
    const [within, beyond] = [await stateAfter(50 * secondMs), await stateAfter(62 * secondMs)];
    return {
      holds: within === "open" && beyond === "closed",
      observed: `a window of 60 s, 4 failures saved and restored; one more after 50 s: ${within}, after 62 s: ${beyond}`,
    };
  },

  async "opossum-undefined-result"() {
    const breaker = breakerOf({ opensOn: { consecutiveFailures: 1 } });
    const call = watch(breaker.run(() => undefined));
    const direct = breaker.runSync(() => undefined);
    await settle();
    const { successes, failures } = breaker.statistics();
    return {
      holds: call.state === "resolved" && direct === undefined && successes === 2 && failures === 0,
      observed: `returns undefined: ${call.state} (${call.value}), ${failures} failures, ${breaker.state}`,
    };
  },
};

/** A success that closes a half-open breaker, so that it is told of. */
async function endWithListeners(loud: boolean): Promise<string> {
  const breaker = breakerOf();
  let ran = 0;
  breaker.onStateChange(loud ? throwing : () => undefined);
  breaker.onFailure(loud ? throwing : () => undefined);
  await each(2, () => breaker.run(fail));
  await fakeTime().pass(secondMs);
  const call = watch(
    breaker.run(() => {
      ran++;
      return answer();
    }),
  );
  await settle();
  const { successes, failures } = breaker.statistics();
  return `ran ${ran} time, ${call.state} (${call.value}), ${successes} success, ${failures} failures, ${breaker.state}`;
}

function throwing(): never {
  throw new Error("the listener failed");
}

function saved(breaker: CircuitBreaker): unknown {
  return JSON.parse(JSON.stringify(snapshotBreaker(breaker)));
}

function restoredFrom(
  snapshot: unknown,
  options: Partial<CircuitBreakerOptions> = {},
): { breaker: CircuitBreaker; result: RestoreResult } {
  const breaker = breakerOf(options);
  return { breaker, result: restoreBreaker(breaker, snapshot) };
}

/** Calls at 100 ms, then each hour, until one gets through. */
async function measureOpen(breaker: CircuitBreaker): Promise<string> {
  const refused = (): Promise<boolean> =>
    breaker.run(answer).then(
      () => false,
      () => true,
    );
  if (!(await refused())) return "0 ms";
  await fakeTime().pass(openMs);
  if (!(await refused())) return `${openMs} ms`;
  for (let hours = 1; hours <= 48; hours++) {
    await fakeTime().pass(hourMs);
    if (!(await refused())) return `${hours} h`;
  }
  return "more than 48 h";
}
