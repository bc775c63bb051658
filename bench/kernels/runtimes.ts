/**
 * The runtimes that are measured, behind one shape: something that runs a model once on inputs already in place.
 *
 * onnxruntime-web is installed apart, in this folder's own package, so its types cannot be imported where it is not;
 * what is used of it is written down here.
 */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { ElementArray, ElementType } from "../../src/tensor/index.ts";
import { inputFor, type Port } from "./inputs.ts";

export type Outputs = Readonly<Record<string, ElementArray>>;

export interface Contender {
  readonly name: string;
  /** Runs the model once on the same inputs each time. */
  run(): Outputs | Promise<Outputs>;
  release(): Promise<void>;
}

interface Artifact {
  load(options?: { readonly relaxed?: boolean }): Promise<{
    readonly inputs: readonly Port[];
    run(inputs: Outputs): Outputs;
  }>;
}

/** Where the .mjs of a model compiled into the folder lies. */
export function artifactFile(folder: string, model: string): string {
  return join(folder, model, `${model}.mjs`);
}

export async function holdfast(folder: string, model: string, relaxed: boolean): Promise<Contender> {
  const { load } = (await import(pathToFileURL(artifactFile(folder, model)).href)) as Artifact;
  const loaded = await load({ relaxed });
  const inputs = Object.fromEntries(loaded.inputs.map((port) => [port.name, inputFor(model, port)]));
  return {
    name: relaxed ? "relaxed" : "strict",
    run: () => loaded.run(inputs),
    release: () => Promise.resolve(),
  };
}

interface OnnxTensor {
  readonly data: ElementArray;
}

interface OnnxSession {
  readonly inputMetadata: readonly {
    readonly name: string;
    readonly type: string;
    readonly shape: readonly number[];
  }[];
  run(feeds: Readonly<Record<string, OnnxTensor>>): Promise<Readonly<Record<string, OnnxTensor>>>;
  release(): Promise<void>;
}

interface OnnxRuntime {
  readonly env: { readonly wasm: { numThreads: number }; readonly versions: { readonly web?: string } };
  readonly Tensor: new (type: string, data: ElementArray, shape: readonly number[]) => OnnxTensor;
  readonly InferenceSession: {
    create(model: Uint8Array, options: Readonly<Record<string, unknown>>): Promise<OnnxSession>;
  };
}

let runtime: OnnxRuntime | undefined;

async function onnxRuntime(): Promise<OnnxRuntime> {
  if (runtime) return runtime;
  const file = createRequire(import.meta.url).resolve("onnxruntime-web");
  // The ES module beside the file that require finds, as `import` of the package takes it.
  const url = pathToFileURL(file.replace(/\.js$/, ".mjs")).href;
  runtime = (await import(url)) as OnnxRuntime;
  runtime.env.wasm.numThreads = 1;
  return runtime;
}

export async function onnxRuntimeVersion(): Promise<string> {
  return (await onnxRuntime()).env.versions.web ?? "of unknown version";
}

/** onnxruntime-web: one thread, SIMD, every graph optimisation. */
export async function onnxRuntimeWeb(file: string, model: string): Promise<Contender> {
  const { Tensor, InferenceSession } = await onnxRuntime();
  const session = await InferenceSession.create(await readFile(file), {
    executionProviders: ["wasm"],
    graphOptimizationLevel: "all",
  });
  const feeds: Record<string, OnnxTensor> = {};
  for (const { name, type, shape } of session.inputMetadata)
    feeds[name] = new Tensor(type, inputFor(model, { name, type: type as ElementType, shape }), shape);
  return {
    name: "onnxruntime-web",
    async run() {
      const outputs = await session.run(feeds);
      return Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => [name, tensor.data]));
    },
    release: () => session.release(),
  };
}
