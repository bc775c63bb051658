/**
 * Finds the compiled model of this example, for the programs that use it, and says what to type where it is missing.
 */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

export interface ShapesModel {
  readonly memoryBytes: number;
  run(inputs: { readonly image: Float32Array }): { readonly probabilities: Float32Array };
}

const root = resolve(import.meta.dirname, "../..");

/** The folder of the compiled model; undefined, and words on stderr, where nothing has been compiled. */
export function findArtifact(given: string | undefined): string | undefined {
  const folder = given === undefined ? join(root, "out", "shapes") : resolve(given);
  if (existsSync(join(folder, "shapes.mjs"))) return folder;
  const command = given === undefined ? "npm start" : `npm start -- examples/shapes/shapes.onnx --out ${given}`;
  process.stderr.write(
    `There is no compiled model in ${folder} yet.\nMake it first, in ${root}:\n\n    ${command}\n\n`,
  );
  return undefined;
}

export async function loadArtifact(folder: string): Promise<ShapesModel> {
  const wrapper = (await import(pathToFileURL(join(folder, "shapes.mjs")).href)) as { load(): Promise<ShapesModel> };
  return wrapper.load();
}
