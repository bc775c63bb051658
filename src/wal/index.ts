export type { TornTail, WalLoss } from "./damage.ts";
export type { DurabilityWarning } from "./durability-warning.ts";
export { openWal } from "./open.ts";
export type { Submission, WalOptions, WalRecovery, WalStatistics, WalTransaction } from "./options.ts";
export { type ReadOptions, type ReadWalOptions, readWal } from "./read.ts";
export type { WalEntry } from "./replay.ts";
export type { Wal } from "./wal.ts";
