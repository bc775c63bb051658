/**
 * From where a reader reads: the store as it is at each moment, or a snapshot.
 *
 * Whoever reads over more than one turn takes a hold: a view, and the sequence number up to which it is read. The
 * content log asks the holds which contents are still wanted.
 */

import { type Clock, HoldfastError } from "../../base/index.ts";
import type { StorageLevel } from "../../resilience/index.ts";
import type { ContentLog } from "../content/index.ts";
import type { FallbackItems } from "../degradation/fallback-items.ts";
import { latestSequence } from "../entry.ts";
import type { SearchFilters } from "../recall/index.ts";
import type { Vectors } from "./vector-layers.ts";
import type { View, Views } from "./view.ts";

export interface Hold extends Disposable {
  readonly view: View;
  readonly atSequence: number;
}

export interface ReadScope {
  readonly view: View;
  readonly atSequence: number;
  hold(): Hold;
}

/** What reading needs of the store, whichever moment is read. */
export interface ReadPort {
  readonly clock: Clock;
  readonly content: ContentLog;
  readonly level: StorageLevel;
  /** Items that are answered for at level memory-only. */
  readonly fallback: FallbackItems;
  /** A read failed with this. */
  readFailed(error: unknown): void;
  readonly vectors: Vectors;
  readonly filters: SearchFilters;
  /** Throws STORE_CLOSED. */
  refuseClosed(): void;
}

export class Holds {
  readonly #views: Views;
  readonly #visible: () => number;
  readonly #holds = new Set<Hold>();

  constructor(views: Views, visible: () => number) {
    this.#views = views;
    this.#visible = visible;
  }

  /** The store as it is now and will be. */
  get present(): ReadScope {
    const [views, take] = [this.#views, () => this.#take(this.#views.current, this.#visible())];
    return {
      get view() {
        return views.current;
      },
      atSequence: latestSequence,
      hold: take,
    };
  }

  /** The store as it is at this moment, for as long as the hold is kept. */
  snapshot(): ReadScope & Disposable {
    const hold = this.#take(this.#views.current, this.#visible());
    const { view, atSequence } = hold;
    let isDisposed = false;
    const kept = (): View => {
      if (isDisposed) throw disposedError();
      return view;
    };
    return {
      get view() {
        return kept();
      },
      atSequence,
      hold: () => this.#take(kept(), atSequence),
      [Symbol.dispose]: () => {
        isDisposed = true;
        hold[Symbol.dispose]();
      },
    };
  }

  get all(): Iterable<Hold> {
    return this.#holds;
  }

  get count(): number {
    return this.#holds.size;
  }

  #take(view: View, atSequence: number): Hold {
    view.hold();
    const hold: Hold = {
      view,
      atSequence,
      [Symbol.dispose]: () => {
        if (this.#holds.delete(hold)) view.release();
      },
    };
    this.#holds.add(hold);
    return hold;
  }
}

function disposedError(): HoldfastError {
  return new HoldfastError("STORE_SNAPSHOT_DISPOSED", "the snapshot was disposed of before it was read", {
    hint: "Keep the snapshot until what was asked of it has been answered.",
  });
}
