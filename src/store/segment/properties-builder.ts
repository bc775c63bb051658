/** Counts what goes into a segment. */

import { type Entry, entryKind, noBytes } from "../entry.ts";
import type { SegmentProperties } from "./properties.ts";

export class PropertiesBuilder {
  entries = 0;
  #keys = 0;
  #tombstones = 0;
  #smallestSequence = Number.MAX_SAFE_INTEGER;
  #largestSequence = 0;
  #keyBytes = 0;
  #valueBytes = 0;
  #smallestKey: Uint8Array = noBytes;
  #largestKey: Uint8Array = noBytes;
  #expiring = 0;
  #earliestExpiryMs = 0;

  add(entry: Entry, isNewKey: boolean): void {
    if (this.entries++ === 0) this.#smallestKey = entry.key.slice();
    this.#largestKey = entry.key;
    if (isNewKey) this.#keys++;
    if (entry.kind === entryKind.tombstone) this.#tombstones++;
    if (entry.sequence < this.#smallestSequence) this.#smallestSequence = entry.sequence;
    if (entry.sequence > this.#largestSequence) this.#largestSequence = entry.sequence;
    this.#keyBytes += entry.key.length;
    this.#valueBytes += entry.value.length;
    if (entry.expiryMs === 0) return;
    this.#expiring++;
    if (this.#earliestExpiryMs === 0 || entry.expiryMs < this.#earliestExpiryMs)
      this.#earliestExpiryMs = entry.expiryMs;
  }

  finish(): SegmentProperties {
    return {
      entries: this.entries,
      keys: this.#keys,
      tombstones: this.#tombstones,
      smallestSequence: this.#smallestSequence,
      largestSequence: this.#largestSequence,
      keyBytes: this.#keyBytes,
      valueBytes: this.#valueBytes,
      smallestKey: this.#smallestKey,
      largestKey: this.#largestKey.slice(),
      expiring: this.#expiring,
      earliestExpiryMs: this.#earliestExpiryMs,
    };
  }
}
