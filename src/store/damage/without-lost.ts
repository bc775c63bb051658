/**
 * For a reader who wants what is left (`skipLost`): layers that show nothing of which it is in doubt whether it is the
 * newest version. An entry that a lost part of its own layer or of a newer one may have replaced is passed over, so
 * that nobody takes an older version, or what was deleted since, for what is there now.
 */

import type { Cursor, CursorOptions, CursorSource } from "../cursor.ts";
import { type Entry, type EntryKind, latestSequence } from "../entry.ts";
import { LostRanges } from "./lost-ranges.ts";

export interface LayerWithLoss {
  readonly layer: CursorSource;
  readonly lost: LostRanges;
}

/** The layers, newest first, for a walk over all of them at once. `atSequence` is that of the walk. */
export function withoutLost(layers: readonly LayerWithLoss[], atSequence: number = latestSequence): CursorSource[] {
  let above = LostRanges.none;
  return layers.map(({ layer, lost }) => {
    above = above.with(lost);
    const hiding = above;
    if (hiding.isEmpty) return layer;
    return { cursor: (options: CursorOptions = {}) => new CertainCursor(layer.cursor(options), hiding, atSequence) };
  });
}

class CertainCursor implements Cursor {
  readonly #inner: Cursor;
  readonly #lost: LostRanges;
  readonly #atSequence: number;

  constructor(inner: Cursor, lost: LostRanges, atSequence: number) {
    this.#inner = inner;
    this.#lost = lost;
    this.#atSequence = atSequence;
  }

  get valid(): boolean {
    return this.#inner.valid;
  }

  get keyBytes(): Uint8Array {
    return this.#inner.keyBytes;
  }

  get keyFrom(): number {
    return this.#inner.keyFrom;
  }

  get keyTo(): number {
    return this.#inner.keyTo;
  }

  get sequence(): number {
    return this.#inner.sequence;
  }

  get kind(): EntryKind {
    return this.#inner.kind;
  }

  get expiryMs(): number {
    return this.#inner.expiryMs;
  }

  entry(): Entry {
    return this.#inner.entry();
  }

  /** Synchronous as long as the layer is. */
  advance(): void | Promise<void> {
    do {
      const moving = this.#inner.advance();
      if (moving instanceof Promise) return this.#goOn(moving);
    } while (this.#isInDoubt());
  }

  close(): void {
    this.#inner.close();
  }

  async #goOn(moving: Promise<void>): Promise<void> {
    await moving;
    while (this.#isInDoubt()) await this.#inner.advance();
  }

  /** A version above `atSequence` is shown to nobody, and hides nothing. */
  #isInDoubt(): boolean {
    const { valid, keyBytes, keyFrom, keyTo, sequence } = this.#inner;
    if (!valid) return false;
    return this.#lost.inDoubt(keyBytes.subarray(keyFrom, keyTo), sequence, this.#atSequence).length > 0;
  }
}
