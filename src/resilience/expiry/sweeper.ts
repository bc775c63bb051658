/**
 * Takes expired entries out of many caches by one timer (SPEC R15: every 300 s). A sweep goes in slices of so many
 * entries, with a turn of the event loop between two, so that no cache is too large to be swept beside other work. No
 * timer runs while there is nothing to sweep, and none keeps the process alive.
 */

import { type Clock, guardMetrics, type Metrics, systemClock } from "../../base/index.ts";
import { durationOption, knownOptions, numberOption, partOption } from "../option.ts";

/** What can be swept: a `ttlCache`, or anything that can look at some of its entries at a time. */
export interface Sweepable {
  readonly name: string;
  readonly size: number;
  /** Takes the expired out of up to `limit` entries, going on where it stopped; done when all have been looked at. */
  sweepSlice(limit: number): { readonly removed: number; readonly isDone: boolean };
}

export interface SweeperOptions {
  /** From the end of a sweep to the next: 1 or longer. Default 300,000. */
  readonly everyMs?: number | undefined;
  /** Entries looked at in one turn: 1 or more. Default 1,000. */
  readonly sliceEntries?: number | undefined;
  readonly clock?: Clock | undefined;
  readonly metrics?: Metrics | undefined;
}

export interface SweepReport {
  readonly removed: number;
  readonly slices: number;
}

export interface Sweeper extends Disposable {
  /** Sweeps it from now on, until what comes back is disposed of. */
  add(cache: Sweepable): Disposable;
  /** A sweep of all now; the one under way where there is one. */
  sweep(): Promise<SweepReport>;
}

const owner = { name: "sweeper", code: "MEMORY_OPTION" } as const;

/** Throws MEMORY_OPTION. */
export function sweeper(options: SweeperOptions = {}): Sweeper {
  return new SharedSweeper(options);
}

class SharedSweeper implements Sweeper {
  readonly #clock: Clock;
  readonly #metrics: Metrics | undefined;
  readonly #everyMs: number;
  readonly #sliceEntries: number;
  readonly #caches = new Set<{ readonly cache: Sweepable }>();
  #sweeping: Promise<SweepReport> | undefined;
  #stopTimer: (() => void) | undefined;
  /** Ends the wait between two slices. */
  #wake: (() => void) | undefined;
  #disposed = false;

  constructor(options: SweeperOptions) {
    knownOptions(owner, options, ["everyMs", "sliceEntries", "clock", "metrics"]);
    this.#clock = partOption(owner, "clock", options.clock, "schedule") ?? systemClock;
    this.#metrics = guardMetrics(options.metrics);
    this.#everyMs = durationOption(owner, "everyMs", options.everyMs ?? 300_000, 1);
    this.#sliceEntries = numberOption(owner, "sliceEntries", options.sliceEntries ?? 1_000, { least: 1, whole: true });
  }

  add(cache: Sweepable): Disposable {
    const member = { cache };
    this.#caches.add(member);
    this.#wait();
    return {
      [Symbol.dispose]: () => {
        this.#caches.delete(member);
        if (this.#caches.size > 0) return;
        this.#stopTimer?.();
        this.#stopTimer = undefined;
      },
    };
  }

  sweep(): Promise<SweepReport> {
    this.#sweeping ??= this.#sweepAll().finally(() => {
      this.#sweeping = undefined;
      this.#wait();
    });
    return this.#sweeping;
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#caches.clear();
    this.#stopTimer?.();
    this.#stopTimer = undefined;
    this.#wake?.();
  }

  #wait(): void {
    if (this.#stopTimer !== undefined || this.#sweeping !== undefined || this.#disposed) return;
    if (this.#caches.size === 0) return;
    const onTime = (): void => {
      this.#stopTimer = undefined;
      void this.sweep();
    };
    this.#stopTimer = this.#clock.schedule(this.#everyMs, onTime, { background: true });
  }

  async #sweepAll(): Promise<SweepReport> {
    let removed = 0;
    let slices = 0;
    for (const member of [...this.#caches]) {
      const { cache } = member;
      const startMs = this.#clock.monotonicMs();
      let isDone = false;
      let removedHere = 0;
      while (!isDone && this.#caches.has(member)) {
        const slice = this.#slice(cache);
        slices++;
        removedHere += slice.removed;
        isDone = slice.isDone;
        if (!isDone) await this.#turn();
      }
      removed += removedHere;
      this.#measure(cache, removedHere, this.#clock.monotonicMs() - startMs);
    }
    return { removed, slices };
  }

  /** What cannot be swept is counted, and the others still are. */
  #slice(cache: Sweepable): { readonly removed: number; readonly isDone: boolean } {
    try {
      return cache.sweepSlice(this.#sliceEntries);
    } catch {
      this.#metrics?.count("holdfast_ttl_cleanup_errors_total", 1, { cache: cache.name });
      return { removed: 0, isDone: true };
    }
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => {
      const stop = this.#clock.schedule(0, resolve, { background: true });
      this.#wake = () => {
        stop();
        resolve();
      };
    });
  }

  #measure(cache: Sweepable, removed: number, tookMs: number): void {
    const labels = { cache: cache.name };
    this.#metrics?.count("holdfast_ttl_cleanups_total", 1, labels);
    this.#metrics?.count("holdfast_ttl_removed_total", removed, labels);
    this.#metrics?.gauge("holdfast_ttl_entries", cache.size, labels);
    this.#metrics?.observe("holdfast_ttl_cleanup_duration_ms", tookMs, labels);
  }
}
