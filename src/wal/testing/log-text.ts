/** Logs of short texts in temporary folders, for tests. */

import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { utf8, utf8Text } from "../../base/index.ts";
import { NodeDisk } from "../../disk/index.ts";
import { openWal, type Wal, type WalOptions } from "../index.ts";

export const disk = new NodeDisk();

export function newFolder(): string {
  return mkdtempSync(join(tmpdir(), "holdfast-wal-"));
}

export async function reopen(
  folder: string,
  more: Partial<WalOptions> = {},
): Promise<{ readonly wal: Wal; readonly texts: string[] }> {
  const texts: string[] = [];
  const wal = await openWal({ disk, folder, onEntry: (entry) => texts.push(utf8Text(entry.payload)), ...more });
  return { wal, texts };
}

export async function textsOf(folder: string, more: Partial<WalOptions> = {}): Promise<string[]> {
  const { wal, texts } = await reopen(folder, more);
  await wal.close();
  return texts;
}

/** Each text is its own write and sync. */
export async function writeTexts(
  folder: string,
  texts: readonly string[],
  more: Partial<WalOptions> = {},
): Promise<void> {
  const { wal } = await reopen(folder, more);
  for (const text of texts) await wal.append(utf8(text));
  await wal.close();
}

/** As a process leaves it that was killed: without the seal. */
export async function abandoned(
  folder: string,
  texts: readonly string[],
  more: Partial<WalOptions> = {},
): Promise<void> {
  await writeTexts(folder, texts, more);
  const names = (await disk.list(folder)).map(({ name }) => name).filter((name) => /^\d+\.(wal|jsonl)$/.test(name));
  const path = join(folder, names.at(-1) ?? "");
  const bytes = await disk.readFile(path);
  const sealBytes = path.endsWith(".wal") ? 256 : bytes.length - bytes.lastIndexOf(10, bytes.length - 2) - 1;
  await disk.writeFile(path, bytes.subarray(0, bytes.length - sealBytes));
}
