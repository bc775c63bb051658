/**
 * A checkpoint as every backend keeps it: one run of bytes that says by itself what it is and whether it is whole, so
 * that no backend has to be believed.
 *
 *     offset  bytes  all numbers little-endian
 *     ------  -----  ------------------------------------------------------------------------------------------
 *          0      8  magic: 89 "HFCKP" 0D 0A          what a text-mode copy or a cleared top bit would break
 *          8      2  format version, 1                \  these two and the CRC at the header's end stay where
 *         10      2  bytes of the header, 192         /  they are in every later format
 *         12      4  the component's own format version
 *         16      8  version (sequence number, from 1)
 *         24      8  version of the parent, 0 for none
 *         32      8  created, milliseconds since 1970
 *         40      8  bytes of the payload
 *         48      8  FNV-1a 64 of the payload
 *         56     32  SHA-256 of bytes 0 to 55 and 88 to 187 and the payload
 *         88     16  nonce: no two writes are the same bytes
 *        104      1  bytes of the id
 *        105     64  the id in ASCII, then zeros
 *        169     19  zeros
 *        188      4  CRC-32 of bytes 0 to 187
 *        192      …  payload, to the very end
 *
 * What does not fit in a single place (a flag set, a byte behind the end, a zero that is not) is damage: there is one
 * form for each checkpoint, so nothing that was changed is taken for whole. The SHA-256 ties the state to its id and
 * version: a header that was changed and sealed anew does not pass a state off as another one's.
 */

import { createHash } from "node:crypto";
import { assert, bytesEqual, crc32, fnv1a64, hexOf, utf8, utf8Text } from "../../base/index.ts";
import { idLimit, isId } from "./component.ts";

export const envelopeFormat = 1;
export const headerBytes = 192;
const crcAt = headerBytes - 4;
const nonceBytes = 16;
const paddingAt = 105 + idLimit;
const magic = Uint8Array.of(0x89, 0x48, 0x46, 0x43, 0x4b, 0x50, 0x0d, 0x0a);
/** The least and the most a header of any format may have. */
const headerLeast = 16;

export interface CheckpointInfo {
  readonly id: string;
  readonly version: number;
  /** The newest version when this one was written; undefined for the first. */
  readonly parent: number | undefined;
  /** Wall clock, milliseconds since 1970. */
  readonly createdMs: number;
  /** Of the state, without the header. */
  readonly sizeBytes: number;
  /** Of the component, see `Checkpointed`. */
  readonly formatVersion: number;
  /** Of the state; 16 digits of hex. */
  readonly fnv1a64: string;
  /** Of the state and all else that is said of it here; 64 digits of hex. */
  readonly sha256: string;
}

export interface EnvelopeOptions {
  readonly id: string;
  readonly version: number;
  readonly parent: number | undefined;
  readonly createdMs: number;
  readonly formatVersion: number;
  /** 16 bytes. */
  readonly nonce: Uint8Array;
}

export interface Envelope {
  readonly info: CheckpointInfo;
  readonly bytes: Uint8Array;
}

export function encodeEnvelope(state: Uint8Array, options: EnvelopeOptions): Envelope {
  const { id, version, parent, createdMs, formatVersion, nonce } = options;
  assert(isId(id) && Number.isSafeInteger(version) && version > 0, "a checkpoint has an id and a version");
  assert(nonce.length === nonceBytes, "a nonce has 16 bytes");
  const bytes = new Uint8Array(headerBytes + state.length);
  const view = new DataView(bytes.buffer);
  const fnv = fnv1a64(state);
  const created = Number.isFinite(createdMs)
    ? Math.min(Math.max(0, Math.floor(createdMs)), Number.MAX_SAFE_INTEGER)
    : 0;
  bytes.set(magic);
  view.setUint16(8, envelopeFormat, true);
  view.setUint16(10, headerBytes, true);
  view.setUint32(12, formatVersion, true);
  view.setBigUint64(16, BigInt(version), true);
  view.setBigUint64(24, BigInt(parent ?? 0), true);
  view.setBigUint64(32, BigInt(created), true);
  view.setBigUint64(40, BigInt(state.length), true);
  view.setBigUint64(48, fnv, true);
  bytes.set(nonce, 88);
  bytes[104] = id.length;
  bytes.set(utf8(id), 105);
  bytes.set(state, headerBytes);
  bytes.set(sha256Of(bytes), 56);
  view.setUint32(crcAt, crc32(bytes.subarray(0, crcAt)), true);
  return { info: infoOf(view, id), bytes };
}

/** What was found where a checkpoint should be. The state is given out only where all is right. */
export type Reading =
  | { readonly verdict: "good"; readonly info: CheckpointInfo; readonly state: Uint8Array }
  | { readonly verdict: "damaged"; readonly reason: string }
  /** Whole as far as can be said, of a format that this program does not know. */
  | { readonly verdict: "unknown-format"; readonly format: number };

