/** holdfast verify: an artifact's files against its manifest, and its results against the eager reference. */
import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import { HoldfastError } from "../../base/index.ts";
import {
  type ConstantData,
  compareOutputs,
  type ElementArray,
  elementCount,
  elementsOf,
  executeGraph,
  importOnnx,
  planOptionsOf,
  seededArray,
} from "../../tensor/index.ts";
import {
  disk,
  fileLimitBytes,
  nameOfModel,
  parseBindings,
  parseFlags,
  parseShapes,
  readExternalFiles,
  readModel,
  usage,
  withModel,
} from "../arguments.ts";
import { type Artifact, openArtifact } from "../artifact.ts";
import { exitCodes } from "../exit-code.ts";
import { Terminal } from "../terminal.ts";

export const verifyHelp = `holdfast verify ARTIFACT [MODEL.onnx]

Checks an artifact's files against its manifest. With the model, also runs both variants on seeded inputs and holds
the results against the eager reference, operator by operator in plain loops.

  --shape NAME=1x3x8x8  as the model was compiled with
  --bind NAME=VALUE     as the model was compiled with
  --json                as one JSON object
`;

export async function verifyCommand(args: readonly string[]): Promise<number> {
  const { values: flags, positionals } = parseFlags("verify", args, {
    shape: { type: "string", multiple: true, default: [] },
    bind: { type: "string", multiple: true, default: [] },
    json: { type: "boolean", default: false },
  });
  const [path, modelPath] = positionals;
  if (path === undefined || positionals.length > 2)
    throw usage("verify takes an artifact and its model", "holdfast verify DIR MODEL.onnx");
  const terminal = new Terminal({ json: flags.json });
  const artifact = await openArtifact(path);
  await checkFiles(artifact);
  terminal.note(`${artifact.manifest.files.length} files are what the manifest says`);
  const variants: Record<string, { maxAbsoluteError: number; maxRelativeError: number; elements: number }> = {};
  if (modelPath !== undefined) {
    const model = await readModel(modelPath);
    const externalFiles = await readExternalFiles(model, dirname(modelPath));
    const shapes = { ...shapesOf(artifact), ...parseShapes(flags.shape) };
    const options = planOptionsOf({
      name: nameOfModel(modelPath),
      strategy: "STANDARD",
      shapes,
      bind: await parseBindings(flags.bind),
      externalFiles,
    });
    const graph = await withModel(modelPath, async () => importOnnx(model, options));
    const inputs = graph.inputs.map((id, place) =>
      seededArray(graph.values[id]!.type, elementCount(graph.values[id]!.shape), place + 1),
    );
    const byId = new Map(
      graph.inputs.map((id, place): [number, ConstantData] => [
        id,
        { ...graph.values[id]!, splat: false, bytes: bytesOf(inputs[place]!) },
      ]),
    );
    const expected = executeGraph(graph, byId).map(elementsOf);
    const named = Object.fromEntries(graph.inputs.map((id, place) => [graph.values[id]!.name, inputs[place]!]));
    for (const [variant, relaxed] of [
      ["strict", false],
      ["relaxed", true],
    ] as const) {
      const outputs = (await artifact.load({ relaxed })).run(named);
      const found = compareOutputs(
        expected,
        graph.outputs.map((id) => outputs[graph.values[id]!.name]!),
      );
      variants[variant] = found;
      terminal.note(
        `${variant}: ${found.elements} results agree, largest relative error ${found.maxRelativeError.toExponential(1)}`,
      );
    }
  }
  if (flags.json) terminal.object({ ok: true, files: artifact.manifest.files.length, variants });
  else terminal.data("ok");
  return exitCodes.done;
}

function shapesOf({ manifest }: Artifact): Record<string, readonly number[]> {
  return Object.fromEntries(manifest.inputs.map(({ name, shape }) => [name, shape]));
}

async function checkFiles({ folder, manifest }: Artifact): Promise<void> {
  for (const { path, bytes, sha256 } of manifest.files) {
    const content = await disk.readFile(join(folder, path), { limitBytes: fileLimitBytes });
    if (content.length === bytes && createHash("sha256").update(content).digest("hex") === sha256) continue;
    throw new HoldfastError(
      "ARTIFACT_DAMAGED",
      `${join(folder, path)} is not the file that was made (${bytes} bytes, sha256 ${sha256.slice(0, 16)}…)`,
      {
        hint: "compile the model again, or restore the file",
        details: { path },
      },
    );
  }
}

function bytesOf(array: ElementArray): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
