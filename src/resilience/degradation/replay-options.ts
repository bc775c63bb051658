/** What goes into a replay queue, and what comes out of it. */

import type { Clock, Listener, Metrics, Random } from "../../base/index.ts";
import type { RunOptions } from "../call.ts";
import {
  choiceOption,
  durationOption,
  functionOption,
  knownOptions,
  nameOption,
  numberOption,
  partOption,
} from "../option.ts";
import type { DrainEnd, DrainOptions } from "./drain-run.ts";
import type { Codec, DeadLetter, ReplayItem } from "./replay-items.ts";
import type { ReplayJournal } from "./replay-journal.ts";

export interface ReplayQueueOptions<T> extends DrainOptions<T> {
  /** In metrics. Default "writes". */
  readonly name?: string | undefined;
  /** Waiting and dead together. Default 10,000. */
  readonly limit?: number | undefined;
  /** Of all values as the journal writes them. Default 256 MiB; without a journal nothing is measured. */
  readonly limitBytes?: number | undefined;
  /** Items between two notes in the journal. Default 100. */
  readonly batch?: number | undefined;
  /** Size of a drain's first batch; each later one is twice the one before, up to `batch`. Default `batch`. */
  readonly rampFrom?: number | undefined;
  /** Rest between two batches. Default 0. */
  readonly restMs?: number | undefined;
  readonly onDuplicate?: "drop" | "replace" | undefined;
  readonly journal?: ReplayJournal | undefined;
  /** Records from which on a journal is written anew where half of them are spent. Default 1,000. */
  readonly compactFrom?: number | undefined;
  /**
   * What to do with an item that the journal cannot take: keep it in memory and say so (default), or refuse it; the
   * journal may hold a refused one all the same after a crash.
   */
  readonly onJournalFailure?: "volatile" | "refuse" | undefined;
  /** Between a value and what JSON can say. Default: the value itself. */
  readonly codec?: Codec<T> | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
  readonly metrics?: Metrics | undefined;
}

const owner = { name: "replayQueue", code: "DEGRADED_OPTION" } as const;
const optionNames = [
  ...["apply", "deadLetterAfter", "order", "isOutage", "name", "limit", "limitBytes", "batch", "rampFrom", "restMs"],
  ...["onDuplicate", "journal", "compactFrom", "onJournalFailure", "codec", "clock", "random", "metrics"],
];

/** Throws DEGRADED_OPTION. */
export function checkQueueOptions<T>(options: ReplayQueueOptions<T>): void {
  knownOptions(owner, options, optionNames);
  partOption(owner, "(all)", options, "apply");
  nameOption(owner, options.name, "writes");
  const counts = ["deadLetterAfter", "limit", "limitBytes", "batch", "rampFrom", "compactFrom"] as const;
  for (const name of counts) numberOption(owner, name, options[name] ?? 1, { least: 1, whole: true });
  durationOption(owner, "restMs", options.restMs ?? 0);
  choiceOption(owner, "order", options.order ?? "per-key", ["per-key", "strict"]);
  choiceOption(owner, "onDuplicate", options.onDuplicate ?? "drop", ["drop", "replace"]);
  choiceOption(owner, "onJournalFailure", options.onJournalFailure ?? "volatile", ["volatile", "refuse"]);
  functionOption(owner, "isOutage", options.isOutage);
  functionOption(owner, "random", options.random);
  partOption(owner, "journal", options.journal, "load");
  partOption(owner, "codec", options.codec, "encode");
  partOption(owner, "clock", options.clock, "schedule");
}

export interface Queued {
  readonly durability: "queued-durable" | "queued-volatile";
  readonly sequence: number;
  readonly idempotencyKey: string;
  /** The same idempotency key was waiting already. */
  readonly isDuplicate: boolean;
}

export interface DrainReport {
  readonly applied: number;
  readonly failed: number;
  readonly deadLettered: number;
  /** Still waiting. */
  readonly left: number;
  readonly ended: DrainEnd;
  /** The last one met. */
  readonly error?: unknown;
}

export interface ReplayDrainOptions extends RunOptions {
  /** Items to try at most. Default: all. */
  readonly limit?: number | undefined;
  /** True where the target was just seen taking writes: what fails then fails by its own fault. Default false. */
  readonly targetWorks?: boolean | undefined;
}

/** Disposing of it aborts a drain, waits for what is being applied to end, and closes the journal. */
export interface ReplayQueue<T> extends AsyncDisposable {
  readonly size: number;
  readonly deadLetters: readonly DeadLetter<T>[];
  /** True while an item of that key waits, or its end is not in the journal yet. */
  has(key: string): boolean;
  /** The value of that key's last waiting item. */
  latest(key: string): ReplayItem<T> | undefined;
  /** Throws DEGRADED_QUEUE_FULL, DEGRADED_JOURNAL_FAILED (with "refuse"), DEGRADED_QUEUE_CLOSED. */
  enqueue(
    key: string,
    value: T,
    options?: { readonly idempotencyKey?: string | undefined; readonly signal?: AbortSignal | undefined },
  ): Promise<Queued>;
  /** Applies what waits, and what comes while it does. A drain under way is joined. Rejects only with the signal. */
  drain(options?: ReplayDrainOptions): Promise<DrainReport>;
  /** Puts a dead letter at the end of the queue, with its attempts forgotten. False where there is none. */
  requeue(sequence: number): Promise<boolean>;
  /** Gives a dead letter up. False where there is none. */
  discard(sequence: number): Promise<boolean>;
  onDeadLetter(listener: Listener<DeadLetter<T>>): Disposable;
  onDrained(listener: Listener<DrainReport>): Disposable;
}
