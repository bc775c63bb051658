export {
  type Change,
  type Degradable,
  type DegradableOptions,
  type DegradableStore,
  degradable,
  type ReadResult,
  type WriteContext,
  type WriteOptions,
  type WriteResult,
} from "./degradable.ts";
export { type DiskReplayJournalOptions, diskReplayJournal } from "./disk-replay-journal.ts";
export type { DrainEnd } from "./drain-run.ts";
export { type FallbackCache, type FallbackCacheOptions, fallbackCache, type Remembered } from "./fallback-cache.ts";
export { type DegradationLadder, degradationLadder, type LadderOptions, type LevelStep } from "./ladder.ts";
export type { Codec, DeadLetter, ReplayItem } from "./replay-items.ts";
export type { AddRecord, JournalRecord, QueueRecord, ReplayJournal } from "./replay-journal.ts";
export {
  type DrainReport,
  type Queued,
  type ReplayQueue,
  type ReplayQueueOptions,
  replayQueue,
} from "./replay-queue.ts";
export {
  type StorageCapabilities,
  type StorageLevel,
  storageCapabilities,
  storageLadder,
  storageLevelFor,
  storageLevels,
} from "./storage-levels.ts";
