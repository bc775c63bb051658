/**
 * One walk of a drain over what waits, from the oldest item on, batch after batch; what is added meanwhile is part of
 * it. Says what the journal should note; letting go of what was applied is for whoever has it noted.
 */

import { errorText, HoldfastError, reportFailure } from "../../base/index.ts";
import { type HeldItem, itemOf, type ReplayItem, type ReplayItems } from "./replay-items.ts";
import type { JournalRecord } from "./replay-journal.ts";

/**
 * Why a drain ended: everything was tried, the target is away, an item failed that nothing may overtake, the caller
 * had enough, the journal takes no notes, or as many were tried as was asked for.
 */
export type DrainEnd = "done" | "outage" | "blocked" | "aborted" | "journal" | "limit";

/** Items of different keys that fail one after the other, and none succeeds: the target is away. */
const unclearLimit = 3;

export interface DrainOptions<T> {
  /** Applies one item for good; durable when it resolves. Should know a repetition by its idempotency key. */
  readonly apply: (item: ReplayItem<T>, signal: AbortSignal) => PromiseLike<void> | void;
  /** Failures of an item before it becomes a dead letter. Default 5. */
  readonly deadLetterAfter?: number | undefined;
  /** Default "per-key". */
  readonly order?: "per-key" | "strict" | undefined;
  /**
   * True for an error that says that the target is away, false for one that is the item's own fault, undefined where
   * it does not say. Default: true for retryable errors and those of breakers and disks, else undefined.
   */
  readonly isOutage?: ((error: unknown) => boolean | undefined) | undefined;
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
  /** Failures of which it is not known yet whose fault they are. */
  readonly #unclear: { readonly item: HeldItem<T>; readonly error: unknown }[] = [];
  #targetWorks: boolean;
  #left: number;

  constructor(
    items: ReplayItems<T>,
    options: DrainOptions<T>,
    run: { readonly signal: AbortSignal; readonly limit: number; readonly targetWorks: boolean },
  ) {
    this.#items = items;
    this.#options = options;
    this.signal = run.signal;
    this.#left = run.limit;
    this.#targetWorks = run.targetWorks;
    this.#walk = items.inOrder();
  }

  /** Applies up to `size` items and gives what the journal should say of them. */
  async batch(size: number): Promise<JournalRecord[]> {
    const records: JournalRecord[] = [];
    for (let count = 0; count < size && this.ended === undefined; ) {
      if (this.signal.aborted) this.ended = "aborted";
      else if (this.#left <= 0) this.ended = this.#unclear.length > 0 ? "outage" : "limit";
      else {
        const { value: item, done } = this.#walk.next();
        if (done === true) this.ended = this.#unclear.length > 0 ? "outage" : "done";
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
      this.#targetWorks = true;
      for (const one of this.#unclear.splice(0)) this.#failed(one.item, one.error, records);
    } catch (error) {
      this.error = error;
      if (this.signal.aborted) this.ended = "aborted";
      else this.#judge(item, error, records);
    } finally {
      item.taken = false;
    }
  }

  #judge(item: HeldItem<T>, error: unknown, records: JournalRecord[]): void {
    const isOutage = this.#isOutage(error);
    if (isOutage === true) this.ended = "outage";
    else if (isOutage === false || this.#targetWorks) this.#failed(item, error, records);
    else {
      this.#unclear.push({ item, error });
      this.#blocked.add(item.key);
      if (this.#unclear.length >= unclearLimit || this.#options.order === "strict") this.ended = "outage";
    }
  }

  /** What a user's function throws does not say anything either. */
  #isOutage(error: unknown): boolean | undefined {
    try {
      return (this.#options.isOutage ?? looksLikeOutage)(error);
    } catch (fault) {
      reportFailure("degradation.is-outage", fault);
      return undefined;
    }
  }

  #failed(item: HeldItem<T>, error: unknown, records: JournalRecord[]): void {
    this.failed++;
    item.attempts++;
    const { sequence, attempts } = item;
    if (attempts >= (this.#options.deadLetterAfter ?? 5)) {
      const reason = errorText(error).slice(0, 1_000);
      this.#items.bury(item, reason);
      this.deadLettered++;
      this.letters.push(item);
      records.push({ kind: "attempts", sequence, attempts }, { kind: "dead", sequence, reason });
      return;
    }
    records.push({ kind: "attempts", sequence, attempts });
    if (this.#options.order === "strict") this.ended = "blocked";
    else this.#blocked.add(item.key);
  }
}

/** True: clearly away. undefined: not clear from the error alone. */
function looksLikeOutage(error: unknown): true | undefined {
  const isOne =
    HoldfastError.is(error) && (error.retryable || /^(BREAKER|BULKHEAD|RATE|TIMEOUT|DISK|WAL)_/.test(error.code));
  return isOne ? true : undefined;
}
