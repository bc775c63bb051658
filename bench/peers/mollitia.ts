/** mollitia: who decides over its half-open breaker, and what keeps a process alive. */
import { setTimeout as wait } from "node:timers/promises";
import { type PeerCase, verdict } from "./case.ts";
import { fakeTime, secondMs, settle } from "./fake-time.ts";
import { type MollitiaBreaker, mollitia } from "./packages.ts";
import { answer, each, fail, watch } from "./watch.ts";

type Service = () => Promise<unknown>;

export const mollitiaCases: readonly PeerCase[] = [
  {
    id: "mollitia-late-failures",
    item: 19,
    library: "mollitia",
    claim: "Two calls from before the opening that fail late open a half-open breaker with no probe sent",
    source: "SlidingCountBreaker.executeInClosed judges its call by the state at its end",
    async reproduce() {
      const time = fakeTime();
      const afterDelay = async (late: boolean): Promise<string> => {
        const { breaker, call } = breakerOf();
        const slow = Promise.withResolvers<never>();
        for (let index = 0; index < 2; index++) watch(call(() => slow.promise));
        await settle();
        await each(2, () => call(fail));
        await time.pass(secondMs);
        const before = breaker.state;
        if (late) slow.reject(new Error("late"));
        await settle();
        return `${before}, then ${breaker.state}`;
      };
      const without = await afterDelay(false);
      const withLate = await afterDelay(true);
      return verdict(
        without === "half-opened, then half-opened",
        withLate === "half-opened, then opened",
        `two late failures: ${withLate}; none: ${without}`,
      );
    },
  },
  {
    id: "mollitia-open-timer",
    item: 19,
    library: "mollitia",
    claim: "An open breaker keeps its process alive until it is half-open",
    source: "SlidingWindowBreaker.setHalfDelay does not unref its timer",
    async reproduce() {
      const timersAfter = async (service: Service): Promise<number> => {
        const { call, dispose } = breakerOf();
        await each(2, () => call(service));
        await wait(1);
        const timers = process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
        dispose();
        return timers;
      };
      const closed = await timersAfter(answer);
      const opened = await timersAfter(fail);
      return verdict(
        closed === 0,
        opened === 1,
        `timers that keep Node alive: ${opened} with an open breaker, ${closed} with a closed one`,
      );
    },
  },
];

function breakerOf(): {
  breaker: MollitiaBreaker;
  call: (service: Service) => Promise<unknown>;
  dispose: () => void;
} {
  const { Circuit, SlidingCountBreaker } = mollitia();
  const breaker = new SlidingCountBreaker({
    slidingWindowSize: 2,
    minimumNumberOfCalls: 2,
    failureRateThreshold: 50,
    openStateDelay: secondMs,
    permittedNumberOfCallsInHalfOpenState: 2,
  });
  const circuit = new Circuit({ func: (service: Service) => service(), options: { modules: [breaker] } });
  return { breaker, call: (service) => circuit.execute(service), dispose: () => circuit.dispose() };
}
