import { describe, expect, it } from "vitest";
import { crc32, type Random, seededRandom, utf8, VirtualClock } from "../../base/index.ts";
import {
  type BreakerSnapshot,
  type BreakerState,
  type CircuitBreaker,
  circuitBreaker,
  explanationText,
  keyedBreakers,
  Refusal,
  restoreBreaker,
  restoreBreakers,
  snapshotBreaker,
  snapshotBreakers,
  timeWindow,
} from "../index.ts";

const cases = Number(process.env.HOLDFAST_FUZZ_CASES ?? 10_000);
/** From the least careful to the most. */
const order: readonly BreakerState[] = ["closed", "half-open", "open", "isolated"];

function breakerOf(clock: VirtualClock): CircuitBreaker {
  return circuitBreaker({
    ...{ name: "kept", clock, jitter: 0 },
    opensOn: { window: timeWindow({ durationMs: 10_000, failureRate: 0.5 }) },
  });
}

function inState(state: BreakerState, clock: VirtualClock): CircuitBreaker {
  const breaker = breakerOf(clock);
  const fail = (): void => breaker.acquire().fail();
  for (let turn = 0; turn < 3; turn++) fail();
  if (state === "closed") return breaker;
  if (state === "isolated") {
    breaker.isolate('a "reason" with ünïcode');
    return breaker;
  }
  for (let turn = 0; turn < 2; turn++) fail();
  clock.advanceSync(state === "open" ? 10_000 : 30_000);
  return breaker;
}

function restored(clock: VirtualClock, snapshot: unknown) {
  const breaker = breakerOf(clock);
  return { breaker, result: restoreBreaker(breaker, snapshot) };
}

