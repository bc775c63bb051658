/** holdfast compile: a model in, an artifact out, by a job that survives being killed. */
import { availableParallelism } from "node:os";
import { dirname, join, relative } from "node:path";
import { HoldfastError, systemClock } from "../../base/index.ts";
import { type ForgeEvent, type JobResult, openForge, type Strategy, tensorToolchain } from "../../forge/index.ts";
import { encodeCompileOptions, strategies } from "../../tensor/index.ts";
import {
  checkOutFolder,
  disk,
  nameOfModel,
  parseBindings,
  parseFlags,
  parseShapes,
  readExternalFiles,
  readModel,
  usage,
  withModel,
} from "../arguments.ts";
import { exitCodes } from "../exit-code.ts";
import { formatBytes, formatMs, formatTable, Terminal } from "../terminal.ts";
import { invocation } from "../version.ts";

export const compileHelp = `holdfast compile MODEL.onnx [--out DIR]

Compiles a model to a standalone WebAssembly module with a typed wrapper.

  --out DIR             where the files go (default: out/NAME)
  --name NAME           of the files (default: the model's file name)
  --shape NAME=1x3x8x8  fixes an input's shape; once for each input left open
  --bind NAME=VALUE     fixes an input's value when compiling (JSON, or @FILE.npy)
  --strategy STRATEGY   ${strategies.join(" | ")} (default STANDARD)
  --cells N             processes that compile at the same time (default: one a core)
  --unit-timeout-ms N   how long one try at a unit may take
  --single-file         module and weights inside the .mjs
  --strict-compiled     fail where a unit could not be compiled, rather than run it eagerly
  --retry-degraded      try units again that fell back in an earlier run
  --state DIR           where jobs and compiled units are kept (default: .holdfast, or HOLDFAST_STATE)
  --json                the result as one JSON object
  --quiet               no progress

Exit codes: 0 done, 1 failed, 2 usage, 3 done with eager units, 5 the state folder is in use.

  holdfast compile resnet50.onnx --out dist/resnet50
  holdfast compile encoder.onnx --shape input_ids=1x128 --shape attention_mask=1x128
`;

export function stateFolder(flag: string | undefined): string {
  return flag ?? process.env.HOLDFAST_STATE ?? ".holdfast";
}

export async function compileCommand(args: readonly string[]): Promise<number> {
  const { values: flags, positionals } = parseFlags("compile", args, {
    out: { type: "string" },
    name: { type: "string" },
    shape: { type: "string", multiple: true, default: [] },
    bind: { type: "string", multiple: true, default: [] },
    strategy: { type: "string", default: "STANDARD" },
    cells: { type: "string" },
    "unit-timeout-ms": { type: "string" },
    "single-file": { type: "boolean", default: false },
    "strict-compiled": { type: "boolean", default: false },
    "retry-degraded": { type: "boolean", default: false },
    state: { type: "string" },
    json: { type: "boolean", default: false },
    quiet: { type: "boolean", default: false },
  });
  const [path, ...more] = positionals;
  if (path === undefined || more.length > 0)
    throw usage("compile takes one model", "holdfast compile MODEL.onnx --out DIR");
  const terminal = new Terminal({ json: flags.json, quiet: flags.quiet });
  const strategy = flags.strategy.toUpperCase() as Strategy;
  if (!strategies.includes(strategy))
    throw usage(`there is no strategy ${flags.strategy}`, `use one of ${strategies.join(", ")}`);
  const name = nameOfModel(flags.name ?? path);
  const out = flags.out ?? join("out", name);
  await checkOutFolder(out);
  const model = await readModel(path);
  const options = encodeCompileOptions({
    name,
    strategy,
    shapes: parseShapes(flags.shape),
    bind: await parseBindings(flags.bind),
    externalFiles: await readExternalFiles(model, dirname(path)),
    singleFile: flags["single-file"],
  });
  const started = systemClock.monotonicMs();
  const job: Job = {
    model,
    name,
    options,
    strategy,
    cells: wholeNumber(flags.cells, "--cells") ?? availableParallelism(),
    unitTimeoutMs: wholeNumber(flags["unit-timeout-ms"], "--unit-timeout-ms"),
    stateDir: stateFolder(flags.state),
    retryDegraded: flags["retry-degraded"],
    terminal,
  };
  const result = await withModel(path, () => runJob(job));
  const degraded = result.eager.length > 0;
  if (degraded && flags["strict-compiled"]) throw strictError(result);
  await disk.makeFolder(out);
  for (const file of result.files) await disk.writeFileAtomic(join(out, file.path), file.bytes);
  report(terminal, { result, out, name, elapsedMs: systemClock.monotonicMs() - started });
  return degraded ? exitCodes.degraded : exitCodes.done;
}

function wholeNumber(text: string | undefined, flag: string): number | undefined {
  if (text === undefined) return undefined;
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1)
    throw usage(`${flag} ${text} is not a whole number of at least 1`, `for example ${flag} 2`);
  return number;
}

