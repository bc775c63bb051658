import { describe, expect, it } from "vitest";
import { HoldfastError, MemoryMetrics, seededRandom, VirtualClock } from "../../base/index.ts";
import type { DeadLetter, ReplayItem } from "./replay-items.ts";
import type { ReplayQueueOptions } from "./replay-options.ts";
import { replayQueue } from "./replay-queue.ts";

type Item = ReplayItem<string>;

async function queueOf(options: Partial<ReplayQueueOptions<string>> = {}) {
  const applied: string[] = [];
  const fails = new Map<string, unknown>();
  let tried = 0;
  const queue = await replayQueue<string>({
    clock: new VirtualClock(),
    random: seededRandom(13),
    apply: async (item: Item) => {
      tried++;
      await Promise.resolve();
      if (fails.has(item.value)) throw fails.get(item.value);
      applied.push(item.value);
    },
    ...options,
  });
  return { queue, applied, fails, tries: () => tried };
}

const outage = new HoldfastError("BREAKER_OPEN", "away", { retryable: true });

describe("a replay queue", () => {
  it("R13: takes 10,000 and refuses the next; nothing is dropped, and all is applied in order", async () => {
    const metrics = new MemoryMetrics();
    const { queue, applied } = await queueOf({ metrics });
    for (let number = 0; number < 10_000; number++) await queue.enqueue(`k${number % 7}`, String(number));
    await expect(queue.enqueue("k", "one more")).rejects.toMatchObject({
      code: "DEGRADED_QUEUE_FULL",
      retryable: true,
      details: { waiting: 10_000, limit: 10_000 },
    });
    expect(await queue.drain()).toEqual({ applied: 10_000, failed: 0, deadLettered: 0, left: 0, ended: "done" });
    expect(applied).toEqual(Array.from({ length: 10_000 }, (_, number) => String(number)));
    expect(metrics.value("holdfast_replay_queue_refused_total", { queue: "writes" })).toBe(1);
    expect(metrics.value("holdfast_replay_queue_applied_total", { queue: "writes" })).toBe(10_000);
    expect(metrics.value("holdfast_replay_queue_items", { queue: "writes" })).toBe(0);
  });

  it("R13: drains in batches of 100, or with a ramp, resting in between", async () => {
    const clock = new VirtualClock();
    const times: number[] = [];
    const { queue } = await queueOf({
      clock,
      rampFrom: 10,
      restMs: 50,
      apply: () => void times.push(clock.monotonicMs()),
    });
    for (let number = 0; number < 400; number++) await queue.enqueue("k", String(number));
    const draining = queue.drain();
    await clock.advance(1_000);
    expect((await draining).applied).toBe(400);
    const sizes = [...Map.groupBy(times, (time) => time).values()].map(({ length }) => length);
    expect(sizes).toEqual([10, 20, 40, 80, 100, 100, 50]);
  });

  it("R13: an item that fails holds back its own key alone, and is tried again next time", async () => {
    const { queue, applied, fails } = await queueOf();
    for (const value of ["a1", "b1", "c1", "b2", "a2", "c2"]) await queue.enqueue(value[0]!, value);
    fails.set("b1", new Error("bad"));
    expect(await queue.drain()).toMatchObject({ applied: 4, failed: 1, left: 2, ended: "done" });
    expect(applied).toEqual(["a1", "c1", "a2", "c2"]);
    expect([queue.has("a"), queue.has("b"), queue.latest("b")?.value]).toEqual([false, true, "b2"]);
    fails.clear();
    await queue.drain();
    expect(applied.slice(4)).toEqual(["b1", "b2"]);
  });

  it("R13: with strict order nothing overtakes", async () => {
    const { queue, applied, fails } = await queueOf({ order: "strict", isOutage: () => false, deadLetterAfter: 2 });
    for (const value of ["a1", "b1", "c1"]) await queue.enqueue(value[0]!, value);
    fails.set("b1", new Error("bad"));
    expect(await queue.drain()).toMatchObject({ applied: 1, failed: 1, left: 2, ended: "blocked" });
    expect(await queue.drain()).toMatchObject({ applied: 1, failed: 1, deadLettered: 1, left: 0, ended: "done" });
    expect(applied).toEqual(["a1", "c1"]);
  });

  it("R13: an outage ends a drain at once and counts against nobody", async () => {
    const { queue, applied, fails } = await queueOf({ deadLetterAfter: 1 });
    for (const value of ["a1", "b1", "c1"]) await queue.enqueue(value[0]!, value);
    fails.set("b1", outage);
    for (let time = 0; time < 10; time++) {
      expect(await queue.drain()).toMatchObject({
        failed: 0,
        deadLettered: 0,
        left: 2,
        ended: "outage",
        error: outage,
      });
    }
    fails.clear();
    await queue.drain();
    expect(applied).toEqual(["a1", "b1", "c1"]);
  });

  it("R13: errors that do not tell are an outage while nothing succeeds, and the items' own fault once something does", async () => {
    const { queue, fails, applied, tries } = await queueOf({ deadLetterAfter: 2 });
    const values = ["a1", "b1", "c1", "d1", "e1", "b2"];
    for (const value of values) await queue.enqueue(value[0]!, value);
    for (const value of values) fails.set(value, new Error("no"));
    for (let time = 0; time < 10; time++) {
      expect(await queue.drain()).toMatchObject({ failed: 0, left: 6, ended: "outage" });
    }
    expect(tries()).toBe(30);
    fails.clear();
    fails.set("b1", new Error("bad"));
    expect(await queue.drain({ limit: 2 })).toMatchObject({ applied: 1, failed: 1, left: 5, ended: "limit" });
    const found = await queue.drain();
    expect(found).toMatchObject({ applied: 3, failed: 1, deadLettered: 1, ended: "done" });
    expect(applied).toEqual(["a1", "c1", "d1", "e1"]);
    await queue.drain();
    expect(applied.slice(4)).toEqual(["b2"]);
    // A single bad item proves nothing, unless the caller knows better.
    await queue.enqueue("z", "z1");
    fails.set("z1", new Error("bad"));
    expect(await queue.drain()).toMatchObject({ failed: 0, ended: "outage" });
    expect(await queue.drain({ targetWorks: true })).toMatchObject({ failed: 1, ended: "done" });
  });

  it("R13: dead letters keep their reason, count towards the limit, and can be requeued or given up", async () => {
    const { queue, applied, fails } = await queueOf({ deadLetterAfter: 3, limit: 4, isOutage: () => false });
    const letters: DeadLetter<string>[] = [];
    using _subscription = queue.onDeadLetter((letter) => letters.push(letter));
    for (const value of ["a1", "a2", "b1", "c1"]) await queue.enqueue(value[0]!, value);
    fails.set("a1", new Error("no such table"));
    fails.set("b1", "text");
    for (let time = 0; time < 3; time++) await queue.drain();
    expect(applied).toEqual(["c1", "a2"]);
    expect(queue.deadLetters.map(({ value, reason, attempts }) => [value, reason, attempts])).toEqual([
      ["a1", "no such table", 3],
      ["b1", "text", 3],
    ]);
    expect(letters).toEqual(queue.deadLetters);
    await queue.enqueue("d", "d1");
    await queue.enqueue("e", "e1");
    await expect(queue.enqueue("f", "f1")).rejects.toThrow("DEGRADED_QUEUE_FULL");
    fails.clear();
    const [first, second] = queue.deadLetters;
    expect([await queue.requeue(first!.sequence), await queue.discard(second!.sequence)]).toEqual([true, true]);
    expect([await queue.requeue(first!.sequence), await queue.discard(999)]).toEqual([false, false]);
    await queue.drain();
    expect(applied.slice(2)).toEqual(["d1", "e1", "a1"]);
    expect([queue.size, queue.deadLetters]).toEqual([0, []]);
  });

  it("R13: the same idempotency key twice is one item: the second is dropped, or takes its place", async () => {
    const dropping = await queueOf();
    const [first, again] = [
      await dropping.queue.enqueue("a", "old", { idempotencyKey: "1" }),
      await dropping.queue.enqueue("a", "new", { idempotencyKey: "1" }),
    ];
    expect(again).toEqual({ ...first, isDuplicate: true });
    const replacing = await queueOf({ onDuplicate: "replace" });
    await replacing.queue.enqueue("a", "old", { idempotencyKey: "1" });
    await replacing.queue.enqueue("b", "other");
    await replacing.queue.enqueue("a", "new", { idempotencyKey: "1" });
    await Promise.all([dropping.queue.drain(), replacing.queue.drain()]);
    expect([dropping.applied, replacing.applied]).toEqual([["old"], ["new", "other"]]);
    await dropping.queue.enqueue("a", "later", { idempotencyKey: "1" });
    await dropping.queue.drain();
    expect(dropping.applied).toEqual(["old", "later"]);
  });

  it("R13: what is enqueued during a drain is part of it, and a drain asked for meanwhile is joined", async () => {
    const applied: string[] = [];
    const { queue } = await queueOf({
      apply: async ({ value, key }) => {
        applied.push(value);
        if (applied.length < 50) await queue.enqueue(key, `${value}+`);
      },
    });
    await queue.enqueue("a", "x");
    const [one, other] = await Promise.all([queue.drain(), queue.drain()]);
    expect(one).toBe(other);
    expect([applied.length, new Set(applied).size, queue.size]).toEqual([50, 50, 0]);
  });

  it("R13: a drain ends with its signal at once; the next one waits for what the target is still doing", async () => {
    const order: string[] = [];
    let finish = (): void => {};
    const { queue } = await queueOf({
      apply: async ({ value }) => {
        order.push(`start ${value}`);
        if (order.length === 1) await new Promise<void>((resolve) => (finish = resolve));
        order.push(`end ${value}`);
      },
    });
    await queue.enqueue("a", "1");
    await queue.enqueue("a", "2");
    const controller = new AbortController();
    const draining = queue.drain({ signal: controller.signal });
    await Promise.resolve();
    controller.abort(new Error("enough"));
    await expect(draining).rejects.toThrow("enough");
    await expect(queue.drain({ signal: controller.signal })).rejects.toThrow("enough");
    const next = queue.drain();
    finish();
    expect((await next).ended).toBe("aborted");
    await queue.drain();
    expect(order).toEqual(["start 1", "end 1", "start 2", "end 2"]);
  });

  it("R13: is closed once what is being applied has ended, and takes nothing afterwards", async () => {
    const { queue } = await queueOf({
      apply: (_, signal) =>
        new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
    });
    await queue.enqueue("a", "1");
    const draining = queue.drain();
    await Promise.resolve();
    await queue[Symbol.asyncDispose]();
    expect(await draining).toMatchObject({ applied: 0, left: 1, ended: "aborted" });
    await expect(queue.enqueue("a", "2")).rejects.toThrow("DEGRADED_QUEUE_CLOSED");
  });

  it("R13: keeps the order of each key through 20,000 random operations", async () => {
    const random = seededRandom(1_313);
    const applied: { key: string; value: number }[] = [];
    let mood: "good" | "away" | "moody" = "good";
    const isBad = new Set<number>();
    const queue = await replayQueue<number>({
      clock: new VirtualClock(),
      random,
      limit: 300,
      batch: 7,
      deadLetterAfter: 2,
      apply: async ({ key, value }) => {
        await Promise.resolve();
        if (mood === "away") throw outage;
        if (isBad.has(value) || (mood === "moody" && random() < 0.1)) throw new Error("no");
        applied.push({ key, value });
      },
    });
    let accepted = 0;
    let refused = 0;
    for (let step = 0; step < 20_000; step++) {
      const dice = random();
      if (dice < 0.9) {
        if (random() < 0.001) isBad.add(step);
        await queue.enqueue(`k${Math.floor(random() * 9)}`, step).then(
          () => accepted++,
          () => refused++,
        );
      } else if (dice < 0.93) mood = (["good", "away", "moody"] as const)[Math.floor(random() * 3)]!;
      else await queue.drain();
    }
    mood = "good";
    for (let time = 0; time < 3; time++) await queue.drain({ targetWorks: true });
    expect(queue.size).toBe(0);
    expect(applied.length + queue.deadLetters.length).toBe(accepted);
    expect(refused).toBeGreaterThan(0);
    expect(queue.deadLetters.length).toBeGreaterThan(0);
    for (const values of Map.groupBy(applied, ({ key }) => key).values()) {
      expect(values.every(({ value }, place) => place === 0 || value > values[place - 1]!.value)).toBe(true);
    }
  });

  it("R13: options that would never end, or bound nothing, are refused when it is made", async () => {
    const wrong: Partial<ReplayQueueOptions<string>>[] = [
      { batch: 0 },
      { rampFrom: 0 },
      { batch: Number.NaN },
      { limit: Number.NaN },
      { restMs: -1 },
      { order: "stric" as never },
      { apply: "apply" as never },
      { limitt: 5 } as never,
    ];
    for (const options of wrong) await expect(queueOf(options)).rejects.toMatchObject({ code: "DEGRADED_OPTION" });
  });
});
