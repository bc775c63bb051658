import { describe, expect, it } from "vitest";
import { HoldfastError, VirtualClock } from "../../base/index.ts";
import { type BulkheadEvent, bulkhead } from "./bulkhead.ts";
import { hedge } from "./hedge.ts";
import { pipe } from "./pipe.ts";
import { codeOf, listenersOn, nextTurn, type Pending, pending, rejectionOf, settlesThisTurn } from "./testing/probe.ts";
import { timeout } from "./timeout.ts";

/** Operations that end when told to, and the order in which they began. */
function workshop(): {
  readonly begun: string[];
  readonly work: (name: string) => () => Promise<string>;
  end(name: string): void;
} {
  const begun: string[] = [];
  const jobs = new Map<string, Pending<string>>();
  return {
    begun,
    work: (name) => () => {
      begun.push(name);
      const job = pending<string>();
      jobs.set(name, job);
      return job.promise;
    },
    end: (name) => jobs.get(name)!.resolve(name),
  };
}

describe("a bulkhead", () => {
  it("runs so many at once, lets so many wait in order, and refuses the rest", async () => {
    const { begun, work, end } = workshop();
    const policy = bulkhead({ name: "pool", concurrency: 2, queueLimit: 2 });
    const events: BulkheadEvent[] = [];
    policy.onReject((event) => events.push(event));
    const calls = ["a", "b", "c", "d"].map((name) => policy.run(work(name)));
    const refusal = await rejectionOf(policy.run(work("e")));
    expect(HoldfastError.is(refusal) && refusal).toMatchObject({
      code: "BULKHEAD_FULL",
      retryable: true,
      details: { policy: "pool", concurrency: 2, queueLimit: 2, running: 2, queued: 2 },
    });
    expect(events).toEqual([{ name: "pool", reason: "full", running: 2, queued: 2 }]);
    expect(begun).toEqual(["a", "b"]);
    end("b");
    await calls[1];
    await nextTurn();
    expect(begun).toEqual(["a", "b", "c"]);
    end("a");
    end("c");
    await nextTurn();
    end("d");
    expect(await Promise.all(calls)).toEqual(["a", "b", "c", "d"]);
    expect(policy.statistics()).toEqual({
      running: 0,
      queued: 0,
      peak: 2,
      admitted: 4,
      rejected: 1,
      queueTimeouts: 0,
    });
  });

  it("gives a slot that comes free to the head of the line: no newcomer overtakes", async () => {
    const { begun, work, end } = workshop();
    const policy = bulkhead({ concurrency: 1, queueLimit: 5 });
    const first = policy.run(work("first"));
    const queued = policy.run(work("queued"));
    // Comes in each microtask around the moment at which the slot changes hands.
    const newcomers: Promise<string>[] = [];
    end("first");
    for (let step = 0; step < 4; step++) {
      newcomers.push(policy.run(work(`newcomer ${step}`)));
      await Promise.resolve();
    }
    await first;
    await nextTurn();
    expect(begun).toEqual(["first", "queued"]);
    end("queued");
    await queued;
    for (let step = 0; step < 4; step++) {
      await nextTurn();
      end(`newcomer ${step}`);
    }
    await Promise.all(newcomers);
    expect(begun).toEqual(["first", "queued", "newcomer 0", "newcomer 1", "newcomer 2", "newcomer 3"]);
    expect(policy.statistics()).toMatchObject({ running: 0, peak: 1, rejected: 0 });
  });

  it("frees the place of one who leaves the line at once", async () => {
    const { begun, work, end } = workshop();
    const policy = bulkhead({ concurrency: 1, queueLimit: 1 });
    const running = policy.run(work("running"));
    const controller = new AbortController();
    const leaving = policy.run(work("leaving"), { signal: controller.signal });
    expect(await codeOf(policy.run(work("too many")))).toBe("BULKHEAD_FULL");
    const reason = { why: "enough" };
    controller.abort(reason);
    expect(policy.statistics().queued).toBe(0);
    const next = policy.run(work("next"));
    expect(await settlesThisTurn(leaving)).toBe(true);
    expect(await rejectionOf(leaving)).toBe(reason);
    expect(listenersOn(controller.signal)).toBe(0);
    end("running");
    await running;
    await nextTurn();
    end("next");
    expect(await next).toBe("next");
    expect(begun).toEqual(["running", "next"]);
  });

  it("passes a slot on where its new holder left in the moment it was given to him", async () => {
    const { begun, work, end } = workshop();
    const policy = bulkhead({ concurrency: 1, queueLimit: 2 });
    const first = policy.run(work("first"));
    const controller = new AbortController();
    const second = policy.run(work("second"), { signal: controller.signal });
    const third = policy.run(work("third"));
    end("first");
    // The first has ended and the slot is the second's, who has not been called yet.
    while (policy.statistics().queued === 2) await Promise.resolve();
    controller.abort("left");
    expect(await rejectionOf(second)).toBe("left");
    await nextTurn();
    expect(begun).toEqual(["first", "third"]);
    end("third");
    await Promise.all([first, third]);
    expect(policy.statistics().running).toBe(0);
  });

  it("bounds the wait in the line", async () => {
    const clock = new VirtualClock();
    const { work, end } = workshop();
    const policy = bulkhead({ concurrency: 1, queueLimit: 1, queueTimeoutMs: 100, clock });
    const running = policy.run(work("running"));
    expect(clock.timers).toBe(0);
    const waiting = codeOf(policy.run(work("waiting")));
    await clock.advance(100);
    expect(await waiting).toBe("BULKHEAD_QUEUE_TIMEOUT");
    expect(policy.statistics()).toMatchObject({ queued: 0, queueTimeouts: 1, rejected: 0 });
    const served = policy.run(work("served"));
    end("running");
    await running;
    await nextTurn();
    expect(clock.timers).toBe(0);
    end("served");
    expect(await served).toBe("served");
  });

  it("keeps the slot of an operation whose caller has left until it has ended", async () => {
    const { work, end } = workshop();
    const policy = bulkhead({ concurrency: 1 });
    const controller = new AbortController();
    const call = policy.run(work("ignoring"), { signal: controller.signal });
    controller.abort("left");
    expect(await rejectionOf(call)).toBe("left");
    expect(await codeOf(policy.run(work("next")))).toBe("BULKHEAD_FULL");
    end("ignoring");
    await nextTurn();
    expect(policy.statistics().running).toBe(0);
  });

  it.each(["inside", "outside"])("that stands %s a timeout keeps the slot of what was abandoned", async (place) => {
    const clock = new VirtualClock();
    const { work, end } = workshop();
    const limit = bulkhead({ concurrency: 2 });
    const deadline = timeout({ timeoutMs: 10, clock });
    const policy = place === "inside" ? pipe(deadline, limit) : pipe(limit, deadline);
    let most = 0;
    for (const name of ["a", "b"]) {
      const call = codeOf(policy.run(work(name)));
      await clock.advance(10);
      expect(await call).toBe("TIMEOUT_EXCEEDED");
      most = Math.max(most, limit.statistics().running);
    }
    expect(await codeOf(policy.run(work("c")))).toBe("BULKHEAD_FULL");
    expect([most, limit.statistics().running, deadline.statistics().abandonedRunning]).toEqual([2, 2, 2]);
    end("a");
    await nextTurn();
    expect([limit.statistics().running, deadline.statistics().abandonedRunning]).toEqual([1, 1]);
    end("b");
    await nextTurn();
    expect(limit.statistics().running).toBe(0);
  });

  it("outside a hedge keeps its slot for a copy that lost and goes on", async () => {
    const clock = new VirtualClock();
    const { work, end } = workshop();
    const outer = bulkhead({ concurrency: 1 });
    const middle = bulkhead({ concurrency: 1 });
    const policy = pipe(outer, middle, hedge({ delayMs: 10, clock }));
    const call = policy.run(({ isHedge }) => work(isHedge ? "hedge" : "first")());
    await clock.advance(10);
    end("hedge");
    expect(await call).toBe("hedge");
    expect([outer.statistics().running, middle.statistics().running]).toEqual([1, 1]);
    end("first");
    await nextTurn();
    expect([outer.statistics().running, middle.statistics().running]).toEqual([0, 0]);
  });

  it("gives slots to hold, each of which goes back once", async () => {
    const policy = bulkhead({ concurrency: 1, queueLimit: 1 });
    const slot = await policy.acquire();
    expect(policy.tryAcquire()).toBeUndefined();
    const controller = new AbortController();
    const leaving = policy.acquire({ signal: controller.signal });
    controller.abort("left");
    expect(await rejectionOf(leaving)).toBe("left");
    const waiting = policy.acquire();
    slot[Symbol.dispose]();
    slot[Symbol.dispose]();
    {
      using _taken = await waiting;
      expect(policy.statistics().running).toBe(1);
    }
    expect(policy.statistics().running).toBe(0);
    expect(await rejectionOf(policy.acquire({ signal: AbortSignal.abort("gone") }))).toBe("gone");
  });

  it("gives a slot that is retained back when all have let go of it", async () => {
    const policy = bulkhead({ concurrency: 1 });
    const slot = await policy.acquire();
    slot.retain();
    slot[Symbol.dispose]();
    slot[Symbol.dispose]();
    expect(policy.statistics().running).toBe(1);
    slot.release();
    expect(policy.statistics().running).toBe(0);
  });

  it("gives the slot back however the operation ends", async () => {
    const policy = bulkhead({ concurrency: 1 });
    const thrown = new Error("thrown");
    const operations = [
      () => {
        throw thrown;
      },
      () => Promise.reject(thrown),
    ];
    for (const operation of operations) expect(await rejectionOf(policy.run(operation))).toBe(thrown);
    expect(await policy.run(() => "plain")).toBe("plain");
    expect(policy.statistics()).toMatchObject({ running: 0, admitted: 3 });
  });

  it("serves a line of thousands in order, with any of them leaving", async () => {
    const policy = bulkhead({ concurrency: 1, queueLimit: 5_000 });
    const slot = await policy.acquire();
    const served: number[] = [];
    const controllers = Array.from({ length: 5_000 }, () => new AbortController());
    const calls = controllers.map(({ signal }, place) => policy.run(() => served.push(place), { signal }));
    const settled = Promise.allSettled(calls);
    for (const [place, controller] of controllers.entries()) if (place % 3 !== 0) controller.abort();
    expect(policy.statistics().queued).toBe(1_667);
    slot[Symbol.dispose]();
    await settled;
    expect(served).toEqual(Array.from({ length: 1_667 }, (_, place) => place * 3));
  });
});
