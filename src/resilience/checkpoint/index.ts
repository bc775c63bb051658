/** For backends of one's own: the two errors that mean something above. */

export type {
  BackendCapabilities,
  BackendOptions,
  CheckpointBackend,
  GetOptions,
  StoredVersions,
} from "./backend.ts";
export { uncertain as checkpointUncertain, unreadable as checkpointUnreadable } from "./backend.ts";
export { Checkpoints, checkpoints } from "./checkpoints.ts";
export type { Checkpointed } from "./component.ts";
export type { CheckpointInfo } from "./envelope.ts";
export { type LocalCheckpointsOptions, localCheckpoints } from "./local.ts";
export { memoryCheckpoints } from "./memory.ts";
export type {
  CheckpointFailure,
  CheckpointFallback,
  CheckpointOptions,
  CheckpointOutcome,
  CheckpointStatistics,
  CheckpointsOptions,
  Restored,
  RestoreOptions,
  VerifiedVersion,
} from "./options.ts";
export type { PassedOver } from "./search.ts";
