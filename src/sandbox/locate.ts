/** Where the code of a cell lies, and so which folders it may read. */

import { findPackageJSON } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { HoldfastError } from "../base/index.ts";

/** The entry of a cell: TypeScript beside the sources, JavaScript beside what was built of them. */
export const cellMain = new URL(import.meta.url.endsWith(".ts") ? "./cell-main.ts" : "./cell-main.js", import.meta.url);

/**
 * The handler's folder, Holdfast's own, the package files above them, every `node_modules` on the way up, and the one
 * that Holdfast's own dependency really lies in, where those are links. Not the whole package: secrets like to lie at
 * its root.
 */
export function readableFolders(module: URL, more: readonly URL[]): string[] {
  if (module.protocol !== "file:") {
    throw new HoldfastError("CELL_ARGUMENT", `the handler module ${module.href} is not a file`, {
      hint: 'pass new URL("./handler.js", import.meta.url)',
    });
  }
  const own = dirname(dirname(fileURLToPath(cellMain)));
  const folders = new Set([own, dirname(fileURLToPath(module)), ...more.map((url) => fileURLToPath(url))]);
  for (const url of [module, cellMain]) {
    const manifest = packageFile(url);
    if (manifest !== undefined) folders.add(manifest);
    let folder = dirname(fileURLToPath(url));
    while (dirname(folder) !== folder) {
      folders.add(join(folder, "node_modules"));
      folder = dirname(folder);
    }
  }
  const messages = packageFile("@bufbuild/protobuf");
  if (messages !== undefined) folders.add(dirname(dirname(dirname(messages))));
  return [...folders];
}

/** A module that is not there has no package; that it is not there is for the cell to find out. */
function packageFile(module: URL | string): string | undefined {
  try {
    return findPackageJSON(module, import.meta.url);
  } catch {
    return undefined;
  }
}
