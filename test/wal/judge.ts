/** What a damaged log may do when it is read: give the right entries, or say what is wrong and where. Nothing else. */
import { bytesEqual, HoldfastError } from "../../src/base/index.ts";
import type { Disk } from "../../src/disk/index.ts";
import { openWal, readWal, type WalEntry, type WalLoss } from "../../src/wal/index.ts";
import { folder } from "./example-log.ts";
import { type Files, MemoryDisk } from "./memory-disk.ts";

export type Outcome =
  | { readonly kind: "read"; readonly entries: readonly WalEntry[] }
  | { readonly kind: "refused"; readonly code: string; readonly path: unknown; readonly offset: unknown };

const damageCodes = new Set(["WAL_CORRUPT", "WAL_VERSION"]);

/** Reads strictly. Anything thrown that is not one of the log's own errors is thrown on. */
export async function outcomeOf(disk: Disk): Promise<Outcome> {
  const entries: WalEntry[] = [];
  try {
    for await (const entry of readWal(disk, folder)) entries.push(entry);
    return { kind: "read", entries };
  } catch (error) {
    if (!HoldfastError.is(error) || !damageCodes.has(error.code)) throw error;
    const { path, offset } = error.details;
    return { kind: "refused", code: error.code, path, offset };
  }
}

/** What is wrong with how a log was read that should give exactly these entries; undefined where nothing is. */
export function faultOf(outcome: Outcome, expected: readonly WalEntry[], files: Files): string | undefined {
  if (outcome.kind === "read") return differenceOf(outcome.entries, expected);
  const { code, path, offset } = outcome;
  const bytes = typeof path === "string" && path.startsWith(`${folder}/`);
  if (!bytes || typeof offset !== "number") return `${code} without path and offset: ${path}, ${offset}`;
  const size = files.get(path)?.length;
  // A missing file is named too, at its beginning.
  return offset > (size ?? 0) ? `${code} names offset ${offset} of ${path}, which has ${size} bytes` : undefined;
}

export function differenceOf(found: readonly WalEntry[], expected: readonly WalEntry[]): string | undefined {
  const place = expected.findIndex((entry, at) => found[at] === undefined || !isSame(found[at], entry));
  if (place >= 0) return `entry ${place} (${expected[place]!.sequence}) is missing or wrong`;
  return found.length === expected.length ? undefined : `${found.length} entries, not ${expected.length}`;
}

function isSame(a: WalEntry, b: WalEntry): boolean {
  const context = a.context === undefined || b.context === undefined ? a.context === b.context : undefined;
  const contexts = context ?? bytesEqual(a.context!, b.context!);
  return a.sequence === b.sequence && a.timestampMs === b.timestampMs && contexts && bytesEqual(a.payload, b.payload);
}

/** In salvage what is given out is right and in order, and where anything is missing, a loss is told. */
export async function salvageFault(disk: Disk, expected: readonly WalEntry[]): Promise<string | undefined> {
  const losses: WalLoss[] = [];
  const found: WalEntry[] = [];
  try {
    for await (const entry of readWal(disk, folder, { onLoss: (loss) => losses.push(loss) })) found.push(entry);
  } catch (error) {
    return HoldfastError.is(error) && error.code === "WAL_VERSION" ? undefined : `salvage failed: ${error}`;
  }
  let place = 0;
  for (const entry of found) {
    while (place < expected.length && !isSame(expected[place]!, entry)) place++;
    if (place++ === expected.length) return `salvage gives ${entry.sequence}, which is wrong or out of order`;
  }
  if (found.length < expected.length && losses.length === 0) return "salvage lost entries and does not tell";
  return undefined;
}

/** What opening for writing finds: the entries and whether it tells of a torn tail; or its refusal. */
export async function openedOutcome(files: Files): Promise<Outcome & { readonly torn?: boolean }> {
  const entries: WalEntry[] = [];
  try {
    const wal = await openWal({ disk: new MemoryDisk(files), folder, onEntry: (entry) => entries.push(entry) });
    const torn = wal.recovery.torn !== undefined;
    await wal.close();
    return { kind: "read", entries, torn };
  } catch (error) {
    if (!HoldfastError.is(error) || !damageCodes.has(error.code)) throw error;
    return { kind: "refused", code: error.code, path: error.details.path, offset: error.details.offset };
  }
}
