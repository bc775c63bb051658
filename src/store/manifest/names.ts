/** The names of all files in the folder of a store that the manifest has to do with. */

import type { FileKind } from "./state.ts";

export const currentName = "CURRENT";

export function fileName({ id, kind }: { readonly id: number; readonly kind: FileKind }): string {
  return `${padded(id)}.${kind}`;
}

export function manifestName(number: number): string {
  return `manifest-${padded(number)}`;
}

export interface NamedFile {
  readonly what: FileKind | "manifest" | "temporary";
  /** NaN where the name has none. */
  readonly number: number;
}

/** undefined for names that are nothing of ours. */
export function parseName(name: string): NamedFile | undefined {
  const file = /^(\d{10,16})\.(segment|content)(\.tmp)?$/.exec(name);
  if (file !== null)
    return { what: file[3] === undefined ? (file[2] as FileKind) : "temporary", number: Number(file[1]) };
  const manifest = /^manifest-(\d{10,16})$/.exec(name);
  if (manifest !== null) return { what: "manifest", number: Number(manifest[1]) };
  return /^\.CURRENT\..*\.?tmp$/.test(name) ? { what: "temporary", number: Number.NaN } : undefined;
}

function padded(number: number): string {
  return String(number).padStart(10, "0");
}
