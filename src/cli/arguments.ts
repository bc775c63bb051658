/** Flags that name shapes and values of inputs, and paths, turned into what the compiler takes. */
import { basename, dirname, extname, join, resolve } from "node:path";
import { type ParseArgsConfig, parseArgs } from "node:util";
import { HoldfastError, nearestName, utf8Text } from "../base/index.ts";
import { type Disk, type FileStat, NodeDisk } from "../disk/index.ts";
import { type ConstantData, denseConstant, externalLocations, staysInside } from "../tensor/index.ts";
import { readNpy } from "./npy.ts";

export const disk: Disk = new NodeDisk();

/** A model or a data file may have up to 2 GiB. */
export const fileLimitBytes = 2 ** 31 - 1;

export function usage(message: string, hint: string): HoldfastError {
  return new HoldfastError("CLI_USAGE", message, { hint });
}

/** parseArgs whose complaints are CLI_USAGE errors. */
export function parseFlags<const T extends ParseArgsConfig["options"] & object>(
  command: string,
  args: readonly string[],
  options: T,
) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (cause) {
    const message = cause instanceof Error ? cause.message.split(". ")[0]! : String(cause);
    const unknown = /^Unknown option '--([^'=]+)/.exec(message)?.[1];
    const near = unknown === undefined ? undefined : nearestName(unknown, Object.keys(options));
    const help = `holdfast ${command} --help lists the flags`;
    throw usage(`${command}: ${message}`, near === undefined ? help : `did you mean --${near}? ${help}`);
  }
}

/** Repeated NAME=AxBxC flags. */
export function parseShapes(flags: readonly string[]): Record<string, readonly number[]> {
  const shapes: Record<string, readonly number[]> = {};
  for (const flag of flags) {
    const split = flag.lastIndexOf("=");
    const extents = flag.slice(split + 1).split("x");
    if (split < 1 || !extents.every((extent) => /^\d{1,15}$/.test(extent))) {
      throw usage(
        `--shape ${flag} is not of the form NAME=1x3x224x224`,
        "for a scalar leave the shape out of the model, or use --bind",
      );
    }
    shapes[flag.slice(0, split)] = extents.map(Number);
  }
  return shapes;
}

/** Repeated NAME=JSON or NAME=@FILE.npy flags; JSON numbers become int64 where all are whole, else float32. */
export async function parseBindings(flags: readonly string[]): Promise<Record<string, ConstantData>> {
  const bind: Record<string, ConstantData> = {};
  for (const flag of flags) {
    const split = flag.indexOf("=");
    if (split < 1) throw usage(`--bind ${flag} is not of the form NAME=VALUE`, "VALUE is JSON, or @FILE.npy");
    bind[flag.slice(0, split)] = await parseValue(flag.slice(split + 1), `--bind ${flag}`);
  }
  return bind;
}

export async function parseValue(text: string, where: string): Promise<ConstantData> {
  if (text.startsWith("@") && text.endsWith(".npy"))
    return readNpy(await disk.readFile(text.slice(1), { limitBytes: fileLimitBytes }));
  const source = text.startsWith("@")
    ? utf8Text(await disk.readFile(text.slice(1), { limitBytes: fileLimitBytes }))
    : text;
  let value: unknown;
  try {
    value = JSON.parse(source);
  } catch (cause) {
    throw new HoldfastError("CLI_USAGE", `${where}: the value is not JSON`, {
      cause,
      hint: "write numbers as [1, 2, 3], or name a file as @FILE.npy",
    });
  }
  return constantFromJson(value, where);
}

/** Nested arrays of numbers or booleans; all rows of equal length. */
export function constantFromJson(value: unknown, where: string): ConstantData {
  const shape: number[] = [];
  for (let part = value; Array.isArray(part); part = part[0]) shape.push(part.length);
  const flat = (Array.isArray(value) ? value.flat(32) : [value]) as unknown[];
  const count = shape.reduce((product, extent) => product * extent, 1);
  const numbers = flat.every((one) => typeof one === "number");
  const booleans = flat.length > 0 && flat.every((one) => typeof one === "boolean");
  if (flat.length !== count || !(numbers || booleans)) {
    throw usage(
      `${where}: the value is not an array of numbers with rows of equal length`,
      "write numbers as [[1, 2], [3, 4]]",
    );
  }
  if (booleans)
    return denseConstant(
      "bool",
      shape,
      flat.map((one) => (one ? 1 : 0)),
    );
  const whole = (flat as number[]).every(Number.isInteger);
  return whole
    ? denseConstant("int64", shape, (flat as number[]).map(BigInt))
    : denseConstant("float32", shape, flat as number[]);
}

/** The file's name without its ending, made safe for files and URLs. */
export function nameOfModel(path: string): string {
  const name = basename(path, extname(path))
    .replaceAll(/[^A-Za-z0-9._-]+/g, "-")
    .replace(/^[.-]+/, "");
  return name === "" ? "model" : name.slice(0, 100);
}

/** Says in which file it is what the compiler found wrong with a model: the compiler knows of no files. */
export async function withModel<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    if (!HoldfastError.is(thrown) || !/^(ONNX|TENSOR|BLUEPRINT)_/.test(thrown.code)) throw thrown;
    const { code, rawMessage, cause, hint, retryable, details } = thrown;
    throw new HoldfastError(code, `${path}: ${rawMessage}`, {
      ...(cause === undefined ? {} : { cause }),
      ...(hint === undefined ? {} : { hint }),
      retryable,
      details: { ...details, path },
    });
  }
}

/** Refuses, before any work is done for it, a place where no folder can be. */
export async function checkOutFolder(path: string): Promise<void> {
  const hint = "give --out the path of a folder, there already or to be made";
  if (path === "") throw usage("--out is empty", hint);
  for (let folder = resolve(path); ; folder = dirname(folder)) {
    const found = await statOrNothing(folder);
    if (found?.kind === "folder" || folder === dirname(folder)) return;
    if (!found) continue;
    const what = folder === resolve(path) ? "it" : folder;
    throw new HoldfastError("CLI_BAD_OUT", `cannot write to --out ${path}: ${what} is a file, not a folder`, {
      hint,
      details: { out: path },
    });
  }
}

/** Below a file there is nothing, which systems call a mistake in the path. */
async function statOrNothing(path: string): Promise<FileStat | undefined> {
  try {
    return await disk.stat(path);
  } catch (error) {
    if (HoldfastError.is(error) && error.code === "DISK_NOT_A_FOLDER") return undefined;
    throw error;
  }
}

export function readModel(path: string): Promise<Uint8Array> {
  return disk.readFile(path, { limitBytes: fileLimitBytes });
}

/**
 * The external data files a model names, read from its folder. What leaves the folder is left to the importer to
 * refuse.
 */
export async function readExternalFiles(model: Uint8Array, folder: string): Promise<Record<string, Uint8Array>> {
  const files: Record<string, Uint8Array> = {};
  for (const location of externalLocations(model)) {
    if (!staysInside(location)) continue;
    files[location] = await disk.readFile(join(folder, location), { limitBytes: fileLimitBytes });
  }
  return files;
}
