/**
 * Compiled models beside onnxruntime-web, in turns in one process.
 *
 *     npm run bench:kernels [-- --models DIR] [--only NAME] [--json FILE] [--cold-rounds N] [--quick]
 *
 * Prints medians, ratios and the floors we hold ourselves to; a missed floor says MISSED, and the exit code stays 0.
 * Wrong answers exit with 1.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { installPeers } from "../install.ts";
import { type ArtifactSize, artifactSize } from "./artifact-size.ts";
import { bareNode, type ColdStart, coldStarts } from "./cold-start.ts";
import { largestDifference } from "./difference.ts";
import { type Timing, timeInTurns } from "./interleaved.ts";
import { type ModelResult, type Results, report } from "./report.ts";
import { artifactFile, holdfast, onnxRuntimeVersion, onnxRuntimeWeb } from "./runtimes.ts";

const root = join(import.meta.dirname, "../..");

const { values: flags } = parseArgs({
  options: {
    models: { type: "string", default: join(root, "../shared/models") },
    only: { type: "string" },
    json: { type: "string" },
    "cold-rounds": { type: "string", default: "9" },
    quick: { type: "boolean", default: false },
  },
});

const say = (text: string): void => void process.stdout.write(`${text}\n`);

/** Compiles every model by the command line, as anybody would. */
function compileModels(models: readonly string[], folder: string): void {
  for (const model of models) {
    const { status, stderr } = spawnSync(
      process.execPath,
      [
        ...[join(root, "src/cli/main.ts"), "compile", join(flags.models, `${model}.onnx`), "--quiet"],
        ...["--state", join(folder, ".state"), "--out", join(folder, model), "--name", model],
      ],
      { encoding: "utf8" },
    );
    if (status !== 0) throw new Error(`${model} does not compile (exit code ${status}): ${stderr}`);
  }
}

async function steady(folder: string, model: string): Promise<{ timings: Timing[]; difference: number }> {
  const contenders = [
    await holdfast(folder, model, true),
    await holdfast(folder, model, false),
    await onnxRuntimeWeb(join(flags.models, `${model}.onnx`), model),
  ];
  const [relaxed, strict, peer] = [await contenders[0]!.run(), await contenders[1]!.run(), await contenders[2]!.run()];
  const difference = Math.max(largestDifference(relaxed, peer), largestDifference(strict, peer));
  const timings = await timeInTurns(contenders, {
    minRounds: flags.quick ? 5 : 15,
    maxRounds: 2_000,
    minTotalMs: flags.quick ? 200 : 1_500,
  });
  for (const contender of contenders) await contender.release();
  return { timings, difference };
}

async function cold(folder: string, model: string): Promise<ColdStart[]> {
  const starters = [
    { script: "first-output-holdfast.mjs", argument: artifactFile(folder, model) },
    { script: "first-output-onnxruntime.mjs", argument: resolve(flags.models, `${model}.onnx`) },
    bareNode,
  ];
  return coldStarts(starters, Number(flags["cold-rounds"]));
}

async function measure(folder: string, model: string): Promise<ModelResult> {
  const size: ArtifactSize = artifactSize(join(folder, model), model);
  // Fresh processes first: this one is not yet grown.
  const [first, peerFirst, node] = await cold(folder, model);
  const { timings, difference } = await steady(folder, model);
  const [relaxed, strict, peer] = timings;
  return {
    model,
    steady: { relaxed: relaxed!, strict: strict!, peer: peer! },
    difference,
    size,
    cold: { holdfast: first!, peer: peerFirst!, node: node! },
  };
}

async function main(): Promise<number> {
  if (!existsSync(flags.models)) {
    say(`no models at ${flags.models}: give --models DIR`);
    return 2;
  }
  const models = readdirSync(flags.models)
    .filter((file) => file.endsWith(".onnx"))
    .map((file) => file.slice(0, -5))
    .filter((model) => flags.only === undefined || model.includes(flags.only));
  installPeers(["onnxruntime-web"]);
  const folder = mkdtempSync(join(tmpdir(), "holdfast-bench-"));
  try {
    say(`Compiling ${models.length} models ...`);
    compileModels(models, folder);
    const measured: ModelResult[] = [];
    for (const model of models) {
      say(`Measuring ${model} ...`);
      measured.push(await measure(folder, model));
    }
    const results: Results = {
      node: process.version,
      engine: process.versions.v8,
      peer: `onnxruntime-web ${await onnxRuntimeVersion()}`,
      models: measured,
    };
    say(report(results));
    if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify(results, undefined, 2)}\n`);
    return measured.every(({ difference }) => difference <= 1) ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

process.exitCode = await main();
