import { describe, expect, it } from "vitest";
import { type AvailabilityOptions, simulateAvailability } from "./availability.ts";
import { failsAtSecond, healsAtSecond, lastSecond, simulateCascade } from "./cascade.ts";
import { poissonBounds } from "./poisson.ts";

const hourMs = 3_600_000;
const single = { faultRate: 0.01, meanUpMs: Infinity, meanDownMs: 0 };
const outages = { faultRate: 0.01, meanUpMs: 100 * hourMs, meanDownMs: hourMs / 6 };
const base: AvailabilityOptions = { seed: 1, operations: 10_000, operationsPerHour: 60, faults: single };

describe("a service under faults in virtual time", () => {
  it("R16: with 1 % faults over 10,000 operations nothing is unanswered, and everything accepted arrives", async () => {
    const found = await simulateAvailability(base);
    expect(found.storeFaults).toBeGreaterThan(60);
    expect(found.storeFaults).toBeLessThan(150);
    expect(Object.values(found.answers).reduce((sum, count) => sum + count, 0) + found.unanswered).toBe(10_000);
    expect(found.unanswered / found.operations).toBeLessThan(0.1);
    expect(found).toMatchObject({ unanswered: 0, broken: 0 });
    // The control: the same faults, met by a timeout alone.
    const bare = await simulateAvailability({ ...base, protection: "timeout" });
    expect(bare.unanswered).toBe(bare.storeFaults);
    expect(bare.storeFaults).toBeGreaterThan(60);
  });

  it("R16: with 1 % faults and an outage every 100 hours, MTBF is above 1,000 h at 95 % over 20,000 hours", async () => {
    const options = { ...base, operations: 20_000, operationsPerHour: 2, faults: outages };
    let [unanswered, hours, operations] = [0, 0, 0];
    for (const seed of [1, 2]) {
      const found = await simulateAvailability({ ...options, seed });
      unanswered += found.unanswered;
      hours += found.hours;
      operations += found.operations;
      expect(found.outages).toBeGreaterThan(50);
      expect(found.answers["stale"]).toBeGreaterThan(0);
      expect(found.broken).toBe(0);
      expect(found.levels.running).toBeGreaterThan(0.99);
    }
    expect(1 - unanswered / operations).toBeGreaterThan(0.9);
    expect(hours / poissonBounds(unanswered).most).toBeGreaterThan(1_000);
    const bare = await simulateAvailability({ ...options, protection: "timeout" });
    expect(bare.hours / bare.unanswered).toBeLessThan(100);
  });

  it("R16: with the store away a tenth of the time more than 90 % is answered, and the queue drains in order", async () => {
    const faults = { faultRate: 0.01, meanUpMs: 9 * hourMs, meanDownMs: hourMs };
    const found = await simulateAvailability({ ...base, faults });
    expect(found.outageHours / found.hours).toBeGreaterThan(0.05);
    expect(found.answers["queued-volatile"]).toBeGreaterThan(100);
    expect(1 - found.unanswered / found.operations).toBeGreaterThan(0.9);
    expect(found.broken).toBe(0);
  });

  it("R16: a run is its seed", async () => {
    const options = { ...base, operations: 1_000, faults: { ...outages, meanUpMs: hourMs } };
    const first = await simulateAvailability(options);
    expect(await simulateAvailability(options)).toEqual(first);
    expect(await simulateAvailability({ ...options, seed: 2 })).not.toEqual(first);
  });
});

describe("a database that hangs", () => {
  const after = failsAtSecond + 5;

  it("R16: the back end behind its own breaker goes on: the system is Degraded, never Critical, and recovers", async () => {
    const { levels, answered, openings } = await simulateCascade({ seed: 1, withBreaker: true });
    expect(levels.slice(0, failsAtSecond)).toEqual(Array(failsAtSecond).fill("running"));
    expect(levels.slice(after, healsAtSecond)).toEqual(Array(healsAtSecond - after).fill("degraded"));
    expect(levels).not.toContain("critical");
    expect(levels[lastSecond - 1]).toBe("running");
    expect(Math.min(...answered)).toBeGreaterThan(0.99);
    expect(openings).toBeGreaterThan(0);
  });

  it("R16: without the breaker the very same system falls: Critical, and hardly anything answered", async () => {
    const { levels, answered } = await simulateCascade({ seed: 1, withBreaker: false });
    expect(levels.slice(0, failsAtSecond)).toEqual(Array(failsAtSecond).fill("running"));
    expect(levels.slice(failsAtSecond + 20, healsAtSecond)).toEqual(
      Array(healsAtSecond - failsAtSecond - 20).fill("critical"),
    );
    expect(Math.max(...answered.slice(failsAtSecond + 10, healsAtSecond - 10))).toBeLessThan(0.1);
  });
});

describe("exact bounds of a rate", () => {
  it.each([
    [0, 0, 3.6889],
    [1, 0.0253, 5.5716],
    [10, 4.7954, 18.3904],
  ])("of %i events are %d and %d, as in the tables", (count, least, most) => {
    const bounds = poissonBounds(count);
    expect(bounds.least).toBeCloseTo(least, 3);
    expect(bounds.most).toBeCloseTo(most, 3);
  });
});
