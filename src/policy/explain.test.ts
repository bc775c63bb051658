/** Why a rule said what it said. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compilePolicy } from "./index.ts";
import { faultOf } from "./testing/fault-of.ts";
import { randomContext, randomRule } from "./testing/random-rule.ts";

describe("an explanation", () => {
  it("has each name and operation with its value, and what was not needed without one", () => {
    const rule = compilePolicy("elapsed_time > timeout && (depth < 10 || forced)");
    expect(rule.explain({ elapsed_time: 120, timeout: 100, depth: 2 })).toEqual({
      result: true,
      steps: [
        { expression: "elapsed_time", value: 120, at: 0 },
        { expression: "timeout", value: 100, at: 15 },
        { expression: "elapsed_time > timeout", value: true, at: 13 },
        { expression: "depth", value: 2, at: 27 },
        { expression: "depth < 10", value: true, at: 33 },
        { expression: "forced", value: undefined, at: 41 },
        { expression: "depth < 10 || forced", value: true, at: 38 },
        { expression: "elapsed_time > timeout && (depth < 10 || forced)", value: true, at: 23 },
      ],
    });
  });

  it("fails as the evaluation does", () => {
    expect(faultOf(() => compilePolicy("a && b").explain({ a: true })).code).toBe("POLICY_UNKNOWN_NAME");
    let calls = 0;
    const failing = {
      get load(): number {
        if (++calls > 1) throw new Error("gone");
        return 1;
      },
    };
    expect(faultOf(() => compilePolicy("load > 0").explain(failing)).code).toBe("POLICY_TYPE");
  });

  it("ends with the result, for any rule, and evaluates what evaluation does", () => {
    fc.assert(
      fc.property(randomRule, randomContext, ({ text }, context) => {
        const rule = compilePolicy(text);
        const { result, steps } = rule.explain(context);
        expect(result).toBe(rule.evaluate(context));
        if (steps.length > 0) expect(steps.at(-1)).toMatchObject({ expression: rule.canonical, value: result });
        for (const { expression, value } of steps) {
          if (value !== undefined) expect(compilePolicy(expression).evaluate(context)).toBe(value);
        }
      }),
      { numRuns: 300 },
    );
  });
});
