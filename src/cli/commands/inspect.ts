/** holdfast inspect: what a model needs, or what an artifact is made of. */
import { dirname } from "node:path";
import { type Manifest, type ModelPlan, planModel, planOptionsOf } from "../../tensor/index.ts";
import {
  nameOfModel,
  parseBindings,
  parseFlags,
  parseShapes,
  readExternalFiles,
  readModel,
  usage,
  withModel,
} from "../arguments.ts";
import { openArtifact } from "../artifact.ts";
import { exitCodes } from "../exit-code.ts";
import { formatBytes, formatTable, Terminal } from "../terminal.ts";

export const inspectHelp = `holdfast inspect MODEL.onnx | ARTIFACT

Shows a model's inputs, outputs, operators and units, or an artifact's files, units and memory.
A model with an operator that cannot be compiled ends in an error that names it.

  --shape NAME=1x3x8x8  as for compile
  --bind NAME=VALUE     as for compile
  --json                as one JSON object
`;

export async function inspectCommand(args: readonly string[]): Promise<number> {
  const { values: flags, positionals } = parseFlags("inspect", args, {
    shape: { type: "string", multiple: true, default: [] },
    bind: { type: "string", multiple: true, default: [] },
    json: { type: "boolean", default: false },
  });
  const [path] = positionals;
  if (path === undefined || positionals.length > 1)
    throw usage("inspect takes one model or artifact", "holdfast inspect MODEL.onnx");
  const terminal = new Terminal({ json: flags.json });
  if (path.endsWith(".onnx")) {
    const model = await readModel(path);
    const externalFiles = await readExternalFiles(model, dirname(path));
    const options = {
      name: nameOfModel(path),
      strategy: "STANDARD",
      shapes: parseShapes(flags.shape),
      bind: await parseBindings(flags.bind),
      externalFiles,
    } as const;
    showModel(terminal, await withModel(path, async () => planModel(model, planOptionsOf(options))));
  } else showArtifact(terminal, (await openArtifact(path)).manifest);
  return exitCodes.done;
}

const portRow = (
  kind: string,
  { name, type, shape }: { readonly name: string; readonly type: string; readonly shape: readonly number[] },
): string[] => [kind, name, `${type} [${shape.join(", ")}]`];

function showModel(terminal: Terminal, plan: ModelPlan): void {
  const { graph, units } = plan.partition;
  const operators = new Map<string, number>();
  for (const { operator } of graph.nodes) operators.set(operator, (operators.get(operator) ?? 0) + 1);
  const weights = graph.values.reduce((sum, { constant }) => sum + (constant?.bytes.length ?? 0), 0);
  const listed = units.map((unit, place) => ({ unit: unit.name, hash: plan.hashes[place]!, nodes: unit.nodes }));
  if (terminal.json) {
    const port = (id: number) => ({
      name: graph.values[id]!.name,
      type: graph.values[id]!.type,
      shape: graph.values[id]!.shape,
    });
    terminal.object({
      name: plan.name,
      blueprint: plan.blueprintHash,
      inputs: graph.inputs.map(port),
      outputs: graph.outputs.map(port),
      operators: Object.fromEntries(operators),
      weightBytes: weights,
      units: listed,
    });
    return;
  }
  const rows = [
    ...graph.inputs.map((id) => portRow("input", graph.values[id]!)),
    ...graph.outputs.map((id) => portRow("output", graph.values[id]!)),
  ];
  terminal.data(formatTable(rows));
  terminal.data(`\n${graph.nodes.length} nodes after optimisation, ${formatBytes(weights)} of weights`);
  terminal.data(
    formatTable(
      [...operators].sort((a, b) => b[1] - a[1]).map(([operator, count]) => [`  ${operator}`, String(count)]),
    ),
  );
  terminal.data(`\n${units.length} units, ${new Set(plan.hashes).size} of them distinct`);
  terminal.data(
    formatTable(
      listed.map(({ unit, hash, nodes }) => [
        `  ${hash.slice(0, 12)}`,
        unit,
        nodes.slice(0, 2).join(", ") + (nodes.length > 2 ? ", …" : ""),
      ]),
    ),
  );
}

function showArtifact(terminal: Terminal, manifest: Manifest): void {
  if (terminal.json) {
    terminal.object(manifest);
    return;
  }
  terminal.data(
    formatTable([
      ...manifest.inputs.map((port) => portRow("input", port)),
      ...manifest.outputs.map((port) => portRow("output", port)),
    ]),
  );
  terminal.data(`\n${manifest.compiler}, strategy ${manifest.strategy}, blueprint ${manifest.blueprint.slice(0, 16)}`);
  terminal.data(
    `memory ${formatBytes(manifest.memoryBytes)}: weights ${formatBytes(manifest.weightsBytes)} in the file, working area ${formatBytes(manifest.arenaBytes)}`,
  );
  terminal.data(
    formatTable(
      manifest.files.map(({ path, bytes, sha256 }) => [`  ${path}`, formatBytes(bytes), sha256.slice(0, 16)]),
    ),
  );
  const eager = manifest.units.filter(({ mode }) => mode === "eager");
  terminal.data(`\n${manifest.units.length} units, ${eager.length} eager`);
  terminal.data(
    formatTable(
      manifest.units.map(({ name, hash, mode, reason }) => [`  ${hash.slice(0, 12)}`, mode, name, reason ?? ""]),
    ),
  );
}
