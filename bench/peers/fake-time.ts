/**
 * Time under the hand of a case: the timers and `Date.now` of its process, which is its own. A case so takes no time,
 * and an idle day is one line.
 */
import { mock } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Clock } from "../../src/base/index.ts";

export interface FakeTime {
  /** Lets time pass; the timers that fall due fire, and what waits for them runs. */
  pass(durationMs: number): Promise<void>;
  /** Sets the wall clock on or back, as an operator or another host would; no timer notices. */
  stepWallClock(byMs: number): void;
  /** The same time for those who take a clock. */
  readonly clock: Clock;
}

export const secondMs = 1_000;
export const hourMs = 3_600 * secondMs;
export const dayMs = 24 * hourMs;

let time: FakeTime | undefined;

/** One for the process. */
export function fakeTime(): FakeTime {
  time ??= takeOver();
  return time;
}

function takeOver(): FakeTime {
  mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"], now: Date.UTC(2026, 0, 1) });
  const mocked = Date.now;
  let steppedMs = 0;
  let passedMs = 0;
  Date.now = () => mocked() + steppedMs;
  return {
    async pass(durationMs) {
      passedMs += durationMs;
      mock.timers.tick(durationMs);
      await settle();
    },
    stepWallClock(byMs) {
      steppedMs += byMs;
    },
    clock: {
      nowMs: () => Date.now(),
      monotonicMs: () => passedMs,
      schedule(delayMs, callback) {
        const timer = setTimeout(callback, delayMs);
        return () => clearTimeout(timer);
      },
    },
  };
}

/** Until everything that waits for no timer has run. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await nextTurn();
}
