/**
 * Lets everybody else run now and then. A walk over what is in memory never waits for anything, and would hold up the
 * event loop from its first entry to its last.
 */

/** Some milliseconds of walking and writing. */
const entriesInTurn = 4_096;

export class Turns {
  #walked = 0;

  /** A promise, for the next turn of the event loop, after every 4,096 entries or so. */
  walked(entries: number): void | Promise<void> {
    this.#walked += entries;
    if (this.#walked < entriesInTurn) return;
    this.#walked = 0;
    return new Promise((resolve) => void setImmediate(resolve));
  }
}
