/** opossum: what happens to single calls, and what it counts of them. */
import { type PeerCase, verdict } from "./case.ts";
import { fakeTime, secondMs, settle } from "./fake-time.ts";
import { numbersSorted } from "./numbers-sorted.ts";
import { opossum } from "./packages.ts";
import { answer, each, hang, watch } from "./watch.ts";

export const opossumCallCases: readonly PeerCase[] = [
  {
    id: "opossum-capacity-timeout",
    item: 16,
    library: "opossum",
    claim: "A timeout frees its place while the action runs on: five run where one may",
    source: "the timeout releases the semaphore (lib/circuit.js)",
    async reproduce() {
      const time = fakeTime();
      const CircuitBreaker = opossum();
      const runningAfter = async (timeout: number | false): Promise<number> => {
        let running = 0;
        const action = (): Promise<never> => {
          running++;
          return hang();
        };
        const breaker = new CircuitBreaker(action, { timeout, capacity: 1, errorThresholdPercentage: 100 });
        for (let call = 0; call < 5; call++) {
          watch(breaker.fire());
          await time.pass(secondMs);
        }
        return running;
      };
      const bounded = await runningAfter(secondMs);
      const unbounded = await runningAfter(false);
      return verdict(
        unbounded === 1,
        bounded === 5,
        `capacity 1, five hung calls a second apart: ${bounded} run with a timeout of 1 s, ${unbounded} without`,
      );
    },
  },
  {
    id: "opossum-status-options",
    item: 18,
    library: "opossum",
    claim: "A breaker that is given saved counts forgets the window it was configured with",
    source: "the constructor makes its Status of { stats } alone (lib/circuit.js)",
    async reproduce() {
      fakeTime();
      const CircuitBreaker = opossum();
      const options = { rollingCountTimeout: 60 * secondMs, rollingCountBuckets: 60 };
      const fresh = new CircuitBreaker(answer, options);
      const restored = new CircuitBreaker(answer, { ...options, status: fresh.toJSON().status });
      const [buckets, restoredBuckets] = [fresh.status.window.length, restored.status.window.length];
      return verdict(
        buckets === 60,
        restoredBuckets === 10,
        `60 buckets configured: ${buckets}; with saved counts ${restoredBuckets}`,
      );
    },
  },
  {
    id: "opossum-undefined-result",
    item: 18,
    library: "opossum",
    claim: "A synchronous action that returns nothing is a failure",
    source: "call() reads result.then of whatever it is given (lib/circuit.js)",
    async reproduce() {
      fakeTime();
      const CircuitBreaker = opossum();
      const fired = async (result: unknown): Promise<string> => {
        const breaker = new CircuitBreaker(() => result, {});
        const call = watch(breaker.fire());
        await settle();
        return `${call.state} (${call.value}), ${breaker.stats.failures} failures, ${stateOf(breaker)}`;
      };
      const number = await fired(1);
      const nothing = await fired(undefined);
      return verdict(
        number === "resolved (1), 0 failures, closed",
        nothing.startsWith("rejected") && nothing.endsWith("1 failures, open"),
        `returns undefined: ${nothing}; returns 1: ${number}`,
      );
    },
  },
  {
    id: "opossum-listener-success",
    item: 18,
    library: "opossum",
    claim: "A success listener that throws makes a success a counted failure",
    source: "call() emits between the action's success and its resolution (lib/circuit.js)",
    async reproduce() {
      fakeTime();
      const CircuitBreaker = opossum();
      const fired = async (listener: () => void): Promise<string> => {
        const breaker = new CircuitBreaker(answer, {});
        breaker.on("success", listener);
        const call = watch(breaker.fire());
        await settle();
        const { successes, failures } = breaker.stats;
        return `${call.state} (${call.value}), ${successes} successes, ${failures} failures, ${stateOf(breaker)}`;
      };
      const quiet = await fired(() => undefined);
      const loud = await fired(() => {
        throw new Error("the listener failed");
      });
      return verdict(
        quiet === "resolved (answer), 1 successes, 0 failures, closed",
        loud.startsWith("rejected (the listener failed), 1 successes, 1 failures"),
        `throwing: ${loud}; quiet: ${quiet}`,
      );
    },
  },
  {
    id: "opossum-stats-cost",
    item: 18,
    library: "opossum",
    claim: "Each failure concatenates and sorts every latency of the window",
    source: "fail() reads stats, which are computed anew each time (lib/status.js)",
    async reproduce() {
      fakeTime();
      const CircuitBreaker = opossum();
      const sortedByFailure = async (calls: number, rollingPercentilesEnabled: boolean): Promise<number> => {
        let fails = false;
        const action = (): Promise<string> => (fails ? Promise.reject(new Error("failed")) : answer());
        const breaker = new CircuitBreaker(action, { rollingPercentilesEnabled });
        await each(calls, () => breaker.fire());
        fails = true;
        return numbersSorted(() => each(1, () => breaker.fire()));
      };
      const few = await sortedByFailure(10, true);
      const many = await sortedByFailure(10_000, true);
      const without = await sortedByFailure(10_000, false);
      return verdict(
        without === 0,
        few >= 10 && many >= 10_000,
        `one failure after 10,000 calls sorts ${many} numbers, after 10 calls ${few}; without percentiles ${without}`,
      );
    },
  },
];

function stateOf(breaker: { readonly opened: boolean; readonly closed: boolean }): string {
  if (breaker.closed) return "closed";
  return breaker.opened ? "open" : "half-open";
}
