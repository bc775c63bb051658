/**
 * What the store keeps under a key: one version of an item, or the word that it was deleted.
 *
 * Versions of one key stand side by side, told apart by their sequence numbers, so that a snapshot reads what was there
 * when it was taken. The order of all entries, in memory and on disk, is: keys ascending, and within a key the newest
 * version first.
 */

import { assert } from "../base/index.ts";

/** Longer keys are refused by assert: whoever takes keys from users checks them first. */
export const keyLimitBytes = 65_535;

/** What may stand inline; larger content belongs in the content log. */
export const valueLimitBytes = 2 ** 20;

/** The length of a handle of the content log, which is opaque here. */
export const handleBytes = 24;

/** Reads at this sequence number see everything. */
export const latestSequence = Number.MAX_SAFE_INTEGER;

/** As on disk. 0 is none of them, so that zeros are never an entry. */
export const entryKind = { value: 1, handle: 2, tombstone: 3 } as const;
export type EntryKind = (typeof entryKind)[keyof typeof entryKind];

export interface Entry {
  /** Compared byte by byte, unsigned; at most 65,535 bytes. */
  readonly key: Uint8Array;
  /** Of the operation that wrote it: a safe integer above 0, used once. */
  readonly sequence: number;
  readonly kind: EntryKind;
  /** The content, a handle of 24 bytes, or nothing, by kind. A view: it stays right, and must not be written to. */
  readonly value: Uint8Array;
  /** Milliseconds since 1970 from which on it counts as deleted; 0 where it stays. */
  readonly expiryMs: number;
  /** 32 bits for the engine. */
  readonly flags: number;
  /** How consolidated it is, 0 to 1, in single precision. */
  readonly kappa: number;
}

export const noBytes = new Uint8Array(0);

/** Whether it hides older versions and is itself not shown, at this time. */
export function isGone(entry: { readonly kind: EntryKind; readonly expiryMs: number }, nowMs: number): boolean {
  return entry.kind === entryKind.tombstone || (entry.expiryMs !== 0 && entry.expiryMs <= nowMs);
}

export function assertEntry(entry: Entry): void {
  assert(entry.key.length <= keyLimitBytes, "a key is at most 65,535 bytes");
  assert(Number.isSafeInteger(entry.sequence) && entry.sequence > 0, "a sequence number is a safe integer above 0");
  assert(Number.isSafeInteger(entry.expiryMs) && entry.expiryMs >= 0, "an expiry is a safe integer, 0 for none");
  assert(entry.flags >>> 0 === entry.flags, "flags are 32 bits");
  const { kind, value } = entry;
  if (kind === entryKind.value) assert(value.length <= valueLimitBytes, "an inline value is at most 1 MiB");
  else if (kind === entryKind.handle) assert(value.length === handleBytes, "a content handle has 24 bytes");
  else assert(kind === entryKind.tombstone && value.length === 0, "a tombstone has no value");
}
