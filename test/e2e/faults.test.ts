/**
 * Units made to misbehave, on the real path: command line, cells, store, artifact.
 *
 * What must hold, whatever the fault: that unit alone is eager, the outputs are right, nothing waits for longer than
 * the deadline of a unit allows, and no process is left.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { utf8Text } from "../../src/base/index.ts";
import { NodeDisk } from "../../src/disk/index.ts";
import { readLedger, storeFolder } from "../../src/forge/index.ts";
import {
  compareOutputs,
  denseConstant,
  type ElementArray,
  elementCount,
  elementsOf,
  executeGraph,
  importOnnx,
  type Manifest,
  seededArray,
} from "../../src/tensor/index.ts";
import type { Arrays, LoadedModel } from "../support/artifact.ts";
import {
  differences,
  exampleModel,
  filesOf,
  holdfast,
  leftBehind,
  newFolder,
  type Run,
  realModel,
  removeFolder,
} from "./command-line.ts";

const disk = new NodeDisk();
const folders: string[] = [];
afterAll(() => folders.forEach(removeFolder));

/** What the kernel and the loader may need beyond a deadline before an attempt is seen to have ended. */
const graceMs = 2_000;
const attempts = 2;

interface Compilation extends Run {
  readonly folder: string;
  readonly out: string;
  /** The result as --json gives it. */
  readonly result: {
    readonly status?: string;
    readonly eager?: readonly {
      readonly unit: string;
      readonly attempts: number;
      readonly verdict: { kind: string };
    }[];
    readonly error?: { readonly code: string; readonly hint: string };
  };
}

interface Job {
  readonly model: string;
  readonly faults?: string;
  readonly flags?: readonly string[];
  /** State and output of an earlier compilation; fresh ones where absent. */
  readonly folder?: string;
}

async function compile({ model, faults, flags = [], folder = newFolder() }: Job): Promise<Compilation> {
  folders.push(folder);
  const out = join(folder, "out");
  const args = [
    "compile",
    model,
    "--state",
    join(folder, "state"),
    "--out",
    out,
    "--name",
    "model",
    "--json",
    ...flags,
  ];
  const run = await holdfast(args, faults === undefined ? {} : { faults });
  expect(run.stderr).toBe("");
  return { ...run, folder, out, result: JSON.parse(run.stdout) as Compilation["result"] };
}

async function manifestOf(out: string): Promise<Manifest> {
  return JSON.parse(utf8Text(await disk.readFile(join(out, "model.json")))) as Manifest;
}

/** Runs both variants of the artifact and holds them against the model, computed node by node. */
async function expectRight(out: string, modelPath: string): Promise<void> {
  const graph = importOnnx(await disk.readFile(modelPath));
  const inputs = new Map(
    graph.inputs.map((id, place) => {
      const { type, shape } = graph.values[id]!;
      return [id, denseConstant(type, shape, seededArray(type, elementCount(shape), place + 1))] as const;
    }),
  );
  const expected = executeGraph(graph, inputs).map(elementsOf);
  const arrays: Arrays = Object.fromEntries(
    [...inputs].map(([id, input]) => [graph.values[id]!.name, elementsOf(input)]),
  );
  const wrapper = pathToFileURL(join(out, "model.mjs")).href;
  const { load } = (await import(wrapper)) as { load(options: { relaxed: boolean }): Promise<LoadedModel> };
  for (const relaxed of [false, true]) {
    const answers = (await load({ relaxed })).run(arrays);
    const actual = graph.outputs.map((id) => answers[graph.values[id]!.name] as ElementArray);
    expect(actual.map(({ length }) => length)).toEqual(expected.map(({ length }) => length));
    compareOutputs(expected, actual);
  }
}

/** How often each unit was compiled, by its hash. */
async function compilations(folder: string): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  const ledger = await readLedger(disk, storeFolder(join(folder, "state")));
  for (const { hash, compilations } of ledger.units()) counts.set(hash, compilations);
  return counts;
}

/** Names of the units with these hashes are eager, no others; the run says so, and nothing is left of it. */
async function expectEager(run: Compilation, hashes: readonly string[]): Promise<void> {
  expect(run.exitCode).toBe(3);
  expect(run.result.status).toBe("degraded");
  const { units, degraded } = await manifestOf(run.out);
  expect(degraded).toBe(true);
  const eager = units.filter(({ mode }) => mode === "eager");
  expect([...new Set(eager.map(({ hash }) => hash))].sort()).toEqual([...hashes].sort());
  for (const { reason } of eager) expect(reason).toBeTruthy();
  expect(await leftBehind(run.mark)).toEqual([]);
}

