import { channel } from "node:diagnostics_channel";
import { describe, expect, it } from "vitest";
import { eventsOf, Topic } from "./topic.ts";

async function failuresDuring(work: () => void): Promise<unknown[]> {
  const seen: unknown[] = [];
  const listener = (message: unknown): void => void seen.push(message);
  channel("holdfast:listener.failed").subscribe(listener);
  work();
  await new Promise((resolve) => setImmediate(resolve));
  channel("holdfast:listener.failed").unsubscribe(listener);
  return seen;
}

describe("a topic", () => {
  it("calls every listener in order, until its subscription is disposed of", () => {
    const topic = new Topic<number>("test.order");
    const seen: string[] = [];
    const first = topic.subscribe((value) => seen.push(`a${value}`));
    topic.subscribe((value) => seen.push(`b${value}`));
    topic.publish(1);
    first[Symbol.dispose]();
    first[Symbol.dispose]();
    topic.publish(2);
    expect(seen).toEqual(["a1", "b1", "b2"]);
  });

  it("takes the same listener twice as two subscriptions", () => {
    const topic = new Topic<number>("test.twice");
    let calls = 0;
    const listener = (): number => calls++;
    const one = topic.subscribe(listener);
    topic.subscribe(listener);
    one[Symbol.dispose]();
    topic.publish(0);
    expect(calls).toBe(1);
  });

  it("goes on past a listener that throws what has no text", () => {
    const topic = new Topic<number>("test.textless");
    const seen: number[] = [];
    topic.subscribe(() => {
      throw Object.create(null);
    });
    topic.subscribe((value) => seen.push(value));
    topic.publish(1);
    topic.publish(2);
    expect(seen).toEqual([1, 2]);
  });

  it("goes on past listeners that throw, reject or never settle, and reports them", async () => {
    const topic = new Topic<number>("test.failing");
    const seen: number[] = [];
    topic.subscribe(() => {
      throw new Error("thrown");
    });
    topic.subscribe(() => Promise.reject(new Error("rejected")));
    topic.subscribe(() => new Promise(() => {}));
    topic.subscribe((value) => seen.push(value));
    const failures = await failuresDuring(() => topic.publish(7));
    expect(seen).toEqual([7]);
    expect(failures.map((one) => (one as { error: Error }).error.message)).toEqual(["thrown", "rejected"]);
  });

  it("delivers what a listener publishes after the present event has reached everybody", () => {
    const low = new Topic<string>("test.low");
    const high = new Topic<string>("test.high");
    const seen: string[] = [];
    low.subscribe((value) => high.publish(`${value}!`));
    high.subscribe((value) => seen.push(`high ${value}`));
    low.subscribe((value) => seen.push(`low ${value}`));
    low.publish("x");
    expect(seen).toEqual(["low x", "high x!"]);
  });

  it("lets a listener unsubscribe itself and others while it is called", () => {
    const topic = new Topic<number>("test.leaving");
    const seen: string[] = [];
    const own = topic.subscribe(() => {
      seen.push("once");
      own[Symbol.dispose]();
    });
    topic.subscribe(() => seen.push("always"));
    topic.publish(1);
    topic.publish(2);
    expect(seen).toEqual(["once", "always", "always"]);
  });

  it("speaks on a diagnostics channel of its name, and is active where somebody listens there", () => {
    const topic = new Topic<number>("test.channel");
    expect(topic.active).toBe(false);
    const seen: unknown[] = [];
    const listener = (message: unknown): void => void seen.push(message);
    channel("holdfast:test.channel").subscribe(listener);
    expect(topic.active).toBe(true);
    topic.publish(3);
    channel("holdfast:test.channel").unsubscribe(listener);
    topic.publish(4);
    expect(seen).toEqual([3]);
  });

  it("is a sequence from when that was asked for, and one that waits for an event can be ended", async () => {
    const topic = new Topic<number>("test.sequence-end");
    const events = eventsOf<number>((listener) => topic.subscribe(listener));
    topic.publish(1);
    expect(await events.next()).toEqual({ done: false, value: 1 });
    const pending = events.next();
    expect(await events.return?.()).toEqual({ done: true, value: undefined });
    expect(await pending).toEqual({ done: true, value: undefined });
    expect(await events.next()).toEqual({ done: true, value: undefined });
    expect(topic.active).toBe(false);
    const aborted = eventsOf<number>((listener) => topic.subscribe(listener), { signal: AbortSignal.abort() });
    expect([await aborted.next(), topic.active]).toEqual([{ done: true, value: undefined }, false]);
    {
      await using _left = eventsOf<number>((listener) => topic.subscribe(listener));
      expect(topic.active).toBe(true);
    }
    expect(topic.active).toBe(false);
  });

  it("can be read as a sequence that ends with a signal and keeps a bounded number", async () => {
    const topic = new Topic<number>("test.sequence");
    const controller = new AbortController();
    let dropped = 0;
    const events = eventsOf<number>((listener) => topic.subscribe(listener), {
      signal: controller.signal,
      limit: 2,
      onDropped: (count) => (dropped += count),
    });
    const seen: number[] = [];
    const first = events.next();
    topic.publish(1);
    seen.push((await first).value as number);
    for (const value of [2, 3, 4]) topic.publish(value);
    for await (const value of events) {
      seen.push(value);
      if (value === 4) controller.abort();
    }
    expect(seen).toEqual([1, 3, 4]);
    expect(dropped).toBe(1);
    expect(topic.active).toBe(false);
  });
});
