/**
 * Gives items another κ on the way through a merge, with their sequence numbers as they are: whatever was written to
 * them meanwhile is newer, and hides the version that was changed here together with its change.
 */

import { assert } from "../../base/index.ts";
import { type Entry, entryKind } from "../entry.ts";
import { compareKeys } from "../key.ts";

export interface KappaChange {
  readonly key: Uint8Array;
  /** 0 to 1. */
  readonly kappa: number;
  /** The version that is meant; any other one stays as it is. Left out: whichever is the newest in the merge. */
  readonly sequence?: number;
}

export class KappaChanges {
  /** Entries that came out otherwise than they went in. */
  applied = 0;
  readonly #changes: readonly KappaChange[];
  /** The first change whose key is not before the last entry. */
  #place = 0;

  constructor(changes: readonly KappaChange[]) {
    assert(
      changes.every(({ kappa }) => kappa >= 0 && kappa <= 1),
      "κ is 0 to 1",
    );
    // Stable: of two changes for the same version the last one given counts.
    this.#changes = [...changes].sort((a, b) => compareKeys(a.key, b.key));
  }

  /** The same batch where nothing changes. Batches come in the order of the store. */
  in(batch: Entry[]): Entry[] {
    return this.#place === this.#changes.length ? batch : batch.map((entry) => this.#changed(entry));
  }

  #changed(entry: Entry): Entry {
    const changes = this.#changes;
    while (this.#place < changes.length && compareKeys(changes[this.#place]!.key, entry.key) < 0) this.#place++;
    let { kappa } = entry;
    for (let place = this.#place; place < changes.length; place++) {
      const change = changes[place]!;
      if (compareKeys(change.key, entry.key) !== 0) break;
      if (change.sequence === undefined || change.sequence === entry.sequence) kappa = Math.fround(change.kappa);
    }
    if (kappa === entry.kappa || entry.kind === entryKind.tombstone) return entry;
    this.applied++;
    return { ...entry, kappa };
  }
}