// Cells share the strategy's memory: with these flags 128 MB each, which a fault has used up soon.
const smallCells = ["--strategy", "FAST", "--cells", "32", "--unit-timeout-ms", "20000"];
const shortDeadline = ["--cells", "2", "--unit-timeout-ms", "1500"];

const faults = [
  { fault: "segv", kinds: ["signal"], flags: ["--cells", "2"] },
  { fault: "hang", kinds: ["deadline"], flags: shortDeadline, deadlineMs: 1_500 },
  { fault: "heap", kinds: ["heap-limit", "data-limit"], flags: smallCells },
  { fault: "memory", kinds: ["data-limit", "memory-watchdog"], flags: smallCells },
  { fault: "wrong-numbers", kinds: ["error"], flags: ["--cells", "2"] },
] as const;

describe("one unit of the example", () => {
  let healthy: Compilation;
  let units: Manifest["units"];
  beforeAll(async () => {
    healthy = await compile({ model: exampleModel });
    expect(healthy.exitCode).toBe(0);
    ({ units } = await manifestOf(healthy.out));
  });

  for (const [place, { fault, kinds, flags, ...more }] of faults.entries()) {
    it(`X1: with the fault ${fault} is eager alone, and the outputs are right`, async () => {
      // The strategy is part of what a unit's hash covers.
      const ownUnits =
        flags === smallCells ? (await manifestOf((await compile({ model: exampleModel, flags })).out)).units : units;
      const { hash, name } = ownUnits[place % ownUnits.length]!;
      const run = await compile({ model: exampleModel, faults: `${hash.slice(0, 12)}=${fault}`, flags });
      await expectEager(run, [hash]);
      expect(run.result.eager).toMatchObject([{ unit: name, attempts }]);
      expect(kinds).toContain(run.result.eager![0]!.verdict.kind);
      await expectRight(run.out, exampleModel);
      if ("deadlineMs" in more) {
        expect(run.elapsedMs).toBeGreaterThan(attempts * more.deadlineMs);
        expect(run.elapsedMs - healthy.elapsedMs).toBeLessThan(attempts * (more.deadlineMs + graceMs));
      }
    });
  }

  it("F2: fails the job under --strict-compiled, which writes nothing; --retry-degraded compiles just that unit", async () => {
    const { hash } = units[1]!;
    const fault = { model: exampleModel, faults: `${hash}=segv` };
    const strict = await compile({ ...fault, flags: ["--strict-compiled"] });
    expect(strict.exitCode).toBe(1);
    expect(strict.result.error).toMatchObject({ code: "FORGE_NOT_COMPILED" });
    expect(strict.result.error?.hint).toContain("--retry-degraded");
    expect(existsSync(strict.out)).toBe(false);

    const { folder } = strict;
    const before = await compilations(folder);
    expect(before.has(hash)).toBe(false);
    expect(before.size).toBe(new Set(units.map((unit) => unit.hash)).size - 1);
    const as = await compile({ model: exampleModel, folder });
    await expectEager(as, [hash]);
    expect(await compilations(folder)).toEqual(before);

    const healed = await compile({ model: exampleModel, folder, flags: ["--retry-degraded"] });
    expect([healed.exitCode, healed.result.status, healed.result.eager]).toEqual([0, "done", []]);
    expect(await compilations(folder)).toEqual(new Map([...before, [hash, 1]]));
    expect(differences(filesOf(healthy.out), filesOf(healed.out))).toEqual([]);
  });

  it("X5: that never ends does not outlive a command that is killed", async () => {
    const folder = newFolder();
    folders.push(folder);
    const args = ["compile", exampleModel, "--state", join(folder, "state"), "--out", join(folder, "out")];
    const run = await holdfast(args, { faults: `${units[0]!.hash}=hang`, killAfterMs: healthy.elapsedMs + 1_000 });
    expect(run.signal).toBe("SIGKILL");
    expect(await leftBehind(run.mark, 2_000)).toEqual([]);
  });
});

describe("units of a model with many", () => {
  const model = realModel("encoder-tiny");
  it.skipIf(!model)(
    `X2: with faults of three kinds at once leave the others compiled${model ? "" : " (no model folder here)"}`,
    async () => {
      const healthy = await compile({ model: model! });
      const hashes = [...new Set((await manifestOf(healthy.out)).units.map(({ hash }) => hash))];
      expect(hashes.length).toBeGreaterThan(8);
      const chosen = [hashes[0]!, hashes[3]!, hashes.at(-1)!];
      const kinds = ["hang", "segv", "wrong-numbers"];
      const run = await compile({
        model: model!,
        faults: chosen.map((hash, place) => `${hash}=${kinds[place]}`).join(","),
        flags: shortDeadline,
      });
      await expectEager(run, chosen);
      await expectRight(run.out, model!);
      expect((await compilations(run.folder)).size).toBe(hashes.length - chosen.length);
    },
  );
});
