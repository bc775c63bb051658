/** cockatiel: what happens to single calls in its policies, when a listener throws or the caller aborts. */
import { type PeerCase, verdict } from "./case.ts";
import { fakeTime, secondMs, settle } from "./fake-time.ts";
import { cockatiel } from "./packages.ts";
import { answer, fail, hang, watch } from "./watch.ts";

export const callCases: readonly PeerCase[] = [
  {
    id: "cockatiel-listener-success",
    item: 7,
    library: "cockatiel",
    claim: "A listener that throws turns a success into a failure, which is then tried again",
    source: "ExecuteWrapper.invoke emits within the try that catches the call's own errors",
    async reproduce() {
      const time = fakeTime();
      const { ConstantBackoff, handleAll, retry } = cockatiel();
      const retried = async (listener: () => void): Promise<{ ran: number; end: string }> => {
        const policy = retry(handleAll, { maxAttempts: 3, backoff: new ConstantBackoff(10) });
        policy.onSuccess(listener);
        let ran = 0;
        const call = watch(
          policy.execute(() => {
            ran++;
            return answer();
          }),
        );
        await settle();
        for (let wait = 0; wait < 5; wait++) await time.pass(10);
        return { ran, end: `${call.state} (${call.value})` };
      };
      const quiet = await retried(() => undefined);
      const loud = await retried(() => {
        throw new Error("the listener failed");
      });
      return verdict(
        quiet.ran === 1 && quiet.end === "resolved (answer)",
        loud.ran === 4 && loud.end === "rejected (the listener failed)",
        `the call that succeeds ran ${loud.ran} times and was ${loud.end}; ` +
          `with a quiet listener ${quiet.ran} time, ${quiet.end}`,
      );
    },
  },
  {
    id: "cockatiel-listener-break",
    item: 7,
    library: "cockatiel",
    claim: "An onBreak listener that throws hides the service's error and keeps onStateChange from being told",
    source: "CircuitBreakerPolicy.open emits unguarded",
    async reproduce() {
      const { ConsecutiveBreaker, circuitBreaker, handleAll } = cockatiel();
      const broken = async (listener: () => void): Promise<string> => {
        const breaker = circuitBreaker(handleAll, { halfOpenAfter: 100, breaker: new ConsecutiveBreaker(1) });
        let changes = 0;
        breaker.onBreak(listener);
        breaker.onStateChange(() => changes++);
        const call = watch(breaker.execute(fail));
        await settle();
        return `${call.value}, ${changes} changes told`;
      };
      const quiet = await broken(() => undefined);
      const loud = await broken(() => {
        throw new Error("the listener failed");
      });
      return verdict(
        quiet === "the service failed, 1 changes told",
        loud === "the listener failed, 0 changes told",
        `the caller gets: ${loud}; with a quiet listener: ${quiet}`,
      );
    },
  },
  {
    id: "cockatiel-retry-abort",
    item: 8,
    library: "cockatiel",
    claim: "An abort during a retry's delay waits the delay out and calls once more",
    source: "RetryPolicy.execute awaits its delay without the signal",
    async reproduce() {
      const time = fakeTime();
      const { ConstantBackoff, handleAll, retry } = cockatiel();
      const abortAfter = async (waitMs: number): Promise<{ ran: number; before: string; after: string }> => {
        const policy = retry(handleAll, { maxAttempts: 3, backoff: new ConstantBackoff(60 * secondMs) });
        const abort = new AbortController();
        let ran = 0;
        if (waitMs < 0) abort.abort();
        const call = watch(
          policy.execute(() => {
            ran++;
            return fail();
          }, abort.signal),
        );
        await settle();
        if (waitMs >= 0) await time.pass(waitMs);
        abort.abort();
        await settle();
        const before = call.state;
        await time.pass(60 * secondMs);
        return { ran, before, after: call.state };
      };
      const aborted = await abortAfter(secondMs);
      const beforehand = await abortAfter(-1);
      return verdict(
        beforehand.ran === 1 && beforehand.before === "rejected",
        aborted.ran === 2 && aborted.before === "pending",
        `aborted 1 s into a delay of 60 s: ${aborted.before}, ${aborted.after} 60 s later, having run ${aborted.ran} ` +
          `times; aborted before: ${beforehand.before} at once, having run ${beforehand.ran} time`,
      );
    },
  },
  {
    id: "cockatiel-timeout-abort",
    item: 10,
    library: "cockatiel",
    claim: "An aggressive timeout tells the caller's own abort as a timeout, and tells its listeners so",
    source: "TimeoutPolicy.execute knows no difference between its own abort and the caller's",
    async reproduce() {
      const time = fakeTime();
      const { timeout } = cockatiel();
      const ended = async (abortAtMs: number | undefined): Promise<string> => {
        const policy = timeout(5 * secondMs, "aggressive");
        let told = 0;
        policy.onTimeout(() => told++);
        const abort = new AbortController();
        const call = watch(policy.execute(hang, abort.signal));
        await time.pass(abortAtMs ?? 4_999);
        const early = call.state;
        if (abortAtMs === undefined) await time.pass(1);
        else abort.abort();
        await settle();
        return `${early}, then "${call.value}", ${told} timeout told`;
      };
      const elapsed = await ended(undefined);
      const aborted = await ended(1);
      const told = 'pending, then "Operation timed out after 5000ms", 1 timeout told';
      return verdict(elapsed === told, aborted === told, `aborted after 1 ms: ${aborted}; after 5 s: ${elapsed}`);
    },
  },
  {
    id: "cockatiel-bulkhead-abort",
    item: 11,
    library: "cockatiel",
    claim: "A call aborted in a bulkhead's queue is neither told so nor gives up its place",
    source: "BulkheadPolicy looks at the signal of a queued call only when its turn comes",
    async reproduce() {
      const { bulkhead } = cockatiel();
      const thirdCaller = async (aborts: boolean): Promise<string> => {
        const policy = bulkhead(1, 1);
        const first = Promise.withResolvers<string>();
        void policy.execute(() => first.promise);
        const abort = new AbortController();
        const queued = watch(policy.execute(answer, abort.signal));
        if (aborts) abort.abort();
        await settle();
        const third = watch(policy.execute(answer));
        await settle();
        const before = `${queued.state}, free places ${policy.queueSlots}, the next caller ${third.state}`;
        first.resolve("well");
        await settle();
        return `${before}; after its turn ${queued.state}`;
      };
      const kept = await thirdCaller(false);
      const aborted = await thirdCaller(true);
      return verdict(
        kept === "pending, free places 0, the next caller rejected; after its turn resolved",
        aborted === "pending, free places 0, the next caller rejected; after its turn rejected",
        `aborted in the queue: ${aborted}; not aborted: ${kept}`,
      );
    },
  },
  {
    id: "cockatiel-bulkhead-overtaken",
    item: 11,
    library: "cockatiel",
    claim: "A call that waits in a bulkhead's queue is overtaken by newcomers, and rejected when they fill the queue",
    source: "BulkheadPolicy.dequeue hands the freed slot on one microtask later",
    async reproduce() {
      const { bulkhead } = cockatiel();
      const order = async (newcomers: "at the same moment" | "a turn later"): Promise<string> => {
        const policy = bulkhead(1, 1);
        const first = Promise.withResolvers<string>();
        void policy.execute(() => first.promise);
        const began: string[] = [];
        const enter = (name: string): (() => Promise<never>) => {
          return () => {
            began.push(name);
            return hang();
          };
        };
        const queued = watch(policy.execute(enter("queued")));
        const arrive = (): void => {
          watch(policy.execute(enter("newcomer")));
          watch(policy.execute(enter("second newcomer")));
        };
        if (newcomers === "at the same moment") void first.promise.then(arrive);
        first.resolve("well");
        await settle();
        if (newcomers === "a turn later") arrive();
        await settle();
        return `${began.join(", ")} began; the queued call ${queued.state}`;
      };
      const later = await order("a turn later");
      const same = await order("at the same moment");
      return verdict(
        later === "queued began; the queued call pending",
        same === "newcomer began; the queued call rejected",
        `newcomers at the moment a slot frees: ${same}; a turn later: ${later}`,
      );
    },
  },
];
