/**
 * How much of the content log nobody points to any more, by what a merge leaves out.
 *
 * An estimate from above where a newer version of an item took over the handle of an older one. What is garbage in the
 * end is found by the content log itself, which asks for each content whether it lives.
 */

import { HoldfastError } from "../../base/index.ts";
import { type ContentHandle, decodeHandle } from "../content/content-handle.ts";
import { type Entry, entryKind, handleBytes } from "../entry.ts";
import { isItemKey } from "../item/item-key.ts";
import { ItemRecord, recordHeadBytes } from "../item/record.ts";

export class ContentGarbage {
  readonly #bytesByFile = new Map<number, number>();

  /** A version that is left out. */
  dropped(entry: Entry): void {
    const handle = contentHandleOf(entry);
    if (handle === undefined) return;
    this.#bytesByFile.set(handle.file, (this.#bytesByFile.get(handle.file) ?? 0) + handle.length);
  }

  /** Bytes of content by the file in which they were first written, the files ascending. */
  get sums(): [contentFileId: number, bytes: number][] {
    return [...this.#bytesByFile].sort(([a], [b]) => a - b);
  }
}

/** Where the content of an item lies; undefined where not in the content log, and for what is no record of ours. */
export function contentHandleOf({ key, kind, value }: Entry): ContentHandle | undefined {
  if (kind !== entryKind.value || !isItemKey(key) || value.length < recordHeadBytes + handleBytes) return undefined;
  const record = new ItemRecord(value);
  if (!record.isInContentLog || record.contentLength !== handleBytes) return undefined;
  try {
    return decodeHandle(record.contentBytes);
  } catch (error) {
    // It goes anyway, and a merge that fails for it would fail for ever.
    if (HoldfastError.is(error) && error.code === "STORE_CONTENT_CORRUPT") return undefined;
    throw error;
  }
}
