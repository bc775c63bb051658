/**
 * Opens the manifest of a folder, or begins one.
 *
 * A folder without CURRENT and without files of the store is new. Without CURRENT but with files it has lost something:
 * CURRENT is durable before the first file is named. What was torn or healed is written anew before anything else.
 */

import { join } from "node:path";
import { HoldfastError } from "../../base/index.ts";
import type { Disk } from "../../disk/index.ts";
import { readCurrent } from "./current.ts";
import { Manifest } from "./manifest.ts";
import { ManifestFileWriter } from "./manifest-file.ts";
import { currentName, fileName, manifestName, parseName } from "./names.ts";
import { emptyState, fileKinds, type ManifestFile, type ManifestState } from "./state.ts";
import { type ManifestContent, manifestError, walkManifest } from "./walk.ts";

const readLimitBytes = 512 * 2 ** 20;

export interface OpenManifestOptions {
  readonly disk: Disk;
  /** Made where it is not there. The caller holds its lock. */
  readonly folder: string;
  /**
   * A manifest that is larger, and twice as large as when it was made or opened, is written anew with the next edit.
   * Default 1 MiB.
   */
  readonly rewriteBytes?: number;
}

export interface OpenedManifest {
  readonly manifest: Manifest;
  readonly isNew: boolean;
  /**
   * Files in the folder that no edit names, for deletion: leftovers of crashes. After a torn tail keep them until it is
   * sure that the log still holds what was flushed last.
   */
  readonly orphans: readonly string[];
  /** Files that the manifest names and that are not there. */
  readonly missing: readonly ManifestFile[];
  readonly torn: ManifestContent["torn"];
  /** Damage that took nothing away, with the file it was in. */
  readonly healed: readonly { readonly path: string; readonly offset: number; readonly reason: string }[];
}

/**
 * Throws STORE_MANIFEST_CORRUPT with path and offset where something is damaged that was durable, STORE_VERSION where a
 * later version wrote it, and DISK_*.
 */
export async function openManifest(options: OpenManifestOptions): Promise<OpenedManifest> {
  const { disk, folder, rewriteBytes = 2 ** 20 } = options;
  await disk.makeFolder(folder);
  const names = await namesIn(disk, folder);
  const lastManifest = highest(names, ["manifest"]);
  const read = await readManifest({ disk, folder });
  const state = read?.state ?? emptyState;
  if (read === undefined) await refuseLostCurrent(disk, folder, names);
  // An edit that was appended may only be in the system's memory, and no sync of ours may bring it to the disk: one
  // that failed in the process before can have marked it as written. So it is written anew, before anything goes by it.
  const isAppendedTo = read !== undefined && read.content.edits > 1;
  const mustRewrite = read === undefined || isAppendedTo || read.torn !== undefined || read.healed.length > 0;
  const number = mustRewrite ? lastManifest + 1 : read.number;
  const nextFileId = Math.max(state.nextFileId, highest(names, [...fileKinds, "temporary"]) + 1);
  const writer = mustRewrite
    ? await ManifestFileWriter.create(disk, folder, number, { ...state, nextFileId })
    : await ManifestFileWriter.open(disk, folder, number, read.content);
  const manifest = new Manifest({
    disk,
    folder,
    state,
    nextFileId,
    lastManifest: Math.max(number, lastManifest),
    rewriteBytes,
    writer,
  });
  // One that is whole says nothing more than the new one; a damaged one stays as evidence until orphans are swept.
  const isReplaced = isAppendedTo && read.torn === undefined && read.healed.length === 0;
  if (isReplaced) await disk.remove(join(folder, manifestName(read.number))).catch(() => undefined);
  const left = isReplaced ? names.filter((name) => name !== manifestName(read.number)) : names;
  const live = new Set([...state.files.values()].map(fileName)).add(manifestName(number));
  return {
    manifest,
    isNew: read === undefined,
    orphans: left.filter((name) => parseName(name) !== undefined && !live.has(name)),
    missing: [...state.files.values()].filter((file) => !names.includes(fileName(file))),
    torn: read?.torn,
    healed: read?.healed ?? [],
  };
}

export interface ManifestReading {
  readonly number: number;
  readonly state: ManifestState;
  readonly content: ManifestContent;
  readonly torn: ManifestContent["torn"];
  readonly healed: readonly { readonly path: string; readonly offset: number; readonly reason: string }[];
}

/** As `openManifest`, and changes nothing; undefined where there is no manifest. */
export async function readManifest(options: {
  readonly disk: Disk;
  readonly folder: string;
}): Promise<ManifestReading | undefined> {
  const { disk, folder } = options;
  const current = await readCurrent(disk, folder);
  if (current === undefined) return undefined;
  const path = join(folder, manifestName(current.manifest));
  if ((await disk.stat(path)) === undefined) throw manifestError(path, 0, "CURRENT names it, and it is not there");
  const bytes = await disk.readFile(path, { limitBytes: readLimitBytes });
  const content = walkManifest(path, current.manifest, bytes);
  const healed = content.healed.map((one) => ({ path, ...one }));
  if (current.isHealed)
    healed.push({ path: join(folder, currentName), offset: 0, reason: "one of its lines is damaged" });
  return { number: current.manifest, state: content.state, content, torn: content.torn, healed };
}

async function refuseLostCurrent(disk: Disk, folder: string, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const named = parseName(name);
    const isFile = fileKinds.some((kind) => named?.what === kind);
    const isUsed = named?.what === "manifest" && (await wasUsed(disk, join(folder, name), named.number));
    if (isFile || isUsed) throw manifestError(join(folder, currentName), 0, `it is not there, though ${name} is`);
  }
}

/** A manifest that a crash left before CURRENT named it says nothing, or is not even whole. */
async function wasUsed(disk: Disk, path: string, number: number): Promise<boolean> {
  try {
    const { edits, state } = walkManifest(path, number, await disk.readFile(path, { limitBytes: readLimitBytes }));
    return edits > 1 || state.files.size + state.values.size > 0;
  } catch (error) {
    if (HoldfastError.is(error) && error.code === "STORE_MANIFEST_CORRUPT") return false;
    throw error;
  }
}

async function namesIn(disk: Disk, folder: string): Promise<string[]> {
  return (await disk.list(folder)).filter(({ kind }) => kind === "file").map(({ name }) => name);
}

function highest(names: readonly string[], kinds: readonly string[]): number {
  return names.reduce((most, name) => {
    const named = parseName(name);
    const counts = named !== undefined && kinds.includes(named.what) && !Number.isNaN(named.number);
    return counts ? Math.max(most, named.number) : most;
  }, 0);
}
