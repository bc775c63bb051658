/** Which errors a store may answer with, and what they say about a write. */

import { HoldfastError } from "../../../src/base/index.ts";

/** Said before anything is written, whatever the state of the disk. */
const foreseen = new Set([
  "STORE_CONFLICT",
  "STORE_NO_ITEM",
  "STORE_ID",
  "STORE_CONTENT",
  "STORE_TOO_LARGE",
  "STORE_COLLECTION",
]);
/** One at a time, and not when memory is short: said to whoever asks for maintenance. */
const busy = /^STORE_(BUSY|COMPACTING|COMPACTION|CONSOLIDATING|MEMORY)/;

export function isTyped(error: unknown): error is HoldfastError {
  return HoldfastError.is(error);
}

export function isForeseen(error: unknown): boolean {
  return isTyped(error) && foreseen.has(error.code);
}

export function isBusy(error: unknown): boolean {
  return isTyped(error) && busy.test(error.code);
}

/** The store was closed while this was under way. */
export function isClosing(error: unknown): boolean {
  return isTyped(error) && error.code === "STORE_CLOSED";
}

export function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? String(error)) : String(error);
}
