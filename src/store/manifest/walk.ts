/** Reads a manifest file in one pass, and tells what of it is whole, torn or damaged (the rules stand in record.ts). */

import { HoldfastError } from "../../base/index.ts";
import { versionError } from "../segment/damage.ts";
import { decodeEdit } from "./edit-codec.ts";
import { type EditRecord, linkAfter, manifestVersion, recordAt, sectorBytes } from "./record.ts";
import { afterEdit, editFault, emptyState, type ManifestState } from "./state.ts";

export interface ManifestContent {
  readonly state: ManifestState;
  /** How many edits there are, and what the next one links to. */
  readonly edits: number;
  readonly link: number;
  readonly endBytes: number;
  /** Bad copies of edits that are whole in the other one. */
  readonly healed: readonly { readonly offset: number; readonly reason: string }[];
  /** What a crash left of an edit that was never acknowledged. */
  readonly torn: { readonly offset: number; readonly tornBytes: number } | undefined;
}

/** Throws STORE_MANIFEST_CORRUPT or STORE_VERSION. */
export function walkManifest(path: string, manifest: number, bytes: Uint8Array): ManifestContent {
  const healed: { offset: number; reason: string }[] = [];
  let state = emptyState;
  let edits = 0;
  let link = 0;
  let offset = 0;
  while (offset < bytes.length) {
    const found = editAt(path, bytes, { manifest, number: edits, link, offset });
    if (found === undefined) {
      if (edits === 0) throw manifestError(path, offset, "its first edit is not whole");
      refuseDamage(path, bytes, manifest, offset);
      return { state, edits, link, endBytes: offset, healed, torn: { offset, tornBytes: bytes.length - offset } };
    }
    const stored = decodeEdit(found.record.body);
    const fault = stored === undefined ? "an edit cannot be read" : editFault(state, stored.edit);
    if (stored === undefined || fault !== undefined || stored.nextFileId < state.nextFileId)
      throw manifestError(path, offset, fault ?? "file numbers go back");
    state = afterEdit(state, stored.edit, stored.nextFileId);
    link = linkAfter(link, found.record.body);
    edits++;
    if (found.badOffset !== undefined)
      healed.push({ offset: found.badOffset, reason: "one copy of an edit is damaged; the other is whole" });
    offset += 2 * found.record.lengthBytes;
  }
  if (edits === 0) throw manifestError(path, 0, "it is empty");
  // Where only the second copy of the last edit was cut off, the file ends before it should.
  return { state, edits, link, endBytes: offset, healed, torn: undefined };
}

interface WantedEdit {
  readonly manifest: number;
  readonly number: number;
  readonly link: number;
  readonly offset: number;
}

/** The edit that begins here, from either copy. */
function editAt(
  path: string,
  bytes: Uint8Array,
  wanted: WantedEdit,
): { readonly record: EditRecord; readonly badOffset: number | undefined } | undefined {
  const first = wantedRecord(path, bytes, wanted, wanted.offset, 0);
  if (first !== undefined) {
    const secondAt = wanted.offset + first.lengthBytes;
    const second = wantedRecord(path, bytes, wanted, secondAt, 1);
    return { record: first, badOffset: second === undefined ? secondAt : undefined };
  }
  for (let at = wanted.offset + sectorBytes; at < bytes.length; at += sectorBytes) {
    const second = wantedRecord(path, bytes, wanted, at, 1);
    if (second !== undefined && at - second.lengthBytes === wanted.offset)
      return { record: second, badOffset: wanted.offset };
  }
  return undefined;
}

function wantedRecord(
  path: string,
  bytes: Uint8Array,
  { manifest, number, link }: WantedEdit,
  at: number,
  copy: number,
): EditRecord | undefined {
  const record = recordAt(bytes, manifest, at);
  if (record === undefined) return undefined;
  if ("version" in record) throw versionError(path, record.version, manifestVersion);
  return record.number === number && record.link === link && record.copy === copy ? record : undefined;
}

function refuseDamage(path: string, bytes: Uint8Array, manifest: number, offset: number): void {
  for (let at = offset; at < bytes.length; at += sectorBytes) {
    const record = recordAt(bytes, manifest, at);
    if (record !== undefined)
      throw manifestError(path, offset, `a good record at offset ${at} shows that this place was durable`);
  }
}

export function manifestError(path: string, offset: number, reason: string): HoldfastError {
  return new HoldfastError("STORE_MANIFEST_CORRUPT", `${path} is damaged at offset ${offset}: ${reason}`, {
    hint: "Nothing was dropped or changed. Restore the folder of the store from a backup.",
    details: { path, offset },
  });
}
