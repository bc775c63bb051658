import { describe, expect, it } from "vitest";
import { HoldfastError, MemoryMetrics, VirtualClock } from "../../base/index.ts";
import { fallbackCache } from "./fallback-cache.ts";
import { degradationLadder, type LevelStep } from "./ladder.ts";
import {
  type StorageLevel,
  storageCapabilities,
  storageLadder,
  storageLevelFor,
  storageLevels,
} from "./storage-levels.ts";

describe("a degradation ladder", () => {
  it("R13: steps down at once, however far, and up one step at a time after good probes in a row", () => {
    const ladder = storageLadder({ clock: new VirtualClock() });
    const steps: LevelStep<StorageLevel>[] = [];
    using _subscription = ladder.onChange((step) => steps.push(step));
    ladder.worsen("memory-only", "no log");
    ladder.worsen("read-only", "disk full");
    expect([ladder.level, ladder.depth]).toEqual(["memory-only", 2]);
    expect([ladder.probeSucceeded(), ladder.level]).toEqual([false, "memory-only"]);
    ladder.probeFailed();
    expect([ladder.probeSucceeded(), ladder.probeSucceeded(), ladder.level]).toEqual([false, true, "read-only"]);
    ladder.probeSucceeded();
    ladder.worsen("read-only", "disk full");
    expect([ladder.probeSucceeded(), ladder.probeSucceeded(), ladder.level]).toEqual([false, true, "normal"]);
    expect(ladder.probeSucceeded()).toBe(false);
    expect(steps.map(({ from, to, reason }) => [from, to, reason])).toEqual([
      ["normal", "memory-only", "no log"],
      ["memory-only", "read-only", "recovered"],
      ["read-only", "normal", "recovered"],
    ]);
    expect(ladder.history).toEqual(steps);
    expect(ladder.reasons).toEqual({ "no log": 1, "disk full": 2 });
  });

  it("R13: climbs no sooner than it was steady for long enough", () => {
    const clock = new VirtualClock();
    const ladder = degradationLadder({ levels: ["full", "half", "none"], clock, climbAfter: 1, steadyMs: 1_000 });
    ladder.worsen("none", "x");
    clock.jumpWall(3_600_000);
    expect(ladder.probeSucceeded()).toBe(false);
    clock.advanceSync(1_000);
    expect([ladder.probeSucceeded(), ladder.probeSucceeded(), ladder.level]).toEqual([true, false, "half"]);
    clock.advanceSync(1_000);
    expect([ladder.probeSucceeded(), ladder.level]).toEqual([true, "full"]);
  });

  it("R13: is held at a level by hand, by several at once, and never above its own", () => {
    const ladder = degradationLadder({ levels: storageLevels, clock: new VirtualClock(), climbAfter: 1 });
    const maintenance = ladder.hold("read-only", "maintenance");
    const drill = ladder.hold("memory-only", "drill");
    ladder.worsen("read-only", "disk full");
    drill[Symbol.dispose]();
    drill[Symbol.dispose]();
    expect(ladder.level).toBe("read-only");
    expect([ladder.probeSucceeded(), ladder.level]).toEqual([true, "read-only"]);
    maintenance[Symbol.dispose]();
    expect(ladder.level).toBe("normal");
  });

  it("R13: keeps reasons and history within bounds", () => {
    const metrics = new MemoryMetrics();
    const ladder = degradationLadder({ levels: ["a", "b"], clock: new VirtualClock(), climbAfter: 1, metrics });
    for (let time = 0; time < 500; time++) {
      ladder.worsen("b", `reason ${time} ${"x".repeat(5_000)}`);
      ladder.probeSucceeded();
    }
    expect(ladder.history).toHaveLength(100);
    expect(Object.keys(ladder.reasons)).toHaveLength(100);
    expect(Math.max(...ladder.history.map(({ reason }) => reason.length))).toBe(200);
    expect(metrics.value("holdfast_degradation_reasons_total", { ladder: "service" })).toBe(500);
  });

  it("R13: refuses a level that it does not have", () => {
    const ladder = degradationLadder<string>({ levels: storageLevels });
    expect(() => ladder.worsen("read-onyl", "x")).toThrow('has no level "read-onyl"');
    expect(() => ladder.hold("zzzzzzzzz", "x")).toThrow("DEGRADED_UNKNOWN_LEVEL");
  });

  it("R13: knows what a store can do at each level, and where errors leave it", () => {
    expect(storageLevels.map((level) => storageCapabilities(level))).toEqual([
      { durableWrites: true, reads: "store", compaction: true },
      { durableWrites: false, reads: "store", compaction: false },
      { durableWrites: false, reads: "cache", compaction: false },
    ]);
    expect(storageLevelFor(new HoldfastError("DISK_FULL", "x"), "write")).toBe("read-only");
    expect(storageLevelFor(new HoldfastError("WAL_FAILED", "x"), "write")).toBe("memory-only");
    expect(storageLevelFor(new Error("x"), "read")).toBe("memory-only");
  });
});

describe("a fallback cache", () => {
  it("R13: keeps the 1,000 that were used last, with their age, and also that something is not there", () => {
    const clock = new VirtualClock();
    const cache = fallbackCache<number>({ clock, ttlMs: 1_000 });
    for (let number = 0; number < 1_000; number++) cache.remember(`k${number}`, number);
    cache.get("k0");
    cache.remember("absent", undefined);
    expect([cache.size, cache.get("k1"), cache.get("k0")]).toEqual([1_000, undefined, { value: 0, ageMs: 0 }]);
    clock.advanceSync(999);
    expect(cache.get("absent")).toEqual({ value: undefined, ageMs: 999 });
    clock.jumpWall(-10_000);
    clock.advanceSync(1);
    expect(cache.get("absent")).toBeUndefined();
    cache.remember("k2", 2);
    cache.forget("k2");
    expect(cache.get("k2")).toBeUndefined();
  });

  it("R13: and its cache refuse options that bound nothing", () => {
    const ladder = (options: object) => () => degradationLadder({ levels: ["up"], ...options });
    for (const wrong of [{ levels: [] }, { climbAfter: 0 }, { steadyMs: Number.NaN }, { historyLimit: Number.NaN }]) {
      expect(ladder(wrong)).toThrow("DEGRADED_OPTION");
    }
    for (const wrong of [{ limit: 0 }, { limit: Number.NaN }, { ttlMs: Number.NaN }]) {
      expect(() => fallbackCache(wrong)).toThrow("DEGRADED_OPTION");
    }
  });
});
