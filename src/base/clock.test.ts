import { describe, expect, it } from "vitest";
import { systemClock } from "./clock.ts";
import { VirtualClock } from "./virtual-clock.ts";

describe("the system's clock", () => {
  it("does not call back at once where a delay is longer than a platform timer can wait", async () => {
    let called = 0;
    const stops = [2 ** 31, 2 ** 40, Infinity].map((delayMs) => systemClock.schedule(delayMs, () => called++));
    await new Promise<void>((resolve) => systemClock.schedule(20, resolve));
    for (const stop of stops) stop();
    expect(called).toBe(0);
  });
});

describe("a virtual clock", () => {
  it("calls timers in order of time, then of scheduling, each at its own instant", async () => {
    const clock = new VirtualClock();
    const seen: string[] = [];
    const note = (name: string) => () => void seen.push(`${name}@${clock.monotonicMs()}`);
    clock.schedule(20, note("b"));
    clock.schedule(10, note("a"));
    clock.schedule(20, note("c"));
    const stop = clock.schedule(15, note("never"));
    stop();
    clock.schedule(Infinity, note("never"));
    await clock.advance(25);
    expect(seen).toEqual(["a@10", "b@20", "c@20"]);
    expect(clock.monotonicMs()).toBe(25);
    expect(clock.timers).toBe(0);
  });

  it("lets what awaits go on between two timers", async () => {
    const clock = new VirtualClock();
    const wait = (delayMs: number): Promise<void> => new Promise((resolve) => clock.schedule(delayMs, resolve));
    const seen: number[] = [];
    void (async () => {
      for (let turn = 0; turn < 3; turn++) {
        await wait(10);
        seen.push(clock.monotonicMs());
      }
    })();
    await clock.advance(100);
    expect(seen).toEqual([10, 20, 30]);
  });

  it("can be set, and can sleep: timers go by the other reading", () => {
    const clock = new VirtualClock({ nowMs: 1_000 });
    let called = 0;
    clock.schedule(10, () => called++);
    clock.jumpWall(-500);
    clock.suspend(3_600_000);
    expect(called).toBe(0);
    clock.advanceSync(10);
    expect(called).toBe(1);
    expect(clock.nowMs()).toBe(1_000 - 500 + 3_600_000 + 10);
    expect(clock.monotonicMs()).toBe(10);
  });
});
