/**
 * One way to walk entries, whatever holds them: memtables and segments give cursors, merges read them.
 *
 * A cursor goes through all versions of all keys of its range in the order of the store (keys ascending, newest first),
 * or in exactly the reverse. Moving on is synchronous while the bytes are at hand, and a promise only where a block has
 * to be read first: a walk of a million entries costs a promise for each block, not for each entry.
 */

import type { Entry, EntryKind } from "./entry.ts";
import type { KeyRange } from "./key.ts";

export interface CursorOptions extends KeyRange {
  readonly reverse?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Cursor {
  /** False before the first `advance` and after the last entry; then nothing else here means anything. */
  readonly valid: boolean;
  /** The key lies in these bytes, which never change: a reader may keep them. */
  readonly keyBytes: Uint8Array;
  readonly keyFrom: number;
  readonly keyTo: number;
  readonly sequence: number;
  readonly kind: EntryKind;
  readonly expiryMs: number;
  /** The whole entry, as views. */
  entry(): Entry;
  /** To the first entry, or the next. Not to be called again before a promise that it gave is settled. */
  advance(): void | Promise<void>;
  /** Ends it; what it reads ahead is let go. Safe to call twice. */
  close(): void;
}

/** What can be walked: a memtable, or a segment. */
export interface CursorSource {
  cursor(options?: CursorOptions): Cursor;
}

/** Compares the keys of two cursors that are valid. */
export function compareCursorKeys(a: Cursor, b: Cursor): number {
  const aBytes = a.keyBytes;
  const bBytes = b.keyBytes;
  const aFrom = a.keyFrom;
  const bFrom = b.keyFrom;
  const aLength = a.keyTo - aFrom;
  const bLength = b.keyTo - bFrom;
  const shorter = Math.min(aLength, bLength);
  for (let place = 0; place < shorter; place++) {
    const difference = aBytes[aFrom + place] - bBytes[bFrom + place];
    if (difference !== 0) return difference;
  }
  return aLength - bLength;
}
