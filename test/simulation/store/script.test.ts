import { describe, expect, it } from "vitest";
import { seededRandom } from "../../../src/base/index.ts";
import { SimDisk } from "../../../src/disk/index.ts";
import { faultsOf } from "./faults.ts";
import { countOf, type Operation } from "./operations.ts";
import { makeScript } from "./script.ts";
import { printedScript } from "./shrink.ts";
import { embeddingOf, inputOf } from "./values.ts";

const scripts = Array.from({ length: 60 }, (_, seed) => makeScript(seed, 200));
const flat = scripts.flatMap(({ operations }) =>
  operations.flatMap((operation): readonly Operation[] =>
    operation.op === "together" ? [operation, ...operation.operations] : [operation],
  ),
);

describe("scripts of the store", () => {
  it("are the same for a seed, and differ between seeds", () => {
    expect(makeScript(7, 300)).toEqual(makeScript(7, 300));
    expect(printedScript(makeScript(7, 300))).not.toBe(printedScript(makeScript(8, 300)));
  });

  it("print as what plays them again", () => {
    for (const script of scripts) expect(JSON.parse(printedScript(script))).toEqual(script);
  });

  it("have the operations that were asked for, and end in a crash", () => {
    for (const { operations } of scripts) {
      const count = operations.slice(0, -2).reduce((sum, operation) => sum + countOf(operation), 0);
      expect(count).toBeGreaterThanOrEqual(200);
      expect(count).toBeLessThan(210);
      expect(operations.at(-1)?.op).toBe("cut");
    }
  });

  it("do everything that a store can be asked for", () => {
    const wanted = (
      "put delete update link unlink write get peek getMany scan neighbours within search recall flush compact maintain " +
      "compactContent consolidate together cut start join snapshot readSnapshot closeSnapshot openScan pullScan use " +
      "advance reopen everything intruder mistake rot"
    ).split(" ");
    expect([...new Set(flat.map(({ op }) => op))].sort()).toEqual(wanted.sort());
  });

  it("fail in every way that a disk can, and cut recoveries up to three times", () => {
    const cuts = flat.filter((operation) => operation.op === "cut");
    const kinds = new Set(cuts.flatMap(({ faults }) => faults.map(({ kind }) => kind)));
    expect(kinds.size).toBe(11);
    for (const { faults } of cuts) expect(faultsOf(faults, new SimDisk()).length).toBe(faults.length);
    expect(new Set(cuts.map(({ nested }) => nested.length))).toEqual(new Set([0, 1, 2, 3]));
    expect(cuts.some(({ kill }) => kill === true)).toBe(true);
  });

  it("write conditionally, visibly, with every kind of content, and never two changes of one item in a batch", () => {
    const text = JSON.stringify(flat);
    for (const part of ['"when":"right"', '"when":"wrong"', '"when":"absent"', '"visible":true', '"ttlMs"', '"kappa"'])
      expect(text).toContain(part);
    for (const kind of ["bytes", "text", "json"]) expect(text).toContain(`"kind":"${kind}"`);
    for (const operation of flat) {
      if (operation.op !== "write") continue;
      const keys = operation.parts.map(({ collection, id }) => `${collection} ${id}`);
      expect(new Set(keys).size).toBe(keys.length);
    }
  });
});

describe("what scripts write", () => {
  it("tells who wrote it", () => {
    const texts = [1, 2].map((tag) => inputOf({ tag, content: { kind: "text", sizeBytes: 3 } }).content);
    expect(texts).toEqual(["1:...", "2:..."]);
    expect(inputOf({ tag: 258, content: { kind: "bytes", sizeBytes: 1 } }).content).toEqual(
      Uint8Array.of(2, 1, 0, 0, 2),
    );
    expect(inputOf({ tag: 3, metadata: true, kappa: 1 })).toEqual({ metadata: { tag: 3, group: 3 }, kappa: 1 });
  });

  it("has embeddings of three directions, none of them twice", () => {
    const random = seededRandom(1);
    const tags = Array.from({ length: 50 }, () => Math.floor(random() * 1e6));
    const vectors = tags.map((tag) => embeddingOf(tag).join());
    expect(new Set(vectors).size).toBe(new Set(tags).size);
    expect(embeddingOf(4)[1]).toBeGreaterThan(0.7);
  });
});
