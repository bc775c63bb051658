import { describe, expect, it } from "vitest";
import { walk } from "./breaker-walk.ts";

const walks = Number(process.env.HOLDFAST_WALKS ?? 20_000);

describe("a circuit breaker", () => {
  it(`R1, R2, R3, R6: does what its reference does, in ${walks} random interleavings`, { timeout: 600_000 }, () => {
    for (let seed = 1; seed <= walks; seed++) {
      const difference = walk(seed, 10 + (seed % 70));
      expect(difference, `seed ${seed}`).toBe(undefined);
    }
  });
});
