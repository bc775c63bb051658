/**
 * What a bad place in a log means.
 *
 * Writes that were not yet durable when the power went may be there in any part: whole, torn, as garbage or not at all.
 * So a bad place alone proves nothing. But each frame says what was durable when it was written, and a file gets its
 * name only when its first bytes are durable:
 *
 *     the place lies in what was durable before the file got its name          -> damage
 *     a good frame of this file follows, and says that the place was durable   -> damage
 *     a later file says that this one goes on beyond the place                 -> damage
 *     anything else                                                            -> a torn tail
 *
 * Damage is never dropped: strict recovery refuses the log, salvage lists what is lost. A torn tail holds nothing that
 * was acknowledged, unless the very last group of a log that was not closed has rotted since: that looks the same, and
 * is why a torn tail is always reported.
 */

import { dirname } from "node:path";
import { HoldfastError } from "../base/index.ts";
import type { FileReader } from "./file-reader.ts";
import type { WalFormat } from "./format.ts";
import type { Frame } from "./frame.ts";

/** Something of the log that cannot be read any more. */
export interface WalLoss {
  readonly path: string;
  readonly offset: number;
  readonly lostBytes: number;
  /** The sequence numbers that stood, or may have stood, there; undefined where they cannot be known. */
  readonly firstSequence: number | undefined;
  readonly lastSequence: number | undefined;
  readonly reason: string;
}

/** What stands behind the last good frame of a log that was not closed, and was never acknowledged. */
export interface TornTail {
  readonly path: string;
  readonly offset: number;
  readonly tornBytes: number;
  readonly reason: string;
}

/** Why the bad place at `offset` is damage, or undefined where nothing proves it. */
export async function proofOfDamage(
  reader: FileReader,
  format: WalFormat,
  file: { readonly fileNumber: number; readonly epoch: bigint | undefined; readonly bornBytes: number },
  offset: number,
): Promise<string | undefined> {
  if (offset < file.bornBytes) return "this place was durable before the file got its name";
  let place = await format.nextPlace(reader, offset);
  while (place !== undefined) {
    const frame = await format.frameAt(reader, place);
    if (frame !== undefined && frame.syncedOffset > offset && isOfFile(frame, file))
      return `a later entry, at offset ${place}, shows that this place was durable`;
    place = await format.nextPlace(reader, place);
  }
  return undefined;
}

/** Whether a frame, found by its magic alone, was written to this file in its present life. */
export function isOfFile(
  frame: Frame,
  file: { readonly fileNumber: number; readonly epoch: bigint | undefined },
): boolean {
  if (file.epoch !== undefined && frame.epoch !== file.epoch) return false; // mutant: epoch
  return frame.fileNumber === file.fileNumber;
}

export function corruptError(path: string, offset: number, reason: string): HoldfastError {
  return new HoldfastError("WAL_CORRUPT", `${path} is damaged at offset ${offset}: ${reason}`, {
    hint: `Nothing was dropped or changed. Restore the file, or see what can be saved: holdfast wal verify ${dirname(path)}`,
    details: { path, offset },
  });
}
