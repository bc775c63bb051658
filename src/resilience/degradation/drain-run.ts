/**
 * One walk of a drain over what waits, from the oldest item on, batch after batch; what is added meanwhile is part of
 * it. Says what the journal should note; letting go of what was applied is for whoever has it noted.
 */

import { HoldfastError } from "../../base/index.ts";
import { type HeldItem, itemOf, type ReplayItem, type ReplayItems } from "./replay-items.ts";
import type { JournalRecord } from "./replay-journal.ts";

/**
 * Why a drain ended: everything was tried, the target is away, an item failed that nothing may overtake, the caller
 * had enough, the journal takes no notes, or as many were tried as was asked for.
 */
export type DrainEnd = "done" | "outage" | "blocked" | "aborted" | "journal" | "limit";

export interface DrainOptions<T> {
  readonly apply: (item: ReplayItem<T>, signal: AbortSignal) => PromiseLike<void> | void;
  readonly deadLetterAfter?: number;
  readonly order?: "per-key" | "strict";
  readonly isOutage?: (error: unknown) => boolean;
}

export class DrainRun<T> {
  readonly signal: AbortSignal;
  applied = 0;
  failed = 0;
  deadLettered = 0;
  ended: DrainEnd | undefined;
  error: unknown;
  /** Applied, and not yet noted in the journal. */
  appliedItems: HeldItem<T>[] = [];
  letters: HeldItem<T>[] = [];
  readonly #items: ReplayItems<T>;
  readonly #options: DrainOptions<T>;
  readonly #walk: MapIterator<HeldItem<T>>;
  readonly #blocked = new Set<string>();
  #left: number;

  constructor(items: ReplayItems<T>, options: DrainOptions<T>, signal: AbortSignal, limit: number) {
    this.#items = items;
    this.#options = options;
    this.signal = signal;
    this.#left = limit;
    this.#walk = items.inOrder();
  }

  /** Applies up to `size` items and gives what the journal should say of them. */
  async batch(size: number): Promise<JournalRecord[]> {
    const records: JournalRecord[] = [];
    for (let count = 0; count < size && this.ended === undefined; ) {
      if (this.signal.aborted) this.ended = "aborted";
      else if (this.#left <= 0) this.ended = "limit";
      else {
        const { value: item, done } = this.#walk.next();
        if (done === true) this.ended = "done";
        else if (item.applied) this.appliedItems.push(item);
        else if (!this.#blocked.has(item.key)) {
          count++;
          this.#left--;
          await this.#apply(item, records);
        }
      }
    }
    const sequences = this.appliedItems.map(({ sequence }) => sequence);
    if (sequences.length > 0) records.push({ kind: "done", sequences });
    return records;
  }

  async #apply(item: HeldItem<T>, records: JournalRecord[]): Promise<void> {
    item.taken = true;
    try {
      await this.#options.apply(itemOf(item), this.signal);
      item.applied = true;
      this.applied++;
      this.appliedItems.push(item);
    } catch (error) {
      this.error = error;
      if (this.signal.aborted) this.ended = "aborted";
      else if ((this.#options.isOutage ?? looksLikeOutage)(error)) this.ended = "outage";
      else this.#failed(item, error, records);
    } finally {
      item.taken = false;
    }
  }

  #failed(item: HeldItem<T>, error: unknown, records: JournalRecord[]): void {
    this.failed++;
    item.attempts++;
    const { sequence, attempts } = item;
    records.push({ kind: "attempts", sequence, attempts });
    if (attempts >= (this.#options.deadLetterAfter ?? 5)) {
      const reason = (error instanceof Error ? error.message : String(error)).slice(0, 1_000);
      this.#items.bury(item, reason);
      this.deadLettered++;
      this.letters.push(item);
      records.push({ kind: "dead", sequence, reason });
    } else if (this.#options.order === "strict") this.ended = "blocked";
    else this.#blocked.add(item.key);
  }
}

function looksLikeOutage(error: unknown): boolean {
  return HoldfastError.is(error) && (error.retryable || /^(BREAKER|BULKHEAD|RATE|TIMEOUT|DISK|WAL)_/.test(error.code));
}
