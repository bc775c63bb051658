/**
 * A line of callers: first come, first served. Who gives up leaves at once from wherever he stands, in O(1), and his
 * place is free for another; a turn is given to the head itself, so that no newcomer can take it in between.
 *
 * One listener and, where a wait is bounded, one timer for each who waits; none for an empty line.
 */

import { addAbortCallback, assert, type Clock, removeAbortCallback } from "../../base/index.ts";

interface Waiter<Turn> {
  before: Waiter<Turn> | undefined;
  after: Waiter<Turn> | undefined;
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
  #first: Waiter<Turn> | undefined;
  #last: Waiter<Turn> | undefined;
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
      this.#append(waiter);
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
    assert(this.#first !== undefined, "a turn is for somebody");
    this.#first.take(turn);
  }

  #append(waiter: Waiter<Turn>): void {
    waiter.before = this.#last;
    if (this.#last === undefined) this.#first = waiter;
    else this.#last.after = waiter;
    this.#last = waiter;
    this.#length++;
  }

  #remove(waiter: Waiter<Turn>): void {
    if (waiter.before === undefined) this.#first = waiter.after;
    else waiter.before.after = waiter.after;
    if (waiter.after === undefined) this.#last = waiter.before;
    else waiter.after.before = waiter.before;
    this.#length--;
    if (this.#length === 0) this.#onEmptied();
  }
}
