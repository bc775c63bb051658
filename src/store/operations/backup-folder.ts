/**
 * What makes a folder a backup: a file BACKUP, written before anything else, that says of which store.
 *
 *     {"holdfast":"backup","format":1,"store":"IDENTITY"}
 *
 * Everything else in it is named as in a store: the files, a manifest and CURRENT. The manifest holds, in the value
 * `backup`, the CRC-32 of each file as a whole. There is no log: a backup is of what was flushed.
 *
 * A store has its identity from when it is made (the manifest value `store.identity`), and a restored store has another
 * one: file numbers tell files apart within one store, and the two go on with the same numbers.
 */

import { join } from "node:path";
import { HoldfastError, utf8, utf8Text } from "../../base/index.ts";
import type { Disk } from "../../disk/index.ts";
import { parseName } from "../manifest/names.ts";
import { readManifest } from "../manifest/open-manifest.ts";
import type { ManifestState } from "../manifest/state.ts";

/** The manifest value by which a store is told from others. */
export const identityValue = "store.identity";
/** The manifest value that only a backup has. */
export const backupValue = "backup";
export const backupMark = "BACKUP";

const format = 1;

export interface BackupRecord {
  /** Of each file as a whole, by its name. */
  readonly checksums: ReadonlyMap<string, number>;
}

export function encodeRecord({ checksums }: BackupRecord): string {
  return JSON.stringify({ checksums: Object.fromEntries(checksums) });
}

/** Empty where there is none, or none that can be read: then everything is compared by its bytes. */
export function recordOf(state: ManifestState | undefined): BackupRecord {
  const found = jsonOf(state?.values.get(backupValue));
  const checksums = new Map<string, number>();
  if (typeof found?.["checksums"] === "object" && found["checksums"] !== null)
    for (const [name, checksum] of Object.entries(found["checksums"]))
      if (typeof checksum === "number") checksums.set(name, checksum);
  return { checksums };
}

/** Whether the folder holds, or is to hold, a backup: not to be opened as a store. */
export async function isBackup(disk: Disk, folder: string): Promise<boolean> {
  return (await disk.stat(join(folder, backupMark))) !== undefined;
}

/** The store that this is a backup of; "damaged" where the mark cannot be read, undefined where it is no backup. */
export async function markedStore(
  disk: Disk,
  folder: string,
): Promise<{ readonly store: string } | "damaged" | undefined> {
  const path = join(folder, backupMark);
  if ((await disk.stat(path)) === undefined) return undefined;
  const found = jsonOf(utf8Text(await disk.readFile(path, { limitBytes: 65_536 })));
  const { holdfast, format: version, store } = found ?? {};
  if (holdfast !== "backup" || typeof store !== "string" || typeof version !== "number") return "damaged";
  if (version === format) return { store };
  throw new HoldfastError("STORE_VERSION", `${path} has format version ${version}; this program reads ${format}`, {
    hint: "Use the version of Holdfast that wrote it, or a later one.",
    details: { path, version, supported: format },
  });
}

export async function markBackup(disk: Disk, folder: string, store: string): Promise<void> {
  await disk.writeFileAtomic(
    join(folder, backupMark),
    utf8(`${JSON.stringify({ holdfast: "backup", format, store })}\n`),
  );
}

/** The last whole state of a backup; undefined where there is none, or none that can be read any more. */
export async function backedUpState(disk: Disk, folder: string): Promise<ManifestState | undefined> {
  try {
    return (await readManifest({ disk, folder }))?.state;
  } catch (error) {
    if (HoldfastError.is(error) && error.code === "STORE_MANIFEST_CORRUPT") return undefined;
    throw error;
  }
}

/** What an interrupted write of ours left. */
export function isLeftover(name: string): boolean {
  return /^\.[A-Z]+\..*tmp$/.test(name) || parseName(name)?.what === "temporary";
}

/** What lies there beside locks, the mark and leftovers. */
export async function foreignNames(disk: Disk, folder: string): Promise<string[]> {
  const names = (await disk.list(folder)).map(({ name }) => name);
  return names.filter((name) => !/\.lock\.\d+$/.test(name) && !isLeftover(name) && name !== backupMark);
}

/** The highest number of a manifest in the folder, 0 where there is none. */
export function highestManifest(names: readonly string[]): number {
  return names.reduce((most, name) => {
    const named = parseName(name);
    return named?.what === "manifest" ? Math.max(most, named.number) : most;
  }, 0);
}

function jsonOf(text: string | undefined): Record<string, unknown> | undefined {
  try {
    const found: unknown = JSON.parse(text ?? "");
    return typeof found === "object" && found !== null ? (found as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
