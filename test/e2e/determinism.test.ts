/** One model, one set of files: however many cells there are, and whichever unit is done first. */
import { afterAll, describe, expect, it } from "vitest";
import { hexOf, seededRandom, sha256 } from "../../src/base/index.ts";
import { NodeDisk } from "../../src/disk/index.ts";
import { type ForgeOptions, openForge, tensorToolchain, type UnitCells } from "../../src/forge/index.ts";
import { compileUnit, encodeCompileOptions } from "../../src/tensor/index.ts";
import { pause } from "../sandbox/process-life.ts";
import { exampleModel, newFolder, realModel, removeFolder } from "./command-line.ts";

const disk = new NodeDisk();
const folders: string[] = [];
afterAll(() => folders.forEach(removeFolder));

interface Compilation {
  /** sha256 by file name. */
  readonly hashes: Readonly<Record<string, string>>;
  /** Names of units in the order in which they were done. */
  readonly completed: readonly string[];
}

async function compile(path: string, options: Pick<ForgeOptions, "cells" | "createCells">): Promise<Compilation> {
  const stateDir = newFolder();
  folders.push(stateDir);
  await using forge = await openForge({ stateDir, toolchain: tensorToolchain, ...options });
  const completed: string[] = [];
  forge.subscribe((event) => {
    if (event.type === "unitFinished") completed.push(event.hash);
  });
  const model = await disk.readFile(path);
  const job = await forge.submit({
    model,
    name: "model",
    options: encodeCompileOptions({ name: "model", strategy: "STANDARD" }),
  });
  const result = await job.result();
  expect(result.eager).toEqual([]);
  const hashes = Object.fromEntries(result.files.map((file) => [file.path, hexOf(sha256(file.bytes))]));
  return { hashes, completed };
}

/** Compiles in this process; each unit is done a random while after it was asked for, so that units overtake others. */
function shuffledCells(seed: number): UnitCells & AsyncDisposable {
  const random = seededRandom(seed);
  return {
    async run({ payload }) {
      const delayMs = random() * 60;
      await pause(delayMs);
      return { ok: true, payload: compileUnit(payload), durationMs: delayMs };
    },
    async [Symbol.asyncDispose]() {},
  };
}

const example = { name: "the example", path: exampleModel, absent: "" };
const real = (name: string) => {
  const path = realModel(name);
  return { name, path: path ?? "", absent: path ? "" : " (no model folder here)" };
};

describe("the files of an artifact", () => {
  for (const { name, path, absent } of [example, real("light_squeezenet")]) {
    it.skipIf(absent !== "")(`X4: are the same whichever unit is done first: ${name}${absent}`, async () => {
      const alone = await compile(path, { cells: 1, createCells: () => shuffledCells(0) });
      const orders = new Set([String(alone.completed)]);
      for (const [cells, seed] of [
        [2, 1],
        [4, 2],
        [4, 3],
        [64, 4],
      ] as const) {
        const shuffled = await compile(path, { cells, createCells: () => shuffledCells(seed) });
        expect(shuffled.hashes, `${cells} cells, seed ${seed}`).toEqual(alone.hashes);
        expect([...shuffled.completed].sort()).toEqual([...alone.completed].sort());
        orders.add(String(shuffled.completed));
      }
      // Otherwise nothing was shuffled and the test shows nothing.
      expect(orders.size).toBeGreaterThan(2);
    });
  }

  for (const { name, path, absent } of [example, real("encoder-tiny")]) {
    it.skipIf(absent !== "")(
      `X4: are the same with 1, 2 and 4 cells: ${name}${absent}`,
      async () => {
        const alone = await compile(path, { cells: 1 });
        expect(Object.keys(alone.hashes)).toContain("model.wasm");
        for (const cells of [2, 4]) expect((await compile(path, { cells })).hashes).toEqual(alone.hashes);
      },
      60_000,
    );
  }
});
