/**
 * How much of the content log nobody points to any more, by what a flush or a merge leaves out.
 *
 * A version may have taken over the handle of the one before it: that is no garbage as long as the newer one stays. An
 * estimate all the same, for a newer version in a segment outside of the merge is not seen. What is garbage in the end
 * is found by the content log itself, which asks for each content whether it lives.
 */

import { HoldfastError } from "../../base/index.ts";
import { type ContentHandle, decodeHandle } from "../content/content-handle.ts";
import { type Entry, entryKind, handleBytes } from "../entry.ts";
import { isItemKey } from "../item/item-key.ts";
import { ItemRecord, recordHeadBytes } from "../item/record.ts";

export class ContentGarbage {
  readonly #bytesByFile = new Map<number, number>();
  /** What was left out since the last batch, by its place: once, however many versions pointed to it. */
  readonly #dropped = new Map<string, ContentHandle>();
  /** Older versions of the last one that was kept come after its batch. */
  #lastKept: string | undefined;

  /** A version that is left out. */
  dropped(entry: Entry): void {
    const handle = contentHandleOf(entry);
    if (handle === undefined) return;
    const place = placeOf(handle);
    if (place !== this.#lastKept) this.#dropped.set(place, handle);
  }

  /** The next batch of versions that stay. */
  kept(batch: readonly Entry[]): void {
    for (const entry of this.#dropped.size === 0 ? [] : batch) {
      const handle = contentHandleOf(entry);
      if (handle !== undefined) this.#dropped.delete(placeOf(handle));
    }
    this.#count();
    const last = batch.at(-1);
    const handle = last && contentHandleOf(last);
    this.#lastKept = handle && placeOf(handle);
  }

  /** Bytes of content by the file in which they were first written, the files ascending. To be asked at the end. */
  sums(): [contentFileId: number, bytes: number][] {
    this.#count();
    return [...this.#bytesByFile].sort(([a], [b]) => a - b);
  }

  #count(): void {
    for (const { file, length } of this.#dropped.values())
      this.#bytesByFile.set(file, (this.#bytesByFile.get(file) ?? 0) + length);
    this.#dropped.clear();
  }
}

function placeOf({ file, row }: ContentHandle): string {
  return `${file}/${row}`;
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
