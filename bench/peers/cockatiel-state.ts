/** cockatiel: which calls decide over the state of a breaker, and who waits for the decision. */
import { type PeerCase, verdict } from "./case.ts";
import { dayMs, type FakeTime, fakeTime, secondMs, settle } from "./fake-time.ts";
import { type CockatielBreaker, cockatiel } from "./packages.ts";
import { answer, each, fail, hang, watch } from "./watch.ts";

export const stateNames = ["Closed", "Open", "HalfOpen", "Isolated"] as const;
const halfOpenAfterMs = secondMs;

export const stateCases: readonly PeerCase[] = [
  {
    id: "cockatiel-sampling-stale-window",
    item: 1,
    library: "cockatiel",
    claim: "SamplingBreaker over 5 s counts failures from before five idle minutes",
    source: "cockatiel#64; SamplingBreaker.rotateWindow moves on by one bucket, whatever time has passed",
    async reproduce() {
      const time = fakeTime();
      const breakerAfter = async (between: (breaker: CockatielBreaker) => Promise<void>): Promise<string> => {
        const { SamplingBreaker, circuitBreaker, handleAll } = cockatiel();
        const sampling = new SamplingBreaker({ threshold: 0.5, duration: 5 * secondMs, minimumRps: 1 });
        const breaker = circuitBreaker(handleAll, { halfOpenAfter: halfOpenAfterMs, breaker: sampling });
        await each(4, () => breaker.execute(fail));
        await between(breaker);
        await each(1, () => breaker.execute(fail));
        return stateNames[breaker.state]!;
      };
      const idle = await breakerAfter(() => time.pass(300 * secondMs));
      const busy = await breakerAfter(async (breaker) => {
        for (let second = 0; second < 10; second++) {
          await time.pass(secondMs);
          await breaker.execute(answer);
        }
      });
      const observed = `4 failures, 300 s idle, 1 failure: ${idle}; with a success each second between: ${busy}`;
      return verdict(busy === "Closed", idle === "Open", observed);
    },
  },
  {
    id: "cockatiel-late-failure-half-open",
    item: 2,
    library: "cockatiel",
    claim: "A call from before the opening that fails late opens a half-open breaker before its probe answers",
    source: "CircuitBreakerPolicy.execute compares no state after a call of the closed period",
    async reproduce() {
      const { late, breaker, time } = await openedWithLateCalls(1);
      await time.pass(halfOpenAfterMs);
      void breaker.execute(hang);
      const before = stateNames[breaker.state];
      late();
      await settle();
      const after = stateNames[breaker.state];
      return verdict(
        before === "HalfOpen",
        after === "Open",
        `probe under way: ${before}; one late failure later: ${after}, the probe still unanswered`,
      );
    },
  },
  {
    id: "cockatiel-late-failures-closed",
    item: 2,
    library: "cockatiel",
    claim: "Two calls from before the opening that fail late open a breaker whose probe has just closed it",
    source: "CircuitBreakerPolicy.execute compares no state after a call of the closed period",
    async reproduce() {
      const { late, breaker, time } = await openedWithLateCalls(2);
      await time.pass(halfOpenAfterMs);
      await breaker.execute(answer);
      const before = stateNames[breaker.state];
      late();
      await settle();
      const after = stateNames[breaker.state];
      return verdict(
        before === "Closed",
        after === "Open",
        `the probe succeeded: ${before}; two late failures later: ${after}, no call begun since has failed`,
      );
    },
  },
  {
    id: "cockatiel-half-open-herd",
    item: 3,
    library: "cockatiel",
    claim: "Callers beside a probe wait without bound, and all run at once when it answers",
    source: "CircuitBreakerPolicy.executeHalfOpen awaits the decision",
    async reproduce() {
      const herd = async (probeAnswers: boolean): Promise<{ waiting: number; running: number }> => {
        const { breaker, time } = await openedWithLateCalls(0);
        await time.pass(halfOpenAfterMs);
        const probe = Promise.withResolvers<string>();
        void breaker.execute(() => probe.promise);
        let running = 0;
        const callers = Array.from({ length: 500 }, () =>
          watch(
            breaker.execute(() => {
              running++;
              return hang();
            }),
          ),
        );
        await time.pass(dayMs);
        const waiting = callers.filter(({ state }) => state === "pending").length;
        if (probeAnswers) probe.resolve("well");
        await settle();
        return { waiting, running };
      };
      const open = await refusedWhileOpen(500);
      const hung = await herd(false);
      const answered = await herd(true);
      return verdict(
        open === 500 && hung.running === 0,
        hung.waiting === 500 && answered.running === 500,
        `while open ${open} of 500 refused at once; beside a hung probe ${hung.waiting} wait a day; ` +
          `when it answers ${answered.running} run at once`,
      );
    },
  },
  {
    id: "cockatiel-half-open-abort",
    item: 3,
    library: "cockatiel",
    claim: "A caller that waits beside a probe cannot be aborted",
    source: "CircuitBreakerPolicy.executeHalfOpen awaits the decision without its signal",
    async reproduce() {
      const { breaker, time } = await openedWithLateCalls(0);
      await time.pass(halfOpenAfterMs);
      const probe = Promise.withResolvers<string>();
      void breaker.execute(() => probe.promise);
      const abort = new AbortController();
      let ran = 0;
      const caller = watch(breaker.execute(() => ran++, abort.signal));
      abort.abort();
      await time.pass(dayMs);
      const afterDay = caller.state;
      probe.resolve("well");
      await settle();
      return verdict(
        caller.state === "rejected" && ran === 0,
        afterDay === "pending",
        `a day after the abort: ${afterDay}; after the probe's answer: ${caller.state}, "${caller.value}"`,
      );
    },
  },
  {
    id: "cockatiel-cancelled-probe",
    item: 9,
    library: "cockatiel",
    claim: "A probe that its caller cancels closes the circuit, although the service never answered",
    source: "CircuitBreakerPolicy.executeHalfOpen records any error it does not handle as a success",
    async reproduce() {
      const time = fakeTime();
      const afterProbe = async (probe: (signal: AbortSignal) => unknown): Promise<string> => {
        const { ConsecutiveBreaker, circuitBreaker, handleWhen } = cockatiel();
        const filter = handleWhen((error) => error.name !== "AbortError");
        const options = { halfOpenAfter: halfOpenAfterMs, breaker: new ConsecutiveBreaker(2) };
        const breaker = circuitBreaker(filter, options);
        await each(2, () => breaker.execute(fail));
        await time.pass(halfOpenAfterMs);
        const abort = new AbortController();
        const call = watch(breaker.execute(({ signal }) => probe(signal), abort.signal));
        abort.abort();
        await settle();
        return `${stateNames[breaker.state]} (${call.value})`;
      };
      const untilAborted = (signal: AbortSignal): Promise<never> =>
        new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      const cancelled = await afterProbe(untilAborted);
      const failed = await afterProbe(fail);
      return verdict(
        failed.startsWith("Open"),
        cancelled.startsWith("Closed"),
        `probe cancelled: ${cancelled}; probe failed: ${failed}`,
      );
    },
  },
];

/** Two failures open it; before them so many calls began, which `late` lets fail. */
async function openedWithLateCalls(
  count: number,
): Promise<{ breaker: CockatielBreaker; late: () => void; time: FakeTime }> {
  const time = fakeTime();
  const { ConsecutiveBreaker, circuitBreaker, handleAll } = cockatiel();
  const breaker = circuitBreaker(handleAll, { halfOpenAfter: halfOpenAfterMs, breaker: new ConsecutiveBreaker(2) });
  const service = Promise.withResolvers<never>();
  for (let call = 0; call < count; call++) watch(breaker.execute(() => service.promise));
  await each(2, () => breaker.execute(fail));
  if (count === 0) service.promise.catch(() => undefined);
  return { breaker, late: () => service.reject(new Error("late")), time };
}

async function refusedWhileOpen(count: number): Promise<number> {
  const { breaker } = await openedWithLateCalls(0);
  const calls = Array.from({ length: count }, () => watch(breaker.execute(hang)));
  await settle();
  return calls.filter(({ state }) => state === "rejected").length;
}