interface Job {
  readonly model: Uint8Array;
  readonly name: string;
  readonly options: Uint8Array;
  readonly strategy: Strategy;
  readonly cells: number;
  readonly unitTimeoutMs: number | undefined;
  readonly stateDir: string;
  readonly retryDegraded: boolean;
  readonly terminal: Terminal;
}

async function runJob(job: Job): Promise<JobResult> {
  const faults = process.env.HOLDFAST_FAULTS;
  await using forge = await openForge({
    stateDir: job.stateDir,
    toolchain: tensorToolchain,
    cells: job.cells,
    ...(job.unitTimeoutMs === undefined ? {} : { unitTimeoutMs: job.unitTimeoutMs }),
    ...(faults === undefined ? {} : { cellOptions: { environment: { HOLDFAST_FAULTS: faults } } }),
  });
  for (const warning of forge.warnings) job.terminal.warning(warning);
  forge.subscribe(progressOf(job.terminal));
  const interrupt = interruption();
  try {
    const handle = await forge.submit({
      model: job.model,
      name: job.name,
      options: job.options,
      strategy: job.strategy,
      retryDegraded: job.retryDegraded,
    });
    return await Promise.race([handle.result(), interrupt.raised]);
  } finally {
    interrupt.release();
    job.terminal.status("");
  }
}

/** Ctrl-C once ends the command after what is under way has been written down; twice at once. */
function interruption(): { readonly raised: Promise<never>; release(): void } {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => undefined);
  const onSignal = (): void => {
    process.once("SIGINT", () => process.exit(exitCodes.interrupted));
    reject(new HoldfastError("CLI_INTERRUPTED", "interrupted; the job goes on when the same command is run again"));
  };
  process.once("SIGINT", onSignal);
  return { raised: promise, release: () => void process.removeListener("SIGINT", onSignal) };
}

function progressOf(terminal: Terminal): (event: ForgeEvent) => void {
  let units = 0;
  let finished = 0;
  const running = new Map<string, string>();
  const status = (): void =>
    terminal.status(`compiling  ${finished}/${units} units  ${[...running.values()].slice(0, 4).join(", ")}`);
  return (event) => {
    switch (event.type) {
      case "jobPlanned":
        units = event.units;
        terminal.note(`${event.units} units to compile, ${event.cached} known already`);
        break;
      case "unitStarted":
        running.set(event.hash, event.name);
        break;
      case "unitFinished":
        running.delete(event.hash);
        if (event.verdict) {
          terminal.note(
            `  ${terminal.style("yellow", "failed")} ${event.name}, attempt ${event.attempt}: ${event.verdict.message}`,
          );
          break;
        }
        finished++;
        if (!terminal.live && !event.fromCache)
          terminal.note(`  [${finished}/${units}] ${event.name} ${formatMs(event.durationMs)}`);
        break;
      case "unitFellBack":
        finished++;
        running.delete(event.hash);
        terminal.note(`  ${terminal.style("yellow", "eager")}  ${event.name}: ${event.verdict.message}`);
        break;
      default:
        return;
    }
    status();
  };
}

function strictError(result: JobResult): HoldfastError {
  const names = result.eager.map((unit) => unit.name);
  return new HoldfastError("FORGE_NOT_COMPILED", `${names.length} units run eagerly: ${names.join(", ")}`, {
    hint: "leave out --strict-compiled to take the artifact as it is, or try again with --retry-degraded",
    details: { units: names },
  });
}

interface Report {
  readonly result: JobResult;
  readonly out: string;
  readonly name: string;
  readonly elapsedMs: number;
}

function report(terminal: Terminal, { result, out, name, elapsedMs }: Report): void {
  const files = result.files.map(({ path, bytes }) => ({ path: join(out, path), bytes: bytes.length }));
  if (terminal.json) {
    const eager = result.eager.map(({ name: unit, attempts, verdict }) => ({ unit, attempts, verdict }));
    terminal.object({
      job: result.jobId,
      status: result.status,
      out,
      files,
      eager,
      fromCache: result.fromCache,
      durationMs: elapsedMs,
    });
    return;
  }
  const wrapper = `./${relative(".", join(out, `${name}.mjs`)).replaceAll("\\", "/")}`;
  terminal.data(formatTable(files.map(({ path, bytes }) => [path, formatBytes(bytes)])));
  terminal.note("");
  terminal.note(
    `${terminal.style("green", result.status)} in ${formatMs(elapsedMs)}${result.fromCache ? ", from an earlier run" : ""}`,
  );
  if (result.eager.length > 0)
    terminal.note(`${result.eager.length} of the units run eagerly: slower, but right (${invocation} inspect ${out})`);
  terminal.note(
    `\nUse it:\n  import { load } from ${JSON.stringify(wrapper)};\n  const model = await load();\n  const outputs = model.run(inputs);`,
  );
  terminal.note(`\nTry it:\n  ${invocation} run ${out}`);
}
