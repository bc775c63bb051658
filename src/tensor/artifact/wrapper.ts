/**
 * Writes the ES module around a compiled model, its type declarations and its manifest.
 *
 * The module's text holds data and fixed code only: names from the model appear as JSON strings, never as code. It uses
 * no eval and no platform interface but WebAssembly; fetch, or node:fs where it was loaded from a file, is used to read
 * its own files when nothing else is given.
 */
import { hexOf, sha256, utf8 } from "../../base/index.ts";
import { relaxedProbe } from "../compile-unit.ts";
import { eagerPrelude } from "../eager/prelude.ts";
import { arrayNameOf, elementCount, type Shape } from "../ir/element-type.ts";
import type { ArtifactDescription, ArtifactFile, TensorPort } from "./description.ts";
import type { LinkedArtifact } from "./link.ts";

export interface ArtifactOptions {
  /** Module and weights inside the .mjs, as base64. Default false: files of their own. */
  readonly singleFile?: boolean;
}

/** All files of an artifact, by names relative to its folder. */
export function artifactFiles(linked: LinkedArtifact, options: ArtifactOptions = {}): ArtifactFile[] {
  const { description } = linked;
  const { name } = description;
  const binaries: ArtifactFile[] = [
    { path: `${name}.wasm`, bytes: linked.module },
    { path: `${name}.relaxed.wasm`, bytes: linked.relaxedModule },
    { path: `${name}.weights`, bytes: linked.weights },
  ];
  const inside = options.singleFile ? binaries.map(({ bytes }) => base64(bytes)) : undefined;
  const files: ArtifactFile[] = [
    ...(options.singleFile ? [] : binaries),
    { path: `${name}.mjs`, bytes: utf8(wrapperText(description, inside)) },
    { path: `${name}.d.mts`, bytes: utf8(declarationText(description)) },
    { path: `${name}.d.ts`, bytes: utf8(declarationText(description)) },
  ];
  const manifest = manifestOf(description, files);
  return [...files, { path: `${name}.json`, bytes: utf8(`${JSON.stringify(manifest, undefined, 2)}\n`) }];
}

/** What NAME.json says. */
export interface Manifest {
  readonly format: "holdfast-artifact/1";
  readonly name: string;
  readonly compiler: string;
  readonly strategy: string;
  readonly blueprint: string;
  readonly inputs: readonly { readonly name: string; readonly type: string; readonly shape: Shape }[];
  readonly outputs: readonly { readonly name: string; readonly type: string; readonly shape: Shape }[];
  readonly memoryBytes: number;
  readonly arenaBytes: number;
  readonly weightsBytes: number;
  readonly degraded: boolean;
  readonly units: ArtifactDescription["units"];
  readonly files: readonly { readonly path: string; readonly bytes: number; readonly sha256: string }[];
}

