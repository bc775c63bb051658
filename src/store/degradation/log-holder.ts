/**
 * The log that the store writes to at present. A log that failed is never written again; in its place comes a new one,
 * opened over the same folder.
 *
 * Numbers go on above all that were given out, and the new log has such a number on the disk before anything else
 * happens: what the failed one gave out is in memory, and will be in segments, and no later log may give it out again.
 */

import { assert, type Clock, type HoldfastError } from "../../base/index.ts";
import { type Wal, walCheck } from "../../wal/index.ts";

export class LogHolder {
  readonly #reopen: (firstSequence: number) => Promise<Wal>;
  #log: Wal;
  /** What logs before this one gave out and no log has: in memory only, until it is saved. */
  #gap: { readonly after: number; readonly upTo: number } | undefined;

  /** `reopen` opens the log in the same folder; what it delivers is in the store already, and goes nowhere. */
  constructor(log: Wal, reopen: (firstSequence: number) => Promise<Wal>) {
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

  /** Up to here everything is on the disk, in the log or in segments that `savedSequence` speaks of. */
  durableSequence(savedSequence: number): number {
    return Math.max(this.#gap?.after ?? this.#log.durableSequence, savedSequence);
  }

  /** Entries that were given out, and are on the disk nowhere. */
  unsynced(savedSequence: number): number {
    const upTo = this.#gap?.upTo ?? (this.failure === undefined ? 0 : this.visibleSequence);
    return Math.max(0, upTo - this.durableSequence(savedSequence));
  }

  /** Something is in memory that no log has. */
  get hasGap(): boolean {
    return this.#gap !== undefined;
  }

  /** It is in segments now. */
  closeGap(): void {
    this.#gap = undefined;
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

  /** A new log in place of one that was released. */
  async renew(): Promise<void> {
    const { visibleSequence, durableSequence } = this.#log;
    const next = await this.#reopen(visibleSequence + 1);
    assert(next.visibleSequence >= visibleSequence, "a new log's numbers are above those that were given out");
    this.#gap ??= { after: durableSequence, upTo: visibleSequence };
    this.#log = next;
  }

  async close(): Promise<void> {
    await this.#log.close();
  }
}
