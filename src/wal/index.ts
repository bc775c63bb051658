export { readWal, type TornTail, type WalEntry } from "./recovery.ts";
export { openWal, Wal, type WalOptions, type WalRecovery, type WalTransaction } from "./wal.ts";
