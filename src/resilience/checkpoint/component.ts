/**
 * What a stateful component has to give to be checkpointed, and how it may be called.
 *
 * An id becomes part of a file's name, an object's key and a Redis key, so its letters are few. None of them means
 * anything to a file system, an URL or a pattern, and no backend has to escape more than capitals.
 */

import { HoldfastError } from "../../base/index.ts";
import type { CheckpointInfo } from "./envelope.ts";

export interface Checkpointed {
  /** 1 to 64 of `A-Z a-z 0-9 . _ -`, the first a letter or digit. Two that differ only in case are different. */
  readonly id: string;
  /** The whole state, at one instant. The bytes are taken over and must not be changed afterwards. */
  save(options: { readonly signal: AbortSignal }): Uint8Array | Promise<Uint8Array>;
  /** Takes the state on. The bytes have passed both checksums. A throw is passed on as CHECKPOINT_REJECTED. */
  restore(state: Uint8Array, info: CheckpointInfo): void | Promise<void>;
  /**
   * Of what `save` writes: 0 to 4,294,967,295, default 1. Handed to `restore`; a state of a later version than this is
   * refused with CHECKPOINT_FORMAT rather than misread.
   */
  readonly formatVersion?: number | undefined;
}

export const idLimit = 64;
const idPattern = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

/** Throws CHECKPOINT_BAD_ID. */
export function refuseBadId(id: unknown): void {
  if (isId(id)) return;
  const shown = typeof id === "string" ? JSON.stringify(id.slice(0, idLimit + 1)) : typeof id;
  throw new HoldfastError("CHECKPOINT_BAD_ID", `${shown} cannot be the id of a component`, {
    hint: `Use 1 to ${idLimit} of A-Z, a-z, 0-9, ".", "_" and "-", the first a letter or digit.`,
  });
}

export function isId(id: unknown): id is string {
  return typeof id === "string" && id.length <= idLimit && idPattern.test(id);
}
