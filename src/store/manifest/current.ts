/**
 * CURRENT says which manifest holds. It is replaced as a whole, by a rename; its line stands there twice, so that one
 * bad place in it takes nothing away:
 *
 *     holdfast-store VERSION NUMBER CRC-32 in hexadecimal
 */

import { join } from "node:path";
import { crc32 } from "node:zlib";
import { HoldfastError, utf8 } from "../../base/index.ts";
import type { Disk } from "../../disk/index.ts";
import { versionError } from "../segment/damage.ts";
import { currentName } from "./names.ts";
import { manifestVersion } from "./record.ts";
import { manifestError } from "./walk.ts";

const limitBytes = 4_096;

export async function writeCurrent(disk: Disk, folder: string, manifest: number): Promise<void> {
  const line = lineOf(manifestVersion, manifest);
  await disk.writeFileAtomic(join(folder, currentName), utf8(line + line));
}

/** The number of the manifest that holds; undefined where there is none. */
export async function readCurrent(
  disk: Disk,
  folder: string,
): Promise<{ readonly manifest: number; readonly isHealed: boolean } | undefined> {
  const path = join(folder, currentName);
  const bytes = await bytesOf(disk, path);
  if (bytes === undefined) return undefined;
  const text = Buffer.from(bytes).toString("latin1");
  const numbers = new Set<number>();
  // By halves, not by line ends: those may be the damage.
  for (const line of [text.slice(0, text.length / 2), text.slice(text.length / 2)]) {
    const [, version, manifest] = /^holdfast-store (\d{1,9}) (\d{10,16}) [0-9a-f]{8}\n$/.exec(line) ?? [];
    if (version === undefined || line !== lineOf(Number(version), Number(manifest))) continue;
    if (Number(version) !== manifestVersion) throw versionError(path, Number(version), manifestVersion);
    numbers.add(Number(manifest));
  }
  const [manifest] = numbers;
  if (manifest === undefined || numbers.size > 1) throw manifestError(path, 0, "it names no manifest, or two");
  const line = lineOf(manifestVersion, manifest);
  return { manifest, isHealed: text !== line + line };
}

async function bytesOf(disk: Disk, path: string): Promise<Uint8Array | undefined> {
  try {
    return await disk.readFile(path, { limitBytes });
  } catch (error) {
    if (HoldfastError.is(error) && error.code === "DISK_NOT_FOUND") return undefined;
    throw error;
  }
}

function lineOf(version: number, manifest: number): string {
  const text = `holdfast-store ${version} ${String(manifest).padStart(10, "0")}`;
  return `${text} ${crc32(text).toString(16).padStart(8, "0")}\n`;
}
