/** holdfast run: executes an artifact on given or made-up input and prints what comes out, and how long it took. */
import { join } from "node:path";
import { HoldfastError, systemClock } from "../../base/index.ts";
import {
  type ConstantData,
  type ElementArray,
  type ElementType,
  elementCount,
  elementsOf,
  newArray,
  seededArray,
} from "../../tensor/index.ts";
import { disk, parseFlags, parseValue, usage } from "../arguments.ts";
import { openArtifact } from "../artifact.ts";
import { exitCodes } from "../exit-code.ts";
import { writeNpy } from "../npy.ts";
import { formatMs, Terminal } from "../terminal.ts";

export const runHelp = `holdfast run ARTIFACT [--input NAME=VALUE]

Runs a compiled model once and prints its outputs. ARTIFACT is its folder, .mjs or .json.

  --input NAME=VALUE  JSON, @FILE.json, @FILE.npy, or one of: random, zeros, ones
                      (default: random, from a fixed seed)
  --repeat N          run N times and print the median time
  --strict            strict SIMD, even where relaxed SIMD is there
  --output DIR        write each output to DIR/NAME.npy
  --full              print every element, not the first eight
  --json              outputs and times as one JSON object

  holdfast run out/shapes --input image=@picture.npy
`;

export async function runCommand(args: readonly string[]): Promise<number> {
  const { values: flags, positionals } = parseFlags("run", args, {
    input: { type: "string", multiple: true, default: [] },
    repeat: { type: "string", default: "1" },
    strict: { type: "boolean", default: false },
    output: { type: "string" },
    full: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  });
  const [path] = positionals;
  if (path === undefined || positionals.length > 1) throw usage("run takes one artifact", "holdfast run DIR");
  const repeat = Number(flags.repeat);
  if (!Number.isInteger(repeat) || repeat < 1 || repeat > 1_000_000)
    throw usage(`--repeat ${flags.repeat} is not between 1 and 1,000,000`, "for example --repeat 100");
  const terminal = new Terminal({ json: flags.json });
  const { manifest, load } = await openArtifact(path);
  const inputs = await inputsOf(manifest.inputs as readonly Port[], flags.input);
  const started = systemClock.monotonicMs();
  const model = await load(flags.strict ? { relaxed: false } : {});
  const loadedMs = systemClock.monotonicMs() - started;
  const times: number[] = [];
  let outputs: Record<string, ElementArray> = {};
  for (let turn = 0; turn < repeat; turn++) {
    const from = systemClock.monotonicMs();
    outputs = model.run(inputs);
    times.push(systemClock.monotonicMs() - from);
  }
  const medianMs = times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)]!;
  const ports = manifest.outputs as readonly Port[];
  if (flags.output !== undefined) await writeOutputs(flags.output, ports, outputs);
  if (flags.json) {
    const listed = ports.map(({ name, type, shape }) => ({
      name,
      type,
      shape,
      data: Array.from(outputs[name] as ArrayLike<number | bigint>, plain),
    }));
    terminal.object({ outputs: listed, loadMs: loadedMs, firstMs: times[0], medianMs, memoryBytes: model.memoryBytes });
    return exitCodes.done;
  }
  for (const { name, type, shape } of ports)
    terminal.data(`${name}  ${type} [${shape.join(", ")}]  ${preview(outputs[name]!, flags.full)}`);
  const median = repeat > 1 ? `, median of ${repeat}: ${formatMs(medianMs)}` : "";
  terminal.note(terminal.style("dim", `loaded in ${formatMs(loadedMs)}, first run ${formatMs(times[0]!)}${median}`));
  return exitCodes.done;
}

interface Port {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly number[];
}

async function inputsOf(ports: readonly Port[], flags: readonly string[]): Promise<Record<string, ElementArray>> {
  const given = new Map(
    flags.map((flag): [string, string] => {
      const split = flag.indexOf("=");
      if (split < 1)
        throw usage(`--input ${flag} is not of the form NAME=VALUE`, "VALUE is JSON, @FILE.npy, random, zeros or ones");
      return [flag.slice(0, split), flag.slice(split + 1)];
    }),
  );
  for (const name of given.keys()) {
    if (!ports.some((port) => port.name === name))
      throw usage(
        `the model has no input ${JSON.stringify(name)}`,
        `its inputs are: ${ports.map((port) => port.name).join(", ")}`,
      );
  }
  const inputs: Record<string, ElementArray> = {};
  for (const [place, port] of ports.entries())
    inputs[port.name] = await inputOf(port, given.get(port.name) ?? "random", place + 1);
  return inputs;
}

async function inputOf({ name, type, shape }: Port, text: string, seed: number): Promise<ElementArray> {
  const count = elementCount(shape);
  if (text === "random") return seededArray(type, count, seed);
  if (text === "zeros" || text === "ones") return filled(type, count, text === "ones" ? 1 : 0);
  return converted(await parseValue(text, `--input ${name}`), name, type, shape);
}

function filled(type: ElementType, count: number, value: number): ElementArray {
  const array = newArray(type, count);
  const wide = array instanceof BigInt64Array || array instanceof BigUint64Array;
  (array as { fill(value: number | bigint): unknown }).fill(wide ? BigInt(value) : value);
  return array;
}

/** Given elements as the input's type; the count must be right, and the shape unless it is flat. */
function converted(given: ConstantData, name: string, type: ElementType, shape: readonly number[]): ElementArray {
  const count = elementCount(shape);
  const elements = elementsOf(given);
  const fits = elements.length === count && (given.shape.length <= 1 || String(given.shape) === String(shape));
  if (!fits) {
    throw new HoldfastError(
      "CLI_BAD_INPUT",
      `input ${JSON.stringify(name)} is ${type} [${shape}], but [${given.shape}] was given`,
      {
        hint: `give ${count} elements`,
      },
    );
  }
  if (given.type === type) return elements;
  const array = newArray(type, count) as { [place: number]: number | bigint } & ElementArray;
  const wide = array instanceof BigInt64Array || array instanceof BigUint64Array;
  for (let place = 0; place < count; place++)
    array[place] = wide ? BigInt(Math.trunc(Number(elements[place]))) : Number(elements[place]);
  return array;
}

async function writeOutputs(
  folder: string,
  ports: readonly Port[],
  outputs: Record<string, ElementArray>,
): Promise<void> {
  await disk.makeFolder(folder);
  for (const { name, type, shape } of ports) {
    const array = outputs[name]!;
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    await disk.writeFile(
      join(folder, `${name.replaceAll(/[^A-Za-z0-9._-]+/g, "-")}.npy`),
      writeNpy({ type, shape, bytes }),
    );
  }
}

const plain = (value: number | bigint): number | string | null =>
  typeof value === "bigint" ? String(value) : Number.isFinite(value) ? value : null;

function preview(array: ElementArray, full: boolean): string {
  const shown = Array.from(array as ArrayLike<number | bigint>).slice(0, full ? array.length : 8);
  const texts = shown.map((value) =>
    typeof value === "bigint" ? String(value) : Number.isInteger(value) ? String(value) : value.toPrecision(5),
  );
  return `${texts.join(" ")}${array.length > shown.length ? " …" : ""}`;
}
