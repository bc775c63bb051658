/**
 * Who still reads which files. A pin holds a whole state: as long as it lives, none of its files is deleted, whatever
 * edits take away meanwhile.
 */

import type { ManifestFile, ManifestState } from "./state.ts";

export interface Pin extends Disposable {
  readonly state: ManifestState;
}

export class Versions {
  state: ManifestState;
  readonly #pinned = new Map<ManifestState, number>();
  /** Taken away by an edit that is durable, and not deleted yet. */
  readonly #obsolete = new Map<number, ManifestFile>();

  constructor(state: ManifestState) {
    this.state = state;
  }

  /** The next state, once it is durable. */
  publish(state: ManifestState): void {
    for (const [id, file] of this.state.files) if (!state.files.has(id)) this.#obsolete.set(id, file);
    this.state = state;
  }

  pin(): Pin {
    const { state } = this;
    this.#pinned.set(state, (this.#pinned.get(state) ?? 0) + 1);
    let isHeld = true;
    return {
      state,
      [Symbol.dispose]: () => {
        if (!isHeld) return;
        isHeld = false;
        const left = this.#pinned.get(state)! - 1;
        if (left === 0) this.#pinned.delete(state);
        else this.#pinned.set(state, left);
      },
    };
  }

  get pins(): number {
    return [...this.#pinned.values()].reduce((sum, count) => sum + count, 0);
  }

  /** What no state and no pin names any more. */
  deletable(): ManifestFile[] {
    const deletable = new Map(this.#obsolete);
    for (const { files } of this.#pinned.keys()) for (const id of files.keys()) deletable.delete(id);
    return [...deletable.values()];
  }

  deleted(id: number): void {
    this.#obsolete.delete(id);
  }
}
