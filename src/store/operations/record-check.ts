/** Whether what stands under a key is what the store writes there. */

import { utf8Text } from "../../base/index.ts";
import { type Entry, entryKind, handleBytes } from "../entry.ts";
import { parseKey } from "../item/item-key.ts";
import { ItemRecord, recordHeadBytes } from "../item/record.ts";
import { viewOf } from "../little-endian.ts";

/** Why this is no item, edge or tombstone of a store; undefined where it is. */
export function entryFault(entry: Entry): string | undefined {
  const key = parseKey(entry.key);
  if (key === undefined && isPlaceholder(entry)) return undefined;
  if (key === undefined) return "a key is that of no item and no edge";
  if (!(entry.kappa >= 0 && entry.kappa <= 1)) return "κ is not within 0 and 1";
  if (entry.kind === entryKind.tombstone) return undefined;
  if (entry.kind !== entryKind.value) return "an entry is of a kind that the store does not write";
  return key.kind === "item" ? recordFault(entry.value) : edgeFault(entry.value);
}

/** What holds the place of a loss (damage/salvage.ts). */
function isPlaceholder({ key, kind }: Entry): boolean {
  return kind === entryKind.tombstone && key.length === 1 && key[0] === 0;
}

function edgeFault(value: Uint8Array): string | undefined {
  if (value.length !== 4) return `the weight of an edge has ${value.length} bytes`;
  return Number.isFinite(viewOf(value).getFloat32(0, true)) ? undefined : "the weight of an edge is no number";
}

function recordFault(bytes: Uint8Array): string | undefined {
  if (bytes.length < recordHeadBytes) return `the record of an item has ${bytes.length} bytes`;
  if (bytes[0] > 5 || bytes[1] !== 1) return "the record of an item is of no kind that is known";
  const record = new ItemRecord(bytes);
  if (record.contentLength < 0) return "the parts of an item's record are longer than all of it";
  if (!Number.isFinite(record.createdMs) || !Number.isFinite(record.updatedMs)) return "an item has no time";
  if (!isJson(record.metadataBytes, true)) return "the metadata of an item is no JSON";
  if (record.isInContentLog)
    return record.contentLength === handleBytes ? undefined : "an item has no whole handle of its content";
  return bytes[0] !== 1 || isJson(record.contentBytes, false) ? undefined : "the content of an item is no JSON";
}

function isJson(bytes: Uint8Array, mayBeEmpty: boolean): boolean {
  if (bytes.length === 0) return mayBeEmpty;
  try {
    JSON.parse(utf8Text(bytes));
    return true;
  } catch {
    return false;
  }
}