describe("a snapshot", () => {
  it.each(order)("R6: of a breaker that is %s gives the same state after a restart", (state) => {
    const clock = new VirtualClock();
    const breaker = inState(state, clock);
    const snapshot = JSON.parse(JSON.stringify(snapshotBreaker(breaker))) as unknown;
    const later = new VirtualClock({ nowMs: clock.nowMs(), monotonicMs: 777_777 });
    const { breaker: again, result } = restored(later, snapshot);
    expect(result).toEqual({ status: "restored" });
    const { sinceMs: _, ...explained } = again.explain();
    const { sinceMs: __, ...wanted } = breaker.explain();
    expect(explained).toEqual(wanted);
  });

  it("R6: shortens the open time by what passed, and keeps how far the backoff had got", () => {
    const clock = new VirtualClock();
    const snapshot = snapshotBreaker(inState("open", clock));
    clock.advanceSync(5_000);
    const { breaker: again } = restored(clock, snapshot);
    expect(again.explain().retryAfterMs).toBe(15_000);
    expect(snapshotBreaker(again).openings).toBe(1);
  });

  it("R6: of an isolated breaker can be released by whoever restored it, and keeps its reason", () => {
    const clock = new VirtualClock();
    const { breaker: again } = restored(clock, snapshotBreaker(inState("isolated", clock)));
    expect(again.isolations.map((one) => one.reason)).toEqual(['a "reason" with ünïcode']);
    for (const isolation of again.isolations) isolation.release();
    expect(again.runSync(() => 1)).toBe(1);
  });

  it("R6: may have been kept by something that orders keys as it likes", () => {
    const clock = new VirtualClock();
    const reordered = (value: unknown): unknown =>
      typeof value !== "object" || value === null || Array.isArray(value)
        ? value
        : Object.fromEntries(
            Object.entries(value)
              .reverse()
              .map(([key, one]) => [key, reordered(one)]),
          );
    const snapshot = snapshotBreaker(inState("open", clock));
    expect(restored(clock, reordered(snapshot)).result.status).toBe("restored");
  });

  it("R6: that is not one opens the breaker and says why", () => {
    const clock = new VirtualClock();
    const whole = snapshotBreaker(inState("closed", clock));
    const throwing = Object.defineProperty({}, "format", {
      enumerable: true,
      get: () => {
        throw new Error("a getter's own");
      },
    });
    const endless: Record<string, unknown> = {};
    endless["self"] = endless;
    const wrong: [unknown, string][] = [
      [null, "it is not an object"],
      ["text", "it is not an object"],
      [[], "it is not a breaker's snapshot"],
      [{ ...whole, version: 2 }, "its version is 2, and 1 is known here"],
      [{ ...whole, calls: 0 }, "its checksum is wrong"],
      [signed({ ...whole, calls: -1 }), "its calls is out of range"],
      [signed({ ...whole, averageRate: 1.5 }), "its averageRate is out of range"],
      [signed({ ...whole, window: ["1"] as never }), "its window is out of range"],
      [signed({ ...whole, name: "other" }), 'it is of the breaker "other"'],
      [throwing, "it cannot be read: a getter's own"],
      [endless, "it cannot be read: Converting circular structure to JSON"],
    ];
    for (const [snapshot, reason] of wrong) {
      const { breaker, result } = restored(clock, snapshot);
      expect(result.status).toBe("damaged");
      expect(result.reason).toContain(reason);
      expect(breaker.state).toBe("open");
      expect(breaker.explain().opening?.rule).toBe("damaged-snapshot");
    }
  });

  it("R6: an isolation longer than any that can be asked for is held for as long as one can", () => {
    const clock = new VirtualClock();
    const breaker = breakerOf(clock);
    breaker.isolate("for long", { forMs: 1_000 });
    const { isolations, ...whole } = snapshotBreaker(breaker);
    const long = signed({ ...whole, isolations: [{ ...isolations[0]!, remainingMs: 1e15 }] });
    const { breaker: again, result } = restored(clock, long);
    expect([result.status, again.state]).toEqual(["restored", "isolated"]);
    clock.advanceSync(366 * 86_400_000);
    expect(again.state).toBe("closed");
  });

  it("R6: keyed snapshots that are none, or have keys that none can have, restore what can be and never throw", () => {
    const clock = new VirtualClock();
    const before = keyedBreakers({ name: "hosts", clock });
    for (const key of ["a", "__proto__", "constructor"]) before.get(key).trip("away");
    const kept = JSON.parse(JSON.stringify(snapshotBreakers(before))) as { keys: Record<string, unknown> };
    const long = "x".repeat(2_000);
    const after = keyedBreakers({ name: "hosts", clock });
    const results = restoreBreakers(after, { keys: { [long]: kept.keys.a, ...kept.keys } });
    expect(results.keys[long]).toMatchObject({ status: "damaged", reason: expect.stringContaining("BREAKER_KEY") });
    for (const key of ["a", "__proto__", "constructor"]) expect([key, after.get(key).state]).toEqual([key, "open"]);
    const throwing = Object.defineProperty({}, "keys", {
      get: () => {
        throw new Error("a getter's own");
      },
    });
    for (const nothing of [null, undefined, 5, "text", { keys: 5 }, throwing]) {
      expect(restoreBreakers(after, nothing)).toEqual({ keys: {}, shared: null });
    }
    expect(after.get("b").state).toBe("closed");
  });

  it(`R6: mutated in ${cases} ways never throws and never makes the breaker less careful`, () => {
    const random = seededRandom(20_261_121);
    let damaged = 0;
    for (let turn = 0; turn < cases; turn++) {
      const clock = new VirtualClock();
      const original = inState(order[turn % 4]!, clock);
      const mutated = mutate(JSON.stringify(snapshotBreaker(original)), random);
      const { breaker, result } = restored(clock, parsed(mutated));
      if (result.status === "damaged") damaged++;
      else expect(words(breaker), mutated).toBe(words(original));
      const careful = order.indexOf(breaker.state) >= Math.min(order.indexOf(original.state), order.indexOf("open"));
      expect(careful, mutated).toBe(true);
      const { averageRate, retryAfterMs, admission } = breaker.explain();
      expect([averageRate, retryAfterMs, admission].every(Number.isFinite), mutated).toBe(true);
      if (original.state === "open") expect(breaker.tryAcquire(), mutated).toBeInstanceOf(Refusal);
    }
    expect(damaged).toBeGreaterThan(cases * 0.9);
  });
});

const words = (breaker: CircuitBreaker): string => explanationText(breaker.explain());

function signed(snapshot: BreakerSnapshot): unknown {
  const { checksum: _, ...unsigned } = snapshot;
  const sorted = (__: string, value: unknown): unknown =>
    typeof value !== "object" || value === null || Array.isArray(value)
      ? value
      : Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
  const checksum = crc32(utf8(JSON.stringify(unsigned, sorted)));
  return { ...unsigned, checksum: checksum.toString(16).padStart(8, "0") };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Changes in the text, or of a value, or of a key. */
function mutate(text: string, random: Random): string {
  const below = (limit: number): number => Math.floor(random() * limit);
  const at = below(text.length);
  const value = JSON.parse(text) as Record<string, unknown>;
  const key = Object.keys(value)[below(Object.keys(value).length)]!;
  switch (below(6)) {
    case 0:
      return text.slice(0, at) + String.fromCharCode(32 + below(95)) + text.slice(at + 1);
    case 1:
      return text.slice(0, at) + text.slice(at + 1 + below(8));
    case 2:
      return text.slice(0, at);
    case 3: {
      const values = [null, -1, 1e308, "", "open", "closed", {}, [], [{}], true, 0, 1.5, { rule: "x" }];
      value[key] = values[below(values.length)];
      return JSON.stringify(value);
    }
    case 4:
      delete value[key];
      return JSON.stringify(value);
    default:
      return text.slice(0, at) + text.slice(below(text.length));
  }
}
