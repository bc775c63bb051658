/** cockatiel: what a saved state does to the process that takes it over, and what a clock does to both. */
import { type PeerCase, verdict } from "./case.ts";
import { stateNames } from "./cockatiel-state.ts";
import { dayMs, fakeTime, hourMs } from "./fake-time.ts";
import { type CockatielBreaker, cockatiel } from "./packages.ts";
import { answer, each, fail, watch } from "./watch.ts";

const halfOpenAfterMs = 100;

export const snapshotCases: readonly PeerCase[] = [
  {
    id: "cockatiel-snapshot-isolated",
    item: 4,
    library: "cockatiel",
    claim: "A breaker restored from the snapshot of an isolated one can never be released",
    source: "CircuitBreakerPolicy.toJSON keeps the counter of handles that no process holds any more",
    async reproduce() {
      fakeTime();
      const isolated = consecutive();
      const handle = isolated.isolate();
      const restored = consecutive(saved(isolated));
      handle.dispose();
      restored.isolate().dispose();
      const [own, other] = [stateNames[isolated.state], stateNames[restored.state]];
      return verdict(
        own === "Closed",
        other === "Isolated",
        `every handle disposed: the original is ${own}, the restored one ${other}`,
      );
    },
  },
  {
    id: "cockatiel-snapshot-skew",
    item: 5,
    library: "cockatiel",
    claim: "A snapshot from a host whose clock is a day ahead keeps a breaker of 100 ms open for a day",
    source: "Date.now() in CircuitBreakerPolicy.execute and .open; the snapshot has only a wall time",
    async reproduce() {
      const time = fakeTime();
      const openFor = async (skewMs: number): Promise<string> => {
        time.stepWallClock(skewMs);
        const away = consecutive();
        await each(2, () => away.execute(fail));
        const snapshot = saved(away);
        time.stepWallClock(-skewMs);
        return measureOpen(consecutive(snapshot));
      };
      const same = await openFor(0);
      const ahead = await openFor(dayMs);
      return verdict(
        same === "100 ms",
        ahead === "24 h",
        `refuses: with equal clocks for ${same}, with a day between them for ${ahead}`,
      );
    },
  },
  {
    id: "cockatiel-clock-back",
    item: 5,
    library: "cockatiel",
    claim: "A wall clock set back by a day keeps an open breaker of 100 ms open for a day",
    source: "Date.now() in CircuitBreakerPolicy.execute and .open",
    async reproduce() {
      const time = fakeTime();
      const openFor = async (stepMs: number): Promise<string> => {
        const breaker = consecutive();
        await each(2, () => breaker.execute(fail));
        time.stepWallClock(stepMs);
        return measureOpen(breaker);
      };
      const steady = await openFor(0);
      const back = await openFor(-dayMs);
      return verdict(
        steady === "100 ms",
        back === "24 h",
        `refuses: with a steady clock for ${steady}, set back for ${back}`,
      );
    },
  },
  {
    id: "cockatiel-snapshot-unvalidated",
    item: 6,
    library: "cockatiel",
    claim: "A snapshot replaces a method of the breaker, and successful calls then fail",
    source: "CountBreaker's state setter assigns whatever it is given to itself",
    async reproduce() {
      const { CountBreaker, circuitBreaker, handleAll } = cockatiel();
      const callAfter = async (breakerState: object): Promise<string> => {
        const breaker = new CountBreaker({ threshold: 0.5, size: 4 });
        const initialState = { ownState: { value: 0 }, breakerState };
        const call = watch(circuitBreaker(handleAll, { halfOpenAfter: 100, breaker, initialState }).execute(answer));
        await fakeTime().pass(0);
        return `${call.state} (${call.value})`;
      };
      const whole = await callAfter({});
      const broken = await callAfter({ sample: 1 });
      return verdict(
        whole.startsWith("resolved"),
        broken.startsWith("rejected"),
        `a good call after {}: ${whole}; after {"sample":1}: ${broken}`,
      );
    },
  },
];

function consecutive(initialState?: unknown): CockatielBreaker {
  const { ConsecutiveBreaker, circuitBreaker, handleAll } = cockatiel();
  const options = { halfOpenAfter: halfOpenAfterMs, breaker: new ConsecutiveBreaker(2) };
  return circuitBreaker(handleAll, initialState === undefined ? options : { ...options, initialState });
}

/** As it comes back from a file. */
function saved(breaker: CockatielBreaker): unknown {
  return JSON.parse(JSON.stringify(breaker));
}

/** Calls at 100 ms, then each hour, until one gets through. */
async function measureOpen(breaker: CockatielBreaker): Promise<string> {
  const refused = async (): Promise<boolean> => {
    const call = watch(breaker.execute(answer));
    await fakeTime().pass(0);
    return call.state === "rejected";
  };
  await fakeTime().pass(halfOpenAfterMs);
  if (!(await refused())) return `${halfOpenAfterMs} ms`;
  for (let hours = 1; hours <= 48; hours++) {
    await fakeTime().pass(hourMs);
    if (!(await refused())) return `${hours} h`;
  }
  return "more than 48 h";
}
