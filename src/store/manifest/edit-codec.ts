/**
 * An edit as JSON, for people with a hex dump: names as in ManifestEdit, keys in hexadecimal, and the next file number.
 *
 *     {"next":4,"flushed":812,"add":[{"id":3,"kind":"segment","smallestKey":"616263",…}],"remove":[1],"values":{…}}
 */

import { hexOf, utf8, utf8Text } from "../../base/index.ts";
import { keyLimitBytes } from "../entry.ts";
import { fileKinds, type ManifestEdit, type ManifestFile } from "./state.ts";

export interface StoredEdit {
  readonly edit: ManifestEdit;
  readonly nextFileId: number;
}

export function encodeEdit({ edit, nextFileId }: StoredEdit): Uint8Array {
  const add = edit.add?.map((file) => ({
    ...file,
    smallestKey: hexOf(file.smallestKey),
    largestKey: hexOf(file.largestKey),
  }));
  const { remove, flushedPosition, values } = edit;
  return utf8(JSON.stringify({ next: nextFileId, flushed: flushedPosition, add, remove, values }));
}

/** undefined where the text is no edit. */
export function decodeEdit(bytes: Uint8Array): StoredEdit | undefined {
  let found: unknown;
  try {
    found = JSON.parse(utf8Text(bytes));
  } catch {
    return undefined;
  }
  if (!isRecord(found)) return undefined;
  const { next, flushed, add = [], remove = [], values = {} } = found;
  if (!isCount(next) || !(flushed === undefined || isCount(flushed))) return undefined;
  if (!Array.isArray(add) || !Array.isArray(remove) || !remove.every(isCount)) return undefined;
  const files = add.map(decodeFile);
  if (!files.every((file) => file !== undefined) || !isValues(values)) return undefined;
  const flushedPosition = flushed === undefined ? {} : { flushedPosition: flushed };
  return { edit: { add: files, remove, values, ...flushedPosition }, nextFileId: next };
}

function decodeFile(found: unknown): ManifestFile | undefined {
  if (!isRecord(found)) return undefined;
  const { id, level, sizeBytes, checksum, entries, tombstones, smallestSequence, largestSequence } = found;
  const kind = fileKinds.find((one) => one === found["kind"]);
  const smallestKey = keyOf(found["smallestKey"]);
  const largestKey = keyOf(found["largestKey"]);
  if (kind === undefined || smallestKey === undefined || largestKey === undefined) return undefined;
  if (!isCount(id) || !isCount(level) || !isCount(sizeBytes) || !isCount(checksum)) return undefined;
  if (!isCount(entries) || !isCount(tombstones) || !isCount(smallestSequence) || !isCount(largestSequence))
    return undefined;
  const counts = { entries, tombstones, smallestSequence, largestSequence };
  return { id, kind, level, sizeBytes, checksum, smallestKey, largestKey, ...counts };
}

function keyOf(found: unknown): Uint8Array | undefined {
  if (typeof found !== "string" || found.length > 2 * keyLimitBytes || !/^(?:[0-9a-f]{2})*$/.test(found))
    return undefined;
  return new Uint8Array(Buffer.from(found, "hex"));
}

function isRecord(found: unknown): found is Record<string, unknown> {
  return typeof found === "object" && found !== null && !Array.isArray(found);
}

function isCount(found: unknown): found is number {
  return Number.isSafeInteger(found) && (found as number) >= 0;
}

function isValues(found: unknown): found is Record<string, string | null> {
  return isRecord(found) && Object.values(found).every((value) => value === null || typeof value === "string");
}
