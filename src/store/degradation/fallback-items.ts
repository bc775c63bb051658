/**
 * Items that can be answered for when segments cannot be read (SPEC R13): the 1,000 read last, of those that memory
 * does not hold anyway. While all is well these are the ones whose content was read from the content log; an item
 * that stands whole in a segment is in the block cache after a read. Once the store is degraded, all that are read.
 *
 * What it knows is the newest version: whoever writes an item has it forgotten first.
 */

import type { Clock } from "../../base/index.ts";
import { type FallbackCache, fallbackCache } from "../../resilience/index.ts";
import { type Entry, isGone, noBytes } from "../entry.ts";

export interface FallbackItem {
  readonly entry: Entry;
  /** Where it stands in the content log. */
  readonly content: Uint8Array | undefined;
}

/** A thousand of these are 64 MB; longer ones are not worth what they take. */
const contentLimitBytes = 64 * 1024;

export class FallbackItems {
  readonly #clock: Clock;
  readonly #known: FallbackCache<FallbackItem>;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#known = fallbackCache<FallbackItem>({ clock });
  }

  get size(): number {
    return this.#known.size;
  }

  /** The bytes are copied, and the key is left: an entry is a view into a block, and lent its key. */
  remember(name: string, entry: Entry, content?: Uint8Array): void {
    if (content !== undefined && content.length > contentLimitBytes) return;
    this.#known.remember(name, { entry: { ...entry, key: noBytes, value: entry.value.slice() }, content });
  }

  forget(name: string): void {
    this.#known.forget(name);
  }

  /** undefined where nothing is known of it; `item` is undefined where it is known to have expired. */
  get(name: string): { readonly item: FallbackItem | undefined } | undefined {
    const value = this.#known.get(name)?.value;
    if (value === undefined) return undefined;
    return { item: isGone(value.entry, this.#clock.nowMs()) ? undefined : value };
  }
}
