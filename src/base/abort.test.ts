import { getEventListeners } from "node:events";
import { describe, expect, it } from "vitest";
import { addAbortCallback, delay, LinkedController, removeAbortCallback, untilAborted } from "./abort.ts";
import { VirtualClock } from "./virtual-clock.ts";

const listeners = (signal: AbortSignal): number => getEventListeners(signal, "abort").length;

it("work is heard also where the signal is none, so that its failure is nobody's unhandled one", async () => {
  const wrong = new AbortController() as unknown as AbortSignal;
  await expect(untilAborted(Promise.reject(new Error("own")), wrong)).rejects.toThrow(TypeError);
  await new Promise((resolve) => setImmediate(resolve));
});

describe("waiting", () => {
  it("ends with the delay, and leaves nothing on the signal", async () => {
    const clock = new VirtualClock();
    const { signal } = new AbortController();
    const waiting = delay(100, { clock, signal });
    expect(listeners(signal)).toBe(1);
    await clock.advance(100);
    await waiting;
    expect(listeners(signal)).toBe(0);
  });

  it("ends with the signal, and leaves no timer", async () => {
    const clock = new VirtualClock();
    const controller = new AbortController();
    const waiting = delay(100, { clock, signal: controller.signal });
    const reason = new Error("enough");
    controller.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    expect(clock.timers).toBe(0);
    await expect(delay(100, { clock, signal: controller.signal })).rejects.toBe(reason);
    expect(clock.timers).toBe(0);
  });

  it("for work ends with the work or the signal, whichever is first", async () => {
    const controller = new AbortController();
    expect(await untilAborted(Promise.resolve(1), controller.signal)).toBe(1);
    await expect(untilAborted(Promise.reject(new Error("own")), controller.signal)).rejects.toThrow("own");
    expect(listeners(controller.signal)).toBe(0);
    const hung = untilAborted(new Promise(() => {}), controller.signal);
    controller.abort(new Error("enough"));
    await expect(hung).rejects.toThrow("enough");
    await expect(untilAborted(Promise.resolve(1), controller.signal)).rejects.toThrow("enough");
  });

  it("does not leave a rejection unheard when the signal came first", async () => {
    const controller = new AbortController();
    let fail = (_: Error): void => {};
    const work = new Promise<never>((_, reject) => (fail = reject));
    const waiting = untilAborted(work, controller.signal);
    controller.abort(new Error("enough"));
    await expect(waiting).rejects.toThrow("enough");
    fail(new Error("late"));
    await new Promise((resolve) => setImmediate(resolve));
  });
});

describe("callbacks of an abort", () => {
  it("stand behind one listener, there only while somebody waits", () => {
    const { signal } = new AbortController();
    const callbacks = Array.from({ length: 1_000 }, () => (): void => {});
    for (const callback of callbacks) addAbortCallback(signal, callback);
    expect(listeners(signal)).toBe(1);
    for (const callback of callbacks) {
      removeAbortCallback(signal, callback);
      removeAbortCallback(signal, callback);
    }
    expect(listeners(signal)).toBe(0);
  });

  it("are called in order, once, but for those that were called off meanwhile", () => {
    const controller = new AbortController();
    const seen: string[] = [];
    const last = (): void => void seen.push("last");
    const add = (name: string, more = (): void => {}): void =>
      addAbortCallback(controller.signal, () => {
        seen.push(name);
        more();
      });
    add("first", () => removeAbortCallback(controller.signal, last));
    add("second", () => add("added too late"));
    addAbortCallback(controller.signal, last);
    controller.abort();
    controller.abort();
    expect(seen.slice(0, 2)).toEqual(["first", "second"]);
    expect(seen).not.toContain("last");
    expect(listeners(controller.signal)).toBe(0);
  });
});

describe("a linked controller", () => {
  it("aborts with its parent and by itself, and lets go of the parent", () => {
    const parent = new AbortController();
    const child = new LinkedController(parent.signal);
    parent.abort("why");
    expect(child.signal.reason).toBe("why");
    expect(new LinkedController(parent.signal).signal.aborted).toBe(true);

    const other = new AbortController();
    const own = new LinkedController(other.signal);
    own[Symbol.dispose]();
    expect(listeners(other.signal)).toBe(0);
    own.abort("mine");
    expect(own.signal.reason).toBe("mine");
    expect(other.signal.aborted).toBe(false);
  });

  it("makes its signal when asked for, aborted where that came first", () => {
    const reason = { why: "enough" };
    const early = new LinkedController(undefined);
    early.abort(reason);
    early.abort("later");
    expect([early.aborted, early.signal.aborted, early.signal.reason]).toEqual([true, true, reason]);
    expect(early.reason).toBe(reason);
    const plain = new LinkedController(undefined);
    plain.abort();
    expect(plain.signal.reason).toMatchObject({ name: "AbortError" });

    const parent = new AbortController();
    let told = 0;
    const child = new LinkedController(parent.signal, () => told++);
    parent.abort(reason);
    expect([told, child.aborted, child.signal.reason === reason]).toEqual([1, true, true]);
  });
});
