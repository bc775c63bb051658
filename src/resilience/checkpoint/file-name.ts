/**
 * The names of checkpoint files:
 *
 *     ID@VERSION.checkpoint                  version in 16 digits, so that names sort as versions do
 *     .ID@VERSION.checkpoint.RANDOM.tmp      being written, 32 digits of hex
 *     ID@VERSION.reserved                    empty: from this version on, some may have been used and be gone
 *
 * A capital letter of an id is written as "=" and the small letter, so that ids that differ in case alone stay apart
 * where file names do not. "=" and "@" are in no id: each name comes from one id and version, and no other.
 */

import { isId } from "./component.ts";

const finalName = /^([^@]+)@([0-9]{16})\.(checkpoint|reserved)$/;
const temporaryName = /^\.[^@]+@[0-9]{16}\.checkpoint\.[0-9a-f]{32}\.tmp$/;

export function fileNameOf(id: string, version: number): string {
  return `${stemOf(id, version)}.checkpoint`;
}

export function reservedNameOf(id: string, version: number): string {
  return `${stemOf(id, version)}.reserved`;
}

export interface ParsedName {
  readonly kind: "checkpoint" | "reserved";
  readonly id: string;
  readonly version: number;
}

/** undefined where it is no name that is given here. */
export function parseFileName(name: string): ParsedName | undefined {
  const [, written, digits, kind] = finalName.exec(name) ?? [];
  if (written === undefined) return undefined;
  const id = written.replaceAll(/=([a-z])/g, (_, letter: string) => letter.toUpperCase());
  const version = Number(digits);
  if (!isId(id) || version === 0 || !Number.isSafeInteger(version) || `${stemOf(id, version)}.${kind}` !== name)
    return undefined;
  return { kind: kind === "reserved" ? "reserved" : "checkpoint", id, version };
}

function stemOf(id: string, version: number): string {
  return `${id.replaceAll(/[A-Z]/g, (letter) => `=${letter.toLowerCase()}`)}@${String(version).padStart(16, "0")}`;
}

export function temporaryNameOf(fileName: string, randomHex: string): string {
  return `.${fileName}.${randomHex}.tmp`;
}

/** Only what a writer of checkpoints left behind: others may keep temporary files of their own in the folder. */
export function isTemporaryName(name: string): boolean {
  return temporaryName.test(name);
}
