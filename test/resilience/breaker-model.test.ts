import { describe, expect, it } from "vitest";
import { walk } from "./breaker-walk.ts";
import { walkRuns } from "./breaker-walk-runs.ts";

const walks = Number(process.env.HOLDFAST_WALKS ?? 10_000);

describe("a circuit breaker", () => {
  it(`R1, R2, R3, R6: does what its reference does, in ${walks} random interleavings`, { timeout: 1_200_000 }, () => {
    for (let seed = 1; seed <= walks; seed++) {
      const difference = walk(seed, 10 + (seed % 70));
      expect(difference, `seed ${seed}`).toBe(undefined);
    }
  });

  it("R1, R3, R4: does so through promises and aborts, and hands on what operations come to", {
    timeout: 1_200_000,
  }, async () => {
    for (let seed = 1; seed <= walks / 5; seed++) {
      const difference = await walkRuns(seed, 10 + (seed % 70));
      expect(difference, `seed ${seed}`).toBe(undefined);
    }
  });
});
