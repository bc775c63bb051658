/** Names of log files: `00000001.wal`, numbered from 1 without a gap. */

import { join } from "node:path";
import type { Disk } from "../disk/index.ts";

export function logFilePath(folder: string, fileNumber: number): string {
  return join(folder, `${String(fileNumber).padStart(8, "0")}.wal`);
}

/** The numbers of the log files in a folder, in order. */
export async function logFileNumbers(disk: Disk, folder: string): Promise<number[]> {
  const names = (await disk.list(folder)).filter((entry) => entry.kind === "file").map((entry) => entry.name);
  const numbers = names.filter((name) => /^[0-9]{8,}\.wal$/.test(name)).map((name) => Number.parseInt(name, 10));
  return numbers.sort((a, b) => a - b);
}
