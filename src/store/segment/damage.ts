/** What is said when a segment cannot be read: where, and which keys are at risk. */

import { HoldfastError, hexOf } from "../../base/index.ts";

/** A bad place of a segment file. */
export interface SegmentDamage {
  readonly path: string;
  readonly offset: number;
  /** `header`, `tail`, `data`, `tombstones`, … */
  readonly section: string;
  readonly reason: string;
  /** Keys that stood, or may have stood, there: from this one on, */
  readonly fromKey?: Uint8Array | undefined;
  /** and before this one; undefined where there is no bound. */
  readonly toKey?: Uint8Array | undefined;
}

const damages = new WeakMap<HoldfastError, SegmentDamage>();

export function corruptError(damage: SegmentDamage): HoldfastError {
  const { path, offset, section, reason, fromKey, toKey } = damage;
  const keys = fromKey === undefined ? {} : { fromKey: hexOf(fromKey), ...(toKey && { toKey: hexOf(toKey) }) };
  const error = new HoldfastError(
    "STORE_SEGMENT_CORRUPT",
    `${path} is damaged at offset ${offset} (${section}): ${reason}`,
    {
      hint: "Nothing was dropped or changed. Restore the file from a backup, or salvage what can still be read.",
      details: { path, offset, section, ...keys },
    },
  );
  damages.set(error, damage);
  return error;
}

/** The damage that an error is about, with its keys as bytes; undefined where it is about something else. */
export function damageOf(error: unknown): SegmentDamage | undefined {
  return HoldfastError.is(error) ? damages.get(error) : undefined;
}

export function versionError(path: string, found: number, supported: number): HoldfastError {
  return new HoldfastError("STORE_VERSION", `${path} has format version ${found}; this program reads ${supported}`, {
    hint: "Open it with the version of Holdfast that wrote it, or a later one.",
    details: { path, version: found, supported },
  });
}
