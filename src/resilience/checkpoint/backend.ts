/**
 * Where checkpoints are kept: the least that a place has to do. Bytes are opaque to it; whether they are whole is found
 * out above. `checkpointBackendConformance` (conformance.ts) says in code what is asked for here.
 */

import { type ErrorCode, HoldfastError } from "../../base/index.ts";

export interface BackendOptions {
  /** Ends the waiting with the signal's reason; what was sent may still be done. */
  readonly signal?: AbortSignal | undefined;
}

export interface GetOptions extends BackendOptions {
  /** More bytes than this are not read, but refused with CHECKPOINT_UNREADABLE. */
  readonly limitBytes: number;
}

export interface StoredVersions {
  /** Ascending. */
  readonly versions: readonly number[];
  /** The lowest version that was never used, not even by one that is gone: what the next writer takes. */
  readonly next: number;
}

export interface BackendCapabilities {
  /** "memory": gone with the process; "disk": synced when `put` returns; "server": whatever the server was set to. */
  readonly durability: "memory" | "disk" | "server";
  /** Nobody else writes while this is open, so that a put whose outcome is unknown may be followed by another one. */
  readonly exclusive: boolean;
}

export interface CheckpointBackend {
  /** For people and metrics: "local", "memory", "s3", "redis". */
  readonly name: string;
  readonly capabilities: BackendCapabilities;
  /**
   * Keeps the bytes (one at least) under this id and version, all or nothing, visible to every `list` and `get` that
   * begins after it returned. False, and nothing changed, where this version was ever kept: of two who put one version,
   * exactly one gets true. CHECKPOINT_UNCERTAIN where it may or may not have been kept.
   */
  put(id: string, version: number, bytes: Uint8Array, options?: BackendOptions): Promise<boolean>;
  /** undefined where it is not there. CHECKPOINT_UNREADABLE where this one version cannot be read. */
  get(id: string, version: number, options: GetOptions): Promise<Uint8Array | undefined>;
  list(id: string, options?: BackendOptions): Promise<StoredVersions>;
  /** Forgets one version. One that is not there is no error, and no other one is touched. */
  delete(id: string, version: number, options?: BackendOptions): Promise<void>;
  /** Lets go of what is held: locks, not the connection of a client that was passed in. */
  close?(): Promise<void>;
}

/** One version cannot be read: it is passed over as one that is damaged. */
export function unreadable(id: string, version: number, why: string, cause?: unknown): HoldfastError {
  return new HoldfastError("CHECKPOINT_UNREADABLE", `cannot read version ${version} of ${id}: ${why}`, {
    cause,
    hint: "An older version may be good: verify(id) tells which.",
    details: { id, version },
  });
}

/** Nobody can say whether the version was kept. */
export function uncertain(id: string, version: number, why: string, cause?: unknown): HoldfastError {
  return new HoldfastError("CHECKPOINT_UNCERTAIN", `version ${version} of ${id} may or may not be kept: ${why}`, {
    cause,
    hint: "Take another checkpoint: it gets a version of its own.",
    retryable: true,
    details: { id, version },
  });
}

export function hasCode(error: unknown, ...codes: readonly ErrorCode[]): error is HoldfastError {
  return HoldfastError.is(error) && codes.includes(error.code);
}
