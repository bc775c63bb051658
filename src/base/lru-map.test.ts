import { describe, expect, it } from "vitest";
import { LruMap } from "./lru-map.ts";

describe("an LRU map", () => {
  it("gives up what was longest without use, and says so", () => {
    const evicted: string[] = [];
    const map = new LruMap<string, number>(2, (key, value) => evicted.push(`${key}=${value}`));
    map.set("a", 1);
    map.set("b", 2);
    map.get("a");
    map.set("c", 3);
    map.peek("a");
    map.set("d", 4);
    expect(evicted).toEqual(["b=2", "a=1"]);
    expect([...map.entries()]).toEqual([
      ["c", 3],
      ["d", 4],
    ]);
  });

  it("keeps undefined as a value like any other", () => {
    const map = new LruMap<string, undefined>(2);
    map.set("a", undefined);
    map.set("b", undefined);
    map.get("a");
    map.set("c", undefined);
    expect(map.has("a")).toBe(true);
    expect(map.has("b")).toBe(false);
  });
});
