import { describe, expect, it } from "vitest";
import type { ItemInput } from "../../../src/store/item/item.ts";
import { Model } from "./model.ts";
import { distance, type ModelChange, State } from "./state.ts";

const nowMs = 1_000;

function put(id: string, content: string, more: ItemInput & { ifVersion?: number } = {}): ModelChange {
  return { op: "put", collection: "notes", id, content, ...more };
}

function ids(state: State, atMs = nowMs): string {
  return state
    .scan("notes", {}, atMs)
    .map(([id, { content }]) => `${id}=${content}`)
    .join(" ");
}

/** The different states that may be found. */
function found(model: Model): string[] {
  return [...new Set([...model.recoverable()].map(({ state }) => ids(state)))].sort();
}

describe("the state", () => {
  it("keeps what an update does not name, and nothing over a put", () => {
    const state = new State();
    state.apply([put("a", "1", { metadata: { x: 1 } })], { version: 1, nowMs: 3 });
    state.apply([put("a", "2", { kappa: 0.3, pinned: true, ttlMs: 90 })], { version: 2, nowMs: 5 });
    expect(state.get("notes", "a", 9)).toMatchObject({ metadata: undefined, createdMs: 5, updatedMs: 5, expiryMs: 95 });
    state.apply([{ op: "update", collection: "notes", id: "a", ifVersion: 2, metadata: { y: 1 } }], {
      version: 3,
      nowMs: 10,
    });
    expect(state.get("notes", "a", 10)).toMatchObject({
      ...{ version: 3, content: "2", metadata: { y: 1 }, kappa: Math.fround(0.3), pinned: true },
      ...{ createdMs: 5, updatedMs: 10, expiryMs: 95 },
    });
  });

  it("forgets what has expired, and begins anew with what is written then", () => {
    const state = new State();
    state.apply([put("a", "1", { ttlMs: 10, kappa: 1 })], { version: 1, nowMs: 5 });
    expect(state.get("notes", "a", 14)?.content).toBe("1");
    expect(state.get("notes", "a", 15)).toBeUndefined();
    expect(state.permits([put("a", "2", { ifVersion: 1 })], 14)).toBe(true);
    expect(state.permits([put("a", "2", { ifVersion: 1 })], 15)).toBe(false);
    expect(state.permits([put("a", "2", { ifVersion: 0 })], 15)).toBe(true);
    state.apply([put("a", "2")], { version: 2, nowMs: 20 });
    expect(state.get("notes", "a", 20)).toMatchObject({ kappa: 0, createdMs: 20, expiryMs: undefined });
  });

  it("scans in the order of bytes, in ranges, backwards and up to a limit", () => {
    const state = new State();
    for (const id of ["b", "\u{1f375}", "\uffee", "a", "ab", "c"]) state.apply([put(id, "")], { version: 1, nowMs });
    const scanned = (options: object): string =>
      state
        .scan("notes", options, nowMs)
        .map(([id]) => id)
        .join(" ");
    expect(scanned({})).toBe("a ab b c \uffee \u{1f375}");
    expect(scanned({ from: "ab", to: "c" })).toBe("ab b");
    expect(scanned({ prefix: "a", reverse: true })).toBe("ab a");
    expect(scanned({ from: "b", reverse: true, limit: 2 })).toBe("\u{1f375} \uffee");
  });

  it("replaces the edges that a put names, and leaves them where it names none", () => {
    const state = new State();
    const neighbours = (): (string | undefined)[] =>
      [...state.neighbours("notes", "a", "out").keys()].map((name) => name.split("\0").at(-1));
    state.apply([put("a", "1", { edges: [{ type: "t", target: "b" }] })], { version: 1, nowMs });
    state.apply([{ op: "link", collection: "notes", id: "a", edge: { type: "t", target: "c" } }], {
      version: 2,
      nowMs,
    });
    state.apply([put("a", "2")], { version: 3, nowMs });
    expect(neighbours()).toEqual(["b", "c"]);
    state.apply([put("a", "3", { edges: [{ type: "t", target: "d" }] })], { version: 4, nowMs });
    expect(neighbours()).toEqual(["d"]);
    expect(state.neighbours("notes", "d", "in").size).toBe(1);
    state.apply([{ op: "delete", collection: "notes", id: "d" }], { version: 5, nowMs });
    expect(neighbours()).toEqual([]);
  });

  it("measures as the metrics say", () => {
    const [a, b] = [Float32Array.of(1, 0), Float32Array.of(3, 4)];
    expect(distance("dot", a, b)).toBe(-3);
    expect(distance("l2", a, b)).toBe(20);
    expect(distance("cosine", a, b)).toBeCloseTo(0.4);
  });
});

