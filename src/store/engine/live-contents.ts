/**
 * Which contents somebody may still ask for: those of all items that are there now, and of what the readers of now
 * (snapshots, scans) see. Asked once, before a compaction of the content log; what is written later lies in files that
 * this compaction does not touch.
 *
 * An item counts as there until a tombstone stands over it, expired or not: clocks can be set back.
 */

import { decodeHandle } from "../content/index.ts";
import { type Entry, entryKind } from "../entry.ts";
import { isItemKey } from "../item/item-key.ts";
import { ItemRecord } from "../item/record.ts";
import { scanEntries } from "../merge/scan.ts";
import { Turns } from "../merge/turns.ts";
import type { Hold } from "./read-scope.ts";
import type { View } from "./view.ts";

export class LiveContents {
  /** Bits by row, by the file in which a content was first written. */
  readonly #rows = new Map<number, Uint32Array>();

  static async of(holds: Iterable<Pick<Hold, "view" | "atSequence">>, signal?: AbortSignal): Promise<LiveContents> {
    const live = new LiveContents();
    const seen = new Map<View, Set<number>>();
    for (const { view, atSequence } of holds) {
      const sequences = seen.get(view) ?? new Set();
      seen.set(view, sequences);
      if (sequences.has(atSequence)) continue;
      sequences.add(atSequence);
      if (view.lost.isEmpty) await live.#note(view, atSequence, signal);
      else await live.#noteAll(view, signal);
    }
    return live;
  }

  has({ file, row }: { readonly file: number; readonly row: number }): boolean {
    const bits = this.#rows.get(file);
    return bits !== undefined && row >>> 5 < bits.length && (bits[row >>> 5]! & (1 << (row & 31))) !== 0;
  }

  async #note(view: View, atSequence: number, signal: AbortSignal | undefined): Promise<void> {
    const range = { prefix: Uint8Array.of(0x69), ...(signal === undefined ? {} : { signal }) };
    for await (const batch of scanEntries(view.sources, { atSequence, ...range })) {
      for (const entry of batch) this.#noteEntry(entry);
    }
  }

  /**
   * Of a store that has lost something every version counts: which of them are the newest nobody knows, and older ones
   * are shown again when the loss is accepted.
   */
  async #noteAll({ layers }: View, signal: AbortSignal | undefined): Promise<void> {
    const turns = new Turns();
    for (const { unguarded } of layers) {
      const cursor = unguarded.cursor({ prefix: Uint8Array.of(0x69), signal });
      try {
        for (await cursor.advance(); cursor.valid; await cursor.advance()) {
          this.#noteEntry(cursor.entry());
          await turns.walked(1);
        }
      } finally {
        cursor.close();
      }
    }
  }

  #noteEntry({ key, kind, value }: Entry): void {
    if (kind !== entryKind.value || !isItemKey(key)) return;
    const record = new ItemRecord(value);
    if (record.isInContentLog) this.#add(decodeHandle(record.contentBytes));
  }

  #add({ file, row }: { readonly file: number; readonly row: number }): void {
    let bits = this.#rows.get(file) ?? new Uint32Array(64);
    if (row >>> 5 >= bits.length) {
      const larger = new Uint32Array(Math.max(bits.length * 2, (row >>> 5) + 1));
      larger.set(bits);
      bits = larger;
    }
    bits[row >>> 5]! |= 1 << (row & 31);
    this.#rows.set(file, bits);
  }
}
