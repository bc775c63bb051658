/**
 * A line of callers: first come, first served. Who gives up leaves at once from wherever he stands, in O(1), and his
 * place is free for another; a turn is given to the head itself, so that no newcomer can take it in between.
 *
 * One listener and, where a wait is bounded, one timer for each who waits; none for an empty line.
 */

import {
  addAbortCallback,
  assert,
  type Clock,
  type Linked,
  LinkedOrder,
  removeAbortCallback,
} from "../../base/index.ts";

interface Waiter<Turn> extends Linked<Waiter<Turn>> {
  /** Ends the wait; what it waited on is let go of. */
  readonly take: (turn: Turn) => void;
}

export interface Wait {
  readonly signal: AbortSignal | undefined;
  /** Infinity: no limit. */
  readonly limitMs: number;
  /** What one who waited `limitMs` is told. */
  readonly tooLong: () => unknown;
}

export class WaitingLine<Turn> {
  readonly #clock: Clock;
  readonly #onEmptied: () => void;
  readonly #order = new LinkedOrder<Waiter<Turn>>();
  #length = 0;

  /** `onEmptied` is called when the last one leaves, served or not. */
  constructor(clock: Clock, onEmptied: () => void = () => {}) {
    this.#clock = clock;
    this.#onEmptied = onEmptied;
  }

  get length(): number {
    return this.#length;
  }

  /** Ends with the caller's turn. Rejects with the signal's reason as soon as that aborts, or with `tooLong`. */
  join({ signal, limitMs, tooLong }: Wait): Promise<Turn> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(signal.reason);
      const leave = (): void => {
        this.#remove(waiter);
        stopTimer();
        if (signal !== undefined) removeAbortCallback(signal, onAbort);
      };
      const onAbort = (): void => {
        leave();
        reject(signal?.reason);
      };
      const waiter: Waiter<Turn> = {
        before: undefined,
        after: undefined,
        take: (turn) => {
          leave();
          resolve(turn);
        },
      };
      this.#order.append(waiter);
      this.#length++;
      if (signal !== undefined) addAbortCallback(signal, onAbort);
      const stopTimer =
        limitMs === Infinity
          ? (): void => {}
          : this.#clock.schedule(limitMs, () => {
              leave();
              reject(tooLong());
            });
    });
  }

  /** Gives a turn to the head, of which there must be one. */
  serve(turn: Turn): void {
    const { first } = this.#order;
    assert(first !== undefined, "a turn is for somebody");
    first.take(turn);
  }

  #remove(waiter: Waiter<Turn>): void {
    this.#order.remove(waiter);
    this.#length--;
    if (this.#length === 0) this.#onEmptied();
  }
}