describe("the model", () => {
  it("has every acknowledged write in whatever may be found", () => {
    const model = new Model();
    model.end(model.begin([put("a", "1")], nowMs), "durable", 1);
    expect(model.endTurn().problem).toBeUndefined();
    expect(found(model)).toEqual(["a=1"]);
  });

  it("lets what was only visible be missing, from some write on", () => {
    const model = new Model();
    for (const [place, fate] of (["durable", "visible", "visible"] as const).entries()) {
      model.end(model.begin([put("abc"[place]!, "1")], nowMs), fate, place + 1);
      model.endTurn();
    }
    expect(found(model)).toEqual(["a=1", "a=1 b=1", "a=1 b=1 c=1"]);
    model.durableUpTo(2);
    expect(found(model)).toEqual(["a=1 b=1", "a=1 b=1 c=1"]);
    model.end(model.begin([put("d", "1")], nowMs), "durable", 4);
    model.endTurn();
    expect(found(model)).toEqual(["a=1 b=1 c=1 d=1"]);
  });

  it("lets a write that was not answered be there whole or not at all, and anywhere in its turn", () => {
    const model = new Model();
    model.begin([put("a", "0"), put("b", "0")], nowMs);
    model.end(model.begin([put("a", "1")], nowMs), "durable", 5);
    expect(found(model)).toEqual(["a=0 b=0", "a=1", "a=1 b=0"]);
  });

  it("does not put a write before one that was answered when it was asked for", () => {
    const model = new Model();
    model.end(model.begin([put("a", "1")], nowMs), "durable", 5);
    model.begin([put("a", "0"), put("b", "0")], nowMs);
    expect(found(model)).toEqual(["a=0 b=0", "a=1"]);
  });

  it("does not make a conditional write where its condition does not hold", () => {
    const model = new Model();
    model.end(model.begin([put("a", "1")], nowMs), "durable", 5);
    model.endTurn();
    model.begin([put("a", "2", { ifVersion: 5 })], nowMs);
    model.begin([put("a", "3", { ifVersion: 5 })], nowMs);
    model.begin([put("a", "4", { ifVersion: 0 })], nowMs);
    expect(found(model)).toEqual(["a=1", "a=2", "a=3"]);
  });

  it("puts the writes of a turn in the order of their versions, and says where those are wrong", () => {
    const model = new Model();
    const [one, two] = [model.begin([put("a", "1")], nowMs), model.begin([put("a", "2")], nowMs)];
    model.end(one, "durable", 8);
    model.end(two, "durable", 7);
    const { steps } = model.endTurn();
    expect(steps?.map(({ state }) => ids(state))).toEqual(["", "a=2", "a=1"]);
    expect(ids(model.known())).toBe("a=1");
    model.end(model.begin([put("a", "3")], nowMs), "durable", 8);
    expect(model.endTurn().problem).toMatch(/8/);
  });

  it("says where a write is older than one that was acknowledged before it was asked for", () => {
    const model = new Model();
    model.end(model.begin([put("a", "1")], nowMs), "durable", 8);
    model.end(model.begin([put("a", "2")], nowMs), "durable", 7);
    expect(model.endTurn().problem).toBe("version 8 was acknowledged before an older one was asked for");
  });

  it("shows readers a write of unknown fate or not", () => {
    const model = new Model();
    model.end(model.begin([put("a", "1")], nowMs), "doubtful");
    model.endTurn();
    expect(model.live().map((state) => ids(state))).toEqual(["", "a=1"]);
    model.settleOn(model.live()[1]!, 3);
    expect(found(model)).toEqual(["a=1"]);
  });
});