/** Never throws, whatever the bytes are. `state` is a view into `bytes`. */
export function readEnvelope(bytes: Uint8Array, wanted: { readonly id: string; readonly version: number }): Reading {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const unreadable = headerFault(bytes, view);
  if (unreadable !== undefined) return unreadable;
  const idBytes = bytes[104]!;
  const id = utf8Text(bytes.subarray(105, 105 + Math.min(idBytes, idLimit)));
  let reason = fieldFault(bytes, view, id);
  reason ??= misplaced(view, id, wanted); // mutant: checkpoint-place
  reason ??= payloadFault(bytes, view); // mutant: checkpoint-payload
  if (reason !== undefined) return { verdict: "damaged", reason };
  return { verdict: "good", info: infoOf(view, id), state: bytes.subarray(headerBytes) };
}

function headerFault(bytes: Uint8Array, view: DataView): Reading | undefined {
  const damaged = (reason: string): Reading => ({ verdict: "damaged", reason });
  if (bytes.length < headerLeast) return damaged(`it has ${bytes.length} bytes, less than a header`);
  if (!bytesEqual(bytes.subarray(0, magic.length), magic)) return damaged("it does not begin as a checkpoint does");
  const format = view.getUint16(8, true);
  const ownHeaderBytes = view.getUint16(10, true);
  if (ownHeaderBytes < headerLeast || ownHeaderBytes > bytes.length) return damaged("it ends within its header");
  const crc = crc32(bytes.subarray(0, ownHeaderBytes - 4));
  const isTorn = view.getUint32(ownHeaderBytes - 4, true) !== crc;
  if (isTorn) return damaged("the CRC-32 of its header is wrong"); // mutant: checkpoint-header-crc
  if (format !== envelopeFormat) return { verdict: "unknown-format", format };
  return ownHeaderBytes === headerBytes ? undefined : damaged(`its header has ${ownHeaderBytes} bytes`);
}

function fieldFault(bytes: Uint8Array, view: DataView, id: string): string | undefined {
  const idBytes = bytes[104]!;
  if (idBytes > idLimit || !isId(id)) return "the id in it is none";
  if (bytes.subarray(105 + idBytes, 105 + idLimit).some((byte) => byte !== 0)) return "the id in it has a tail";
  if (bytes.subarray(paddingAt, crcAt).some((byte) => byte !== 0)) return "its header has something where zeros belong";
  for (const at of [16, 24, 32, 40])
    if (view.getBigUint64(at, true) > BigInt(Number.MAX_SAFE_INTEGER)) return "a number in its header is too large";
  const [version, parent] = [view.getBigUint64(16, true), view.getBigUint64(24, true)];
  return version > parent ? undefined : `it says version ${version} of parent ${parent}`;
}

/** A whole checkpoint in another one's place. */
function misplaced(
  view: DataView,
  id: string,
  wanted: { readonly id: string; readonly version: number },
): string | undefined {
  const version = Number(view.getBigUint64(16, true));
  if (id === wanted.id && version === wanted.version) return undefined;
  return `it is version ${version} of ${id}`;
}

function payloadFault(bytes: Uint8Array, view: DataView): string | undefined {
  const said = Number(view.getBigUint64(40, true));
  const found = bytes.length - headerBytes;
  if (said !== found) return `its state has ${found} bytes where its header says ${said}`;
  const state = bytes.subarray(headerBytes);
  if (view.getBigUint64(48, true) !== fnv1a64(state)) return "the FNV-1a 64 of its state is wrong";
  if (!bytesEqual(sha256Of(bytes), bytes.subarray(56, 88))) return "its SHA-256 is wrong";
  return undefined;
}

function infoOf(view: DataView, id: string): CheckpointInfo {
  const number = (at: number): number => Number(view.getBigUint64(at, true));
  const parent = number(24);
  return {
    id,
    version: number(16),
    parent: parent === 0 ? undefined : parent,
    createdMs: number(32),
    sizeBytes: number(40),
    formatVersion: view.getUint32(12, true),
    fnv1a64: view.getBigUint64(48, true).toString(16).padStart(16, "0"),
    sha256: hexOf(new Uint8Array(view.buffer, view.byteOffset + 56, 32)),
  };
}

/** Of the envelope but for itself and the CRC over it. The platform's, which is faster than our own. */
function sha256Of(bytes: Uint8Array): Uint8Array {
  const hash = createHash("sha256").update(bytes.subarray(0, 56));
  return hash.update(bytes.subarray(88, crcAt)).update(bytes.subarray(headerBytes)).digest();
}
