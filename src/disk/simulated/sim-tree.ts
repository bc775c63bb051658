/** Paths of a simulated disk: what they lead to, and the system's errors where they do not. */

import { dirname, resolve } from "node:path";
import { diskError, systemError } from "../disk-error.ts";

import type { SimFolderNode, SimNode } from "./sim-node.ts";

export function nodeAt(root: SimFolderNode, operation: string, path: string): SimNode | undefined {
  let node: SimNode | undefined = root;
  for (const name of namesOf(path)) {
    if (node?.kind === "file") throw diskError(operation, path, systemError("ENOTDIR"));
    node = node?.entries.get(name);
  }
  return node;
}

export function folderAt(root: SimFolderNode, operation: string, path: string): SimFolderNode {
  const node = nodeAt(root, operation, path);
  if (node === undefined) throw diskError(operation, path, systemError("ENOENT"));
  if (node.kind === "file") throw diskError(operation, path, systemError("ENOTDIR"));
  return node;
}

/** The folder that holds the entry of this path, whether that is there or not. */
export function folderOf(root: SimFolderNode, operation: string, path: string): SimFolderNode {
  return folderAt(root, operation, dirname(resolve(path)));
}

export function namesOf(path: string): string[] {
  return resolve(path)
    .split("/")
    .filter((name) => name !== "");
}

export function* filesIn(folder: SimFolderNode, path = ""): Generator<{ path: string; bytes: Uint8Array }> {
  for (const [name, node] of folder.entries) {
    if (node.kind === "folder") yield* filesIn(node, `${path}/${name}`);
    else {
      const bytes = new Uint8Array(node.sizeBytes);
      node.read(bytes, 0);
      yield { path: `${path}/${name}`, bytes };
    }
  }
}
