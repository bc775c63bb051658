/** Names of log files: `00000001.wal` or `00000001.jsonl`, numbered from 1 without a gap. */

import { join } from "node:path";
import { HoldfastError } from "../base/index.ts";
import type { Disk } from "../disk/index.ts";
import { binaryFormat } from "./binary-format.ts";
import type { WalFormat, WalFormatName } from "./format.ts";
import { jsonFormat } from "./json-format.ts";

/** Of fifteen digits: more are no log file. */
export const fileNumberLimit = 10 ** 15 - 1;

export const walFormats: Readonly<Record<WalFormatName, WalFormat>> = { binary: binaryFormat, json: jsonFormat };

export function logFilePath(folder: string, fileNumber: number, format: WalFormat = binaryFormat): string {
  return join(folder, `${String(fileNumber).padStart(8, "0")}${format.extension}`);
}

export interface LogFolder {
  /** undefined where the folder holds no log. */
  readonly format: WalFormat | undefined;
  /** The numbers of the log files, in order. */
  readonly numbers: readonly number[];
  /** Files that were never given a name of the log: their writer died first. */
  readonly unfinished: readonly string[];
}

/** What of a log is in this folder. Throws WAL_FORMAT where files of both forms lie side by side. */
export async function listLog(disk: Disk, folder: string): Promise<LogFolder> {
  const names = (await disk.list(folder)).filter((entry) => entry.kind === "file").map((entry) => entry.name);
  const of = (format: WalFormat): number[] =>
    names
      .filter((name) => name.endsWith(format.extension) && /^[0-9]{8,15}\./.test(name) && name.split(".").length === 2)
      .map((name) => Number.parseInt(name, 10))
      .sort((a, b) => a - b);
  const [binary, json] = [of(binaryFormat), of(jsonFormat)];
  if (binary.length > 0 && json.length > 0) {
    throw new HoldfastError("WAL_FORMAT", `${folder} holds log files of both forms, .wal and .jsonl`, {
      hint: "One folder holds one log: move the files that do not belong there away.",
      details: { path: folder },
    });
  }
  const format = binary.length > 0 ? binaryFormat : json.length > 0 ? jsonFormat : undefined;
  const unfinished = names.filter((name) => /^\.([0-9]{8,15}|spare)\.(wal|jsonl)\.tmp$/.test(name));
  return { format, numbers: json.length > 0 ? json : binary, unfinished: unfinished.map((name) => join(folder, name)) };
}
