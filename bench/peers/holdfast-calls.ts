/** Holdfast's policies where the peers' lose an abort, call it something else, or free what is still taken. */
import { HoldfastError } from "../../src/base/index.ts";
import { bulkhead, constant, pipe, retry, timeout } from "../../src/resilience/index.ts";
import type { Answers } from "./case.ts";
import { fakeTime, secondMs, settle } from "./fake-time.ts";
import { answer, fail, hang, type Watched, watch } from "./watch.ts";

export const callAnswers: Answers = {
  async "cockatiel-listener-success"() {
    const { clock } = fakeTime();
    const policy = retry({ maximumAttempts: 4, backoff: constant(10), clock });
    policy.onRetry(throwing);
    policy.onGiveUp(throwing);
    const attempts = async (operation: () => Promise<string>): Promise<string> => {
      let ran = 0;
      const call = watch(
        policy.run(() => {
          ran++;
          return operation();
        }),
      );
      for (let wait = 0; wait < 8; wait++) await fakeTime().pass(10);
      return `ran ${ran}, ${call.state} (${call.value})`;
    };
    const good = await attempts(answer);
    const bad = await attempts(fail);
    return {
      holds: good === "ran 1, resolved (answer)" && bad === "ran 4, rejected (the service failed)",
      observed: `under a retry whose every listener throws: a good call ${good}; a bad one ${bad}`,
    };
  },

  async "cockatiel-retry-abort"() {
    const { clock } = fakeTime();
    const policy = retry({ backoff: constant(60 * secondMs), clock });
    const abort = new AbortController();
    let ran = 0;
    const failing = (): Promise<never> => {
      ran++;
      return fail();
    };
    const call = watch(policy.run(failing, { signal: abort.signal }));
    await fakeTime().pass(secondMs);
    abort.abort();
    await settle();
    const before = call.state;
    await fakeTime().pass(600 * secondMs);
    return {
      holds: before === "rejected" && ran === 1,
      observed: `aborted 1 s into a delay of 60 s: ${before} at once (${call.value}), having run ${ran} time ten minutes later`,
    };
  },

  async "cockatiel-timeout-abort"() {
    const ended = async (abortAtMs: number | undefined): Promise<string> => {
      const policy = timeout({ timeoutMs: 5 * secondMs, clock: fakeTime().clock });
      let told = 0;
      policy.onTimeout(() => told++);
      const abort = new AbortController();
      const call = policy.run(hang, { signal: abort.signal }).catch((error: unknown) => error);
      await fakeTime().pass(abortAtMs ?? 5 * secondMs);
      abort.abort();
      const error = await call;
      await fakeTime().pass(60 * secondMs);
      return `${HoldfastError.is(error) ? error.code : (error as Error).name}, ${told} timeouts told`;
    };
    const [aborted, elapsed] = [await ended(1), await ended(undefined)];
    return {
      holds: aborted === "AbortError, 0 timeouts told" && elapsed === "TIMEOUT_EXCEEDED, 1 timeouts told",
      observed: `aborted after 1 ms: ${aborted}; after 5 s: ${elapsed}`,
    };
  },

  async "cockatiel-bulkhead-abort"() {
    const policy = bulkhead({ concurrency: 1, queueLimit: 1 });
    const first = Promise.withResolvers<string>();
    void policy.run(() => first.promise);
    const abort = new AbortController();
    let ran = 0;
    const queued = watch(policy.run(() => ran++, { signal: abort.signal }));
    abort.abort();
    const third = watch(policy.run(answer));
    await settle();
    const before = `${queued.state}, the next caller ${third.state}`;
    first.resolve("well");
    await settle();
    return {
      holds: before === "rejected, the next caller pending" && third.state === "resolved" && ran === 0,
      observed: `aborted in the queue: ${before}; after its turn ${third.state}`,
    };
  },

  async "cockatiel-bulkhead-overtaken"() {
    const policy = bulkhead({ concurrency: 1, queueLimit: 1 });
    const first = Promise.withResolvers<string>();
    void policy.run(() => first.promise);
    const began: string[] = [];
    const enter = (name: string): Watched =>
      watch(
        policy.run(() => {
          began.push(name);
          return hang();
        }),
      );
    const queued = enter("queued");
    // At every step of the promises on the way from the first one's end to the slot that comes free.
    let step = first.promise.then(() => enter("newcomer"));
    for (let more = 0; more < 20; more++) step = step.then(() => enter("newcomer"));
    first.resolve("well");
    await settle();
    return {
      holds: began.join() === "queued" && queued.state === "pending",
      observed: `21 newcomers, one at each microtask while a slot frees: ${began.join(", ")} began; the queued call ${queued.state}`,
    };
  },

  async "opossum-capacity-timeout"() {
    const runningAfter = async (order: "bulkhead, timeout" | "timeout, bulkhead"): Promise<number> => {
      let running = 0;
      const slots = bulkhead({ concurrency: 1 });
      const limit = timeout({ timeoutMs: secondMs, clock: fakeTime().clock });
      const policy = order === "bulkhead, timeout" ? pipe(slots, limit) : pipe(limit, slots);
      const action = (): Promise<never> => {
        running++;
        return hang();
      };
      for (let call = 0; call < 5; call++) {
        watch(policy.run(action));
        await fakeTime().pass(secondMs);
      }
      return running;
    };
    const outside = await runningAfter("bulkhead, timeout");
    const inside = await runningAfter("timeout, bulkhead");
    return {
      holds: outside === 1 && inside === 1,
      observed: `concurrency 1, five hung calls a second apart, timeout 1 s: ${outside} runs with the bulkhead outside, ${inside} with it inside`,
    };
  },
};

function throwing(): never {
  throw new Error("the listener failed");
}
