/** Finds an artifact by the path of its folder, wrapper or manifest, and loads it. */
import { basename, dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { HoldfastError, utf8Text } from "../base/index.ts";
import type { ElementArray, Manifest } from "../tensor/index.ts";
import { disk, usage } from "./arguments.ts";

export interface LoadedModel {
  readonly memoryBytes: number;
  run(inputs: Readonly<Record<string, ElementArray>>): Record<string, ElementArray>;
}

export interface Artifact {
  readonly folder: string;
  readonly manifest: Manifest;
  load(options?: { readonly relaxed?: boolean }): Promise<LoadedModel>;
}

/** Throws ARTIFACT_NOT_FOUND or ARTIFACT_DAMAGED. */
export async function openArtifact(path: string): Promise<Artifact> {
  const manifestPath = await manifestPathOf(path);
  const manifest = parseManifest(
    utf8Text(await disk.readFile(manifestPath, { limitBytes: 64 * 2 ** 20 })),
    manifestPath,
  );
  const folder = dirname(manifestPath);
  return {
    folder,
    manifest,
    async load(options = {}) {
      const url = pathToFileURL(resolve(folder, `${manifest.name}.mjs`)).href;
      const module = (await import(url)) as { load(options: object): Promise<LoadedModel> };
      return module.load(options);
    },
  };
}

async function manifestPathOf(path: string): Promise<string> {
  const found = await disk.stat(path);
  if (!found) {
    throw new HoldfastError("ARTIFACT_NOT_FOUND", `there is no artifact at ${path}`, {
      hint: "holdfast compile MODEL.onnx --out DIR makes one",
    });
  }
  if (found.kind !== "folder")
    return path.endsWith(".json")
      ? path
      : join(dirname(path), `${basename(path).replace(/\.(relaxed\.)?[a-z.]+$/, "")}.json`);
  const manifests = (await disk.list(path)).filter(({ name, kind }) => kind === "file" && name.endsWith(".json"));
  if (manifests.length === 1) return join(path, manifests[0]!.name);
  const named = manifests.find(({ name }) => name === `${basename(resolve(path))}.json`);
  if (named) return join(path, named.name);
  throw usage(`${path} holds ${manifests.length} manifests`, "name the artifact's .json file");
}

function parseManifest(text: string, path: string): Manifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new HoldfastError("ARTIFACT_DAMAGED", `${path} is not JSON`, { cause, hint: "compile the model again" });
  }
  const manifest = value as Partial<Manifest> | null;
  if (manifest?.format !== "holdfast-artifact/1" || !Array.isArray(manifest.files) || !Array.isArray(manifest.inputs)) {
    throw new HoldfastError("ARTIFACT_DAMAGED", `${path} is not the manifest of an artifact`, {
      hint: "name the .json file beside the .wasm",
    });
  }
  return value as Manifest;
}
