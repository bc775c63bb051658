import { describe, expect, it } from "vitest";
import { VirtualClock } from "../../base/index.ts";
import { type KeyedSnapshot, keyedBreakers, restoreBreakers, snapshotBreakers } from "../index.ts";

const failing = (): never => {
  throw new Error("down");
};

function keyed(maximum: number) {
  const clock = new VirtualClock();
  const breakers = keyedBreakers({ name: "hosts", maximum, clock, opensOn: { consecutiveFailures: 1 } });
  const open = (key: string): void => expect(() => breakers.get(key).runSync(failing)).toThrow();
  return { breakers, clock, open };
}

describe("keyed breakers", () => {
  it("are one a key, each with a state of its own", () => {
    const { breakers, open } = keyed(10);
    open("a");
    expect(breakers.get("a")).toBe(breakers.get("a"));
    expect(breakers.get("a").state).toBe("open");
    expect(breakers.get("b").runSync(() => 1)).toBe(1);
    expect(() => breakers.get("a").runSync(() => 1)).toThrow("circuit breaker hosts:a is open");
  });

  it("keep to their bound: of the closed ones that longest without use is forgotten", () => {
    const { breakers, open } = keyed(3);
    open("open");
    const closed = breakers.get("closed");
    breakers.get("other");
    for (let turn = 0; turn < 100; turn++) breakers.get(`key ${turn}`);
    expect(breakers.size).toBe(3);
    expect(breakers.get("open").state).toBe("open");
    expect(breakers.get("closed")).not.toBe(closed);
  });

  it("never forget one that refuses calls: keys beyond the bound share one breaker", () => {
    const { breakers, open } = keyed(50);
    for (let key = 0; key < 50; key++) open(`${key}`);
    expect(breakers.get("new")).toBe(breakers.shared);
    expect(breakers.get("newer")).toBe(breakers.shared);
    expect(breakers.size).toBe(50);
    for (let key = 0; key < 50; key++) expect(breakers.get(`${key}`).state).toBe("open");
  });

  it("R6: survive a restart, as far as there is anything to survive", () => {
    const { breakers, clock, open } = keyed(100);
    open("a");
    open("b");
    breakers.get("quiet").runSync(() => 1);
    const kept = JSON.parse(JSON.stringify(snapshotBreakers(breakers))) as KeyedSnapshot;
    expect([Object.keys(kept.keys), kept.shared]).toEqual([["a", "b"], null]);
    const again = keyedBreakers({ name: "hosts", clock });
    const results = restoreBreakers(again, { keys: { ...kept.keys, c: "damaged" } });
    expect(["a", "b", "quiet", "c"].map((key) => again.get(key).state)).toEqual(["open", "open", "closed", "open"]);
    expect(results.keys["c"]!.status).toBe("damaged");
  });

  it("R6: keep the one that keys beyond the bound share over a restart, too", () => {
    const { breakers, clock, open } = keyed(1);
    open("a");
    open("beyond");
    expect(breakers.shared.state).toBe("open");
    const again = keyedBreakers({ name: "hosts", maximum: 1, clock });
    const { shared } = restoreBreakers(again, JSON.parse(JSON.stringify(snapshotBreakers(breakers))));
    expect(shared).toEqual({ status: "restored" });
    expect(again.get("a").state).toBe("open");
    expect(again.get("beyond too").state).toBe("open");
  });

  it("tell of all keys in one place", () => {
    const { breakers, open } = keyed(10);
    const seen: string[] = [];
    using _ = breakers.onStateChange(({ breaker, to }) => seen.push(`${breaker} ${to}`));
    open("a");
    open("b");
    expect(seen).toEqual(["hosts:a open", "hosts:b open"]);
  });

  it("refuse a key that is no key, and a bound that is none", () => {
    const { breakers } = keyed(10);
    expect(() => breakers.get("x".repeat(1_001))).toThrow("[BREAKER_KEY] a key of");
    expect(() => breakers.get(undefined as never)).toThrow("[BREAKER_KEY] a key of hosts is undefined");
    expect(() => breakers.get(Symbol("a") as never)).toThrow("[BREAKER_KEY]");
    expect(breakers.size).toBe(0);
    expect(() => keyedBreakers({ name: "x", maximum: 0 })).toThrow("maximum is 0: it may be 1 to 1,000,000");
  });

  it("own no timer: ten thousand of them leave the process free to end", async () => {
    const before = process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
    const breakers = keyedBreakers({ name: "many", maximum: 10_000, opensOn: { consecutiveFailures: 1 } });
    for (let key = 0; key < 10_000; key++) {
      const breaker = breakers.get(`${key}`);
      if (key % 2 === 0) expect(() => breaker.runSync(failing)).toThrow();
      else await breaker.run(async () => 1);
    }
    expect(breakers.size).toBe(10_000);
    const after = process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
    expect(after).toBeLessThanOrEqual(before);
  });
});
