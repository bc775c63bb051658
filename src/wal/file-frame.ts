/**
 * The payload of a FILE frame, the first of every file: what must be known of the log before it is read. It is JSON in
 * both forms of the log, with every field there and in this order.
 *
 * Nothing is ever cut off a file: where its tail was torn, the next one says where it ends. What the last sync before a
 * crash was to make durable is written once more, into the new file, for nothing proves that the sync did its work.
 */

import { utf8, utf8Text } from "../base/index.ts";
import { sequenceLimit } from "./frame.ts";

export interface FileFacts {
  /** The oldest file that still belongs to the log; what is older was truncated and only waits for its removal. */
  readonly firstFile: number;
  /** Entries below this sequence number were truncated. */
  readonly truncatedBefore: number;
  /** The oldest file with a frame of a transaction that this file may go on with; this one where there is none. */
  readonly oldestOpenFile: number;
  /** 1 where transactions that are open behind `bornBytes` were rolled back: their writer died. */
  readonly rollsBack: number;
  /** Damage in files below this number was reported, and accepted by opening the log to salvage it. */
  readonly acceptedBefore: number;
  /** 1 where this file held an older one, so that stale frames stand behind its own. */
  readonly recycled: number;
  /** Where the file before ends for good; what stands behind that was never acknowledged, or stands here again. */
  readonly previousEnd: number;
  /** What was durable before this file got its name: all damage there is damage, never a torn tail. */
  readonly bornBytes: number;
}

const fields = [
  "firstFile",
  "truncatedBefore",
  "oldestOpenFile",
  "rollsBack",
  "acceptedBefore",
  "recycled",
  "previousEnd",
  "bornBytes",
] as const satisfies readonly (keyof FileFacts)[];

export function encodeFileFacts(facts: FileFacts): Uint8Array {
  return utf8(JSON.stringify(facts, [...fields]));
}

/** undefined where these bytes are not the facts of a file. */
export function decodeFileFacts(bytes: Uint8Array | undefined): FileFacts | undefined {
  try {
    const value = JSON.parse(utf8Text(bytes ?? new Uint8Array(0))) as Record<string, unknown>;
    const counts = fields.map((field) => value[field]);
    if (!counts.every((count) => Number.isSafeInteger(count) && (count as number) >= 0)) return undefined;
    if (![value.rollsBack, value.recycled].every((flag) => flag === 0 || flag === 1)) return undefined;
    if ((value.truncatedBefore as number) >= sequenceLimit) return undefined;
    return Object.fromEntries(fields.map((field, place) => [field, counts[place]])) as unknown as FileFacts;
  } catch {
    return undefined;
  }
}
