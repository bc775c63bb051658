export { degradable } from "./degradable.ts";
export type {
  Change,
  Degradable,
  DegradableOptions,
  DegradableStore,
  ReadResult,
  WriteContext,
  WriteOptions,
  WriteResult,
} from "./degradable-store.ts";
export { type DiskReplayJournalOptions, diskReplayJournal } from "./disk-replay-journal.ts";
export type { DrainEnd } from "./drain-run.ts";
export { type FallbackCache, type FallbackCacheOptions, fallbackCache, type Remembered } from "./fallback-cache.ts";
export { type DegradationLadder, degradationLadder, type LadderOptions, type LevelStep } from "./ladder.ts";
export type { Codec, DeadLetter, ReplayItem } from "./replay-items.ts";
export type { AddRecord, JournalRecord, QueueRecord, ReplayJournal } from "./replay-journal.ts";
export type { DrainReport, Queued, ReplayDrainOptions, ReplayQueue, ReplayQueueOptions } from "./replay-options.ts";
export { replayQueue } from "./replay-queue.ts";
export {
  type StorageCapabilities,
  type StorageLevel,
  storageCapabilities,
  storageLadder,
  storageLevelFor,
  storageLevels,
} from "./storage-levels.ts";
