import { describe, expect, it } from "vitest";
import { circuitBreaker } from "./index.ts";

describe("a breaker's metrics", () => {
  it("R6: a collector of metrics that throws changes no result and no state", async () => {
    const throws = (): never => {
      throw new Error("a label that was not declared");
    };
    const metrics = { count: throws, gauge: throws, observe: throws };
    const breaker = circuitBreaker({ name: "test", metrics });
    const own = new Error("the operation's");
    for (let turn = 0; turn < 4; turn++) await expect(breaker.run(() => Promise.reject(own))).rejects.toBe(own);
    expect(breaker.check(false, "shape")).toBe(false);
    expect([breaker.state, breaker.statistics().failures, breaker.statistics().openings]).toEqual(["open", 4, 1]);
    breaker.isolate("by hand").release();
    expect(breaker.state).toBe("open");
  });
});
