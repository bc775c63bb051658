import { describe, expect, it } from "vitest";
import { measured, worstError } from "../../../test/support/math-error.ts";

// Every 1021st of all float bit patterns: each exponent, both signs, subnormals, infinities and NaNs among them.
const step = 1021;

describe("elementary functions in f32 lanes", () => {
  for (const name of measured) {
    for (const relaxed of [false, true]) {
      it(`F1: ${name} stays within 4 ULP (${relaxed ? "relaxed" : "strict"} SIMD)`, () => {
        const { ulp, at, points } = worstError(name, relaxed, step);
        expect(points).toBeGreaterThan(4_000_000);
        expect(ulp, `worst at ${at}`).toBeLessThanOrEqual(4);
      });
    }
  }
});