function manifestOf(description: ArtifactDescription, files: readonly ArtifactFile[]): Manifest {
  const port = ({ name, type, shape }: TensorPort) => ({ name, type, shape });
  return {
    format: "holdfast-artifact/1",
    name: description.name,
    compiler: description.compilerVersion,
    strategy: description.strategy,
    blueprint: description.blueprintHash,
    inputs: description.inputs.map(port),
    outputs: description.outputs.map(port),
    memoryBytes: description.memory.pages * 65536,
    arenaBytes: description.memory.arenaBytes,
    weightsBytes: description.weights.bytes,
    degraded: description.units.some((unit) => unit.mode === "eager"),
    units: description.units,
    files: files.map(({ path, bytes }) => ({ path, bytes: bytes.length, sha256: hexOf(sha256(bytes)) })),
  };
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

function base64(bytes: Uint8Array): string {
  const parts: string[] = [];
  for (let place = 0; place < bytes.length; place += 3) {
    const word = (bytes[place]! << 16) | ((bytes[place + 1] ?? 0) << 8) | (bytes[place + 2] ?? 0);
    const left = bytes.length - place;
    parts.push(
      alphabet[word >> 18]! +
        alphabet[(word >> 12) & 63]! +
        (left > 1 ? alphabet[(word >> 6) & 63]! : "=") +
        (left > 2 ? alphabet[word & 63]! : "="),
    );
  }
  return parts.join("");
}

function portData({ name, type, shape, offset }: TensorPort): unknown {
  return { name, type, shape, count: elementCount(shape), offset };
}

const json = (value: unknown): string => JSON.stringify(value);

function wrapperText(description: ArtifactDescription, inside: readonly string[] | undefined): string {
  const { name, weights, memory, steps } = description;
  const fills = weights.fills.map(({ offset, bytes, element }) => ({ offset, bytes, element }));
  const arrays = [...new Set([...description.inputs, ...description.outputs].map(({ type }) => type))];
  const eager =
    description.eagerSources.length > 0
      ? `${eagerPrelude}\nconst eager = [\n${description.eagerSources.join(",\n")}\n];\n`
      : "";
  return `// ${JSON.stringify(name)}, compiled by Holdfast (${description.compilerVersion}, ${description.strategy}).
// import { load } from ${json(`./${name}.mjs`)}; const model = await load(); const outputs = model.run(inputs);
/* eslint-disable */

const ports = (list) => list.map(({ name, type, shape }) => Object.freeze({ name, type, shape: Object.freeze(shape) }));
const inputPorts = ${json(description.inputs.map(portData))};
const outputPorts = ${json(description.outputs.map(portData))};
const arrayOf = { ${arrays.map((type) => `${json(type)}: ${arrayNameOf(type)}`).join(", ")} };
const steps = ${json(steps)};
const fills = ${json(fills)};
const weightsOffset = ${weights.offset};
const weightsBytes = ${weights.bytes};
const probe = new Uint8Array(${json([...relaxedProbe])});
const inside = ${inside ? json({ module: inside[0], relaxed: inside[1], weights: inside[2] }) : "undefined"};

/** What the model takes and gives. */
export const inputs = Object.freeze(ports(inputPorts));
export const outputs = Object.freeze(ports(outputPorts));
/** Bytes of memory the model needs, all taken when it is loaded. */
export const memoryBytes = ${memory.pages * 65536};
${eager}
async function read(name) {
  if (inside) {
    const text = atob(inside[name]);
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    return bytes;
  }
  const file = { module: ${json(`${name}.wasm`)}, relaxed: ${json(`${name}.relaxed.wasm`)}, weights: ${json(`${name}.weights`)} }[name];
  const url = new URL("./" + encodeURIComponent(file), import.meta.url);
  if (url.protocol === "file:") return (await import("node:fs/promises")).readFile(url);
  const response = await fetch(url);
  if (!response.ok) throw new Error("cannot read " + url + ": HTTP status " + response.status);
  return new Uint8Array(await response.arrayBuffer());
}

function fill(memory, { offset, bytes, element }) {
  if (element.length === 4) {
    new Uint32Array(memory, offset, bytes / 4).fill(new DataView(Uint8Array.from(element).buffer).getUint32(0, true));
    return;
  }
  const target = new Uint8Array(memory, offset, bytes);
  target.set(element);
  for (let done = element.length; done < bytes; done *= 2) target.copyWithin(done, 0, Math.min(done, bytes - done));
}

/**
 * Loads the model. Give \`module\` (a compiled WebAssembly.Module) and \`weights\` (bytes) where the host brings them;
 * \`relaxed: false\` keeps to strict SIMD, whose results are the same on every engine.
 */
export async function load(options = {}) {
  const relaxed = options.relaxed ?? WebAssembly.validate(probe);
  const [module, weights] = await Promise.all([
    options.module ?? read(relaxed ? "relaxed" : "module").then((bytes) => WebAssembly.compile(bytes)),
    options.weights ?? (weightsBytes > 0 ? read("weights") : new Uint8Array(0)),
  ]);
  const bytes = weights instanceof ArrayBuffer ? new Uint8Array(weights) : new Uint8Array(weights.buffer, weights.byteOffset, weights.byteLength);
  if (bytes.length !== weightsBytes) throw new RangeError(${json(`the weights of ${name} have `)} + weightsBytes + " bytes, not " + bytes.length);
  const instance = await WebAssembly.instantiate(module, {});
  const memory = instance.exports.memory.buffer;
  new Uint8Array(memory).set(bytes, weightsOffset);
  for (const one of fills) fill(memory, one);
  const view = ({ type, count, offset }) => new arrayOf[type](memory, offset, count);
  const into = inputPorts.map(view);
  const from = outputPorts.map(view);
  const program = steps.map((step) => {
    if (step.kind === "wasm") return instance.exports[step.call];
    const views = step.buffers.map(({ type, count, offset }) => new eagerArrays[type](memory, offset, count));
    const run = eager[step.source];
    return () => run(...views);
  });
  return Object.freeze({
    inputs,
    outputs,
    memoryBytes,
    /** Runs the model once: typed arrays in by name, fresh typed arrays out by name. */
    run(given) {
      for (let i = 0; i < inputPorts.length; i++) {
        const { name, type, count, shape } = inputPorts[i];
        const value = given[name];
        if (!(value instanceof arrayOf[type]) || value.length !== count) {
          const have = value === undefined ? "nothing" : value?.constructor?.name + " of length " + value?.length;
          throw new TypeError("input " + JSON.stringify(name) + " must be a " + arrayOf[type].name + " of length " + count + " (" + type + " [" + shape + "]), not " + have);
        }
        into[i].set(value);
      }
      for (const step of program) step();
      const result = {};
      for (let i = 0; i < outputPorts.length; i++) result[outputPorts[i].name] = from[i].slice();
      return result;
    },
  });
}
${description.eagerSources.length > 0 ? eagerArraysText(description) : ""}`;
}

function eagerArraysText(description: ArtifactDescription): string {
  const types = new Set(
    description.steps.flatMap((step) => (step.kind === "eager" ? step.buffers.map(({ type }) => type) : [])),
  );
  return `const eagerArrays = { ${[...types].map((type) => `${json(type)}: ${arrayNameOf(type)}`).join(", ")} };\n`;
}

function declarationText(description: ArtifactDescription): string {
  const field = ({ name, type, shape }: TensorPort): string => {
    const bits = type === "float16" || type === "bfloat16" ? ", as raw bits" : "";
    return `  /** ${type} [${shape.join(", ")}], ${elementCount(shape)} elements${bits} */\n  readonly ${json(name)}: ${arrayNameOf(type)};`;
  };
  const portType = ({ name, type, shape }: TensorPort): string =>
    `{ readonly name: ${json(name)}; readonly type: ${json(type)}; readonly shape: readonly [${shape.join(", ")}] }`;
  const bytes = description.memory.pages * 65536;
  const weights = description.weights.bytes;
  return `// Types of ${JSON.stringify(description.name)}, compiled by Holdfast.

export interface Inputs {
${description.inputs.map(field).join("\n")}
}

export interface Outputs {
${description.outputs.map(field).join("\n")}
}

export declare const inputs: readonly [${description.inputs.map(portType).join(", ")}];
export declare const outputs: readonly [${description.outputs.map(portType).join(", ")}];
/** Bytes of memory, all taken when the model is loaded. */
export declare const memoryBytes: ${bytes};

export interface Model {
  readonly inputs: typeof inputs;
  readonly outputs: typeof outputs;
  readonly memoryBytes: ${bytes};
  /** Runs the model once. Throws TypeError where an input is missing or of the wrong type or length. */
  run(inputs: Inputs): Outputs;
}

export interface LoadOptions {
  /** A compiled WebAssembly.Module, for hosts that do not compile at run time. Fits \`relaxed\`. */
  readonly module?: object;
  /** The ${weights} bytes of the weights file. */
  readonly weights?: ArrayBuffer | ArrayBufferView;
  /** False for strict SIMD. Default: whatever the engine can. */
  readonly relaxed?: boolean;
}

export declare function load(options?: LoadOptions): Promise<Model>;
`;
}
