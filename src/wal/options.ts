/** How a log is opened, and what opening found. */

import type { Clock } from "../base/index.ts";
import type { Disk } from "../disk/index.ts";
import type { TornTail, WalLoss } from "./damage.ts";
import type { DurabilityWarning } from "./durability-warning.ts";
import type { WalFormatName } from "./format.ts";
import type { Durability } from "./log-writer.ts";
import type { WalEntry } from "./replay.ts";

export interface WalOptions {
  readonly disk: Disk;
  /** One folder holds one log; made where it is missing. */
  readonly folder: string;
  /** Binary frames, or lines of JSON (W1, W2). Default: what the folder holds, else binary. */
  readonly format?: WalFormatName;
  /** A write and a sync for each group, or writes that are durable when they return (O_DSYNC). Default fdatasync. */
  readonly durability?: Durability;
  /** Strict refuses a damaged log; salvage keeps what verifies, and lists what was lost (W6). Default strict. */
  readonly recovery?: "strict" | "salvage";
  /** A new file is begun where one would grow beyond this. Default 64 MiB. */
  readonly fileLimitBytes?: number;
  /** Beyond this, appends are refused with WAL_FULL until something is truncated. Default 1,024 MiB. */
  readonly totalLimitBytes?: number;
  /**
   * No entry gets a lower sequence number from now on, in a new log or in one that is there: for whoever has entries
   * with lower ones elsewhere, whatever became of the log that they came from. From 1, below 2^52; default 1.
   */
  readonly firstSequence?: number;
  readonly clock?: Clock;
  /** Where the epochs of files and the ids of transactions come from. Default: the system's. */
  readonly randomBytes?: (count: number) => Uint8Array;
  /** Called for every committed entry, in order, before `openWal` returns. */
  readonly onEntry?: (entry: WalEntry) => void;
  /** Called before anything is written: what it throws refuses the opening, and the log stays as it was found. */
  readonly onFound?: (found: WalFound) => void;
  readonly signal?: AbortSignal;
}

/** What there is of a log, before it is taken up. */
export interface WalFound {
  /** No file of it was there. */
  readonly isNew: boolean;
  readonly truncatedBefore: number;
  /** The highest sequence number that was given out, as far as the files say. */
  readonly lastSequence: number;
}

/** What opening found and did. */
export interface WalRecovery {
  /** There was no log: whoever knows that there should be one has lost it. */
  readonly isNew: boolean;
  readonly entries: number;
  /** Transactions that were begun and never committed nor aborted. */
  readonly rolledBack: number;
  /** The end of a log that was not closed, where it is no whole entry. It stays in its file, outside the log. */
  readonly torn: TornTail | undefined;
  /** What could not be read: in salvage mode, and where an earlier opening in salvage mode accepted it. */
  readonly lost: readonly WalLoss[];
  /** What of the file system puts the log's promises in doubt (W7). */
  readonly warnings: readonly DurabilityWarning[];
}

export interface WalTransaction {
  /** Throws WAL_TOO_LARGE, WAL_FULL or WAL_FAILED; the transaction can then only be aborted. */
  append(payload: Uint8Array): void;
  /** Durable, all of it, when this resolves, with the sequence number of the COMMIT. */
  commit(): Promise<number>;
  abort(): Promise<void>;
}

/** Entries that were taken over: visible in the log's order now, durable when the promise resolves. */
export interface Submission {
  readonly first: number;
  readonly last: number;
  /** Shared by all that go out with one sync. */
  readonly durable: Promise<void>;
}

export interface WalStatistics {
  readonly groups: number;
  /** Syncs for groups; with `dsync`, writes. */
  readonly syncs: number;
  readonly entries: number;
  readonly writtenBytes: number;
  readonly files: number;
  readonly totalBytes: number;
}
