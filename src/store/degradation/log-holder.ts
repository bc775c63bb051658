/**
 * The log that the store writes to at present. A log that failed is never written again; in its place comes a new one,
 * opened over the same folder, once nothing depends on the old one any more.
 *
 * Numbers go on above all that were given out: opening a log that was not closed in order leaps over those that may
 * have been (see `waitingEntriesLimit`).
 */

import { assert, type Clock, type HoldfastError } from "../../base/index.ts";
import { type Wal, walCheck } from "../../wal/index.ts";

export class LogHolder {
  readonly #reopen: () => Promise<Wal>;
  #log: Wal;

  /** `reopen` opens the log in the same folder; what it delivers is in the store already, and goes nowhere. */
  constructor(log: Wal, reopen: () => Promise<Wal>) {
    this.#log = log;
    this.#reopen = reopen;
  }

  get current(): Wal {
    return this.#log;
  }

  get failure(): HoldfastError | undefined {
    return this.#log.failure;
  }

  get visibleSequence(): number {
    return this.#log.visibleSequence;
  }

  get durableSequence(): number {
    return this.#log.durableSequence;
  }

  /** What is below stands in segments. A log that fails at it has failed; nothing else is lost by that. */
  async truncateBefore(sequence: number): Promise<void> {
    if (this.failure !== undefined) return;
    try {
      await this.#log.truncateBefore(sequence);
    } catch (error) {
      if (this.failure === undefined) throw error;
    }
  }

  /** Writes and syncs a test entry that nobody ever sees. Rejects where the log takes nothing. Resolves with the ms. */
  async probe(clock: Clock): Promise<number> {
    const startMs = clock.monotonicMs();
    await walCheck(this.#log, { clock }).check(new AbortController().signal);
    return clock.monotonicMs() - startMs;
  }

  /** Lets go of a log that failed, and of the space that it kept ready for its next file. */
  async release(): Promise<void> {
    assert(this.failure !== undefined, "a log that works is not let go");
    await this.#log.close().catch(() => undefined);
  }

  /** A new log in place of one that was released. All up to `savedSequence` stands in segments. */
  async renew(savedSequence: number): Promise<void> {
    const next = await this.#reopen();
    assert(next.visibleSequence >= this.visibleSequence, "a new log's numbers are above those that were given out");
    this.#log = next;
    await this.truncateBefore(savedSequence + 1);
  }

  async close(): Promise<void> {
    await this.#log.close();
  }
}
