/** The mount table of Linux (proc(5), /proc/self/mountinfo): which mount holds a path, and with which options. */

import { readFile, realpath } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import type { Mount } from "./disk.ts";

/** undefined on a system without that table. Of several mounts on one folder the last one counts: it lies on top. */
export async function findMount(path: string): Promise<Mount | undefined> {
  let table: string;
  try {
    table = await readFile("/proc/self/mountinfo", "utf8");
  } catch {
    return undefined;
  }
  const whole = await nearestReal(resolve(path));
  let found: Mount | undefined;
  for (const mount of parseMounts(table)) {
    if (!holds(mount.folder, whole) || (found !== undefined && mount.folder.length < found.folder.length)) continue;
    found = mount;
  }
  return found;
}

/** Lines look like `36 35 98:0 /root /mnt rw,noatime master:1 - ext4 /dev/vda rw,data=ordered`. */
export function parseMounts(table: string): Mount[] {
  return table.split("\n").flatMap((line) => {
    const [before, after] = line.split(" - ");
    const [, , , , folder, options] = (before ?? "").split(" ");
    const [fileSystem, device, ofFileSystem] = (after ?? "").split(" ");
    if (folder === undefined || options === undefined || fileSystem === undefined || device === undefined) return [];
    const all = [...options.split(","), ...(ofFileSystem ?? "").split(",")].filter((option) => option !== "");
    return [{ folder: unescaped(folder), device: unescaped(device), fileSystem, options: [...new Set(all)] }];
  });
}

function unescaped(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

function holds(folder: string, path: string): boolean {
  return folder === "/" || path === folder || path.startsWith(`${folder}/`);
}

/** The path without symbolic links, or that of the nearest folder above that exists. */
async function nearestReal(path: string): Promise<string> {
  for (let at = path; ; at = dirname(at)) {
    try {
      return await realpath(at);
    } catch {
      if (at === dirname(at)) return at;
    }
  }
}
