/** A few seconds of what `npm run fuzz:wal` does for minutes. */
import { describe, expect, it } from "vitest";
import { systemClock } from "../../src/base/index.ts";
import { fuzz } from "./fuzz.ts";

const seconds = 5;
/** Other cases each day; the number of a case that fails is in the message. */
const firstCase = Math.floor(systemClock.nowMs() / 86_400_000) * 100_000;

describe("a spoiled log", () => {
  it("W6: ends no program, gives out no wrong entry, and can be repaired", async () => {
    const report = await fuzz({ firstCase, seconds });
    expect(report.faults).toEqual([]);
    expect(report.cases).toBeGreaterThan(100);
    expect(report.peakMegabytes).toBeLessThan(512);
    // It meets what it is for: logs refused, logs of another version, logs with losses that go on all the same.
    for (const name of ["read: WAL_CORRUPT", "read: WAL_VERSION", "read: sound", "open to salvage: losses"])
      expect(report.classes[name] ?? 0, name).toBeGreaterThan(0);
  });
});
