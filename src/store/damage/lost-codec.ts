/**
 * Lost ranges as the manifest keeps them, in the value `lost.FILE`: JSON, for people with a hex dump, keys in
 * hexadecimal.
 *
 *     [{"from":"69…","to":"69…","path":"…/0000000003.segment","offset":64,"sequences":[812,4711],"oneVersion":true}]
 *
 * `fromSequence` and `toSequence` stand there where the key alone does not say where the lost part begins or ends.
 */

import { HoldfastError, hexOf } from "../../base/index.ts";
import { keyLimitBytes, latestSequence } from "../entry.ts";
import { LostRanges, type LostRun } from "./lost-ranges.ts";

/** The name of the manifest value of this file. */
export function lostValueName(fileId: number): string {
  return `lost.${fileId}`;
}

/** null, which takes a value away, where nothing is lost. */
export function encodeLost(lost: LostRanges): string | null {
  if (lost.isEmpty) return null;
  return JSON.stringify(
    lost.runs.map((run) => ({
      from: hexOf(run.from),
      to: hexOf(run.to),
      path: run.path,
      offset: run.offset,
      sequences: [run.smallestSequence, run.largestSequence],
      oneVersion: run.isOneVersion,
      ...(run.fromSequence === latestSequence ? {} : { fromSequence: run.fromSequence }),
      ...(run.toSequence === latestSequence ? {} : { toSequence: run.toSequence }),
    })),
  );
}

/** Throws STORE_MANIFEST_CORRUPT for what is no such list: taking it for an empty one would hide what was lost. */
export function decodeLost(text: string | undefined): LostRanges {
  if (text === undefined) return LostRanges.none;
  const runs = parsed(text)?.map(runOf);
  if (runs?.every((run) => run !== undefined) === true) return new LostRanges(runs);
  throw new HoldfastError("STORE_MANIFEST_CORRUPT", `a list of lost ranges cannot be read: ${text.slice(0, 120)}`, {
    hint: "Nothing was dropped or changed. Restore the folder of the store from a backup.",
  });
}

function parsed(text: string): unknown[] | undefined {
  try {
    const found: unknown = JSON.parse(text);
    return Array.isArray(found) ? found : undefined;
  } catch {
    return undefined;
  }
}

function runOf(found: unknown): LostRun | undefined {
  if (typeof found !== "object" || found === null) return undefined;
  const fields = found as Record<string, unknown>;
  const { path, offset, oneVersion, fromSequence = latestSequence, toSequence = latestSequence } = fields;
  const [from, to] = [keyOf(fields["from"]), keyOf(fields["to"])];
  const [smallestSequence, largestSequence] = Array.isArray(fields["sequences"]) ? fields["sequences"] : [];
  if (from === undefined || to === undefined || typeof path !== "string") return undefined;
  if (typeof oneVersion !== "boolean" || !isCount(offset)) return undefined;
  if (!isCount(smallestSequence) || !isCount(largestSequence)) return undefined;
  if (!isCount(fromSequence) || !isCount(toSequence)) return undefined;
  const numbers = { fromSequence, toSequence, smallestSequence, largestSequence };
  return { from, to, ...numbers, isOneVersion: oneVersion, path, offset };
}

function keyOf(found: unknown): Uint8Array | undefined {
  // One byte more than a key may have: the place right behind the longest one.
  const isHex = typeof found === "string" && /^(?:[0-9a-f]{2})*$/.test(found);
  return isHex && found.length <= 2 * (keyLimitBytes + 1) ? new Uint8Array(Buffer.from(found, "hex")) : undefined;
}

function isCount(found: unknown): found is number {
  return Number.isSafeInteger(found) && (found as number) >= 0;
}
