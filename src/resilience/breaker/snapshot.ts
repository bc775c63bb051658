/**
 * A breaker's state as plain JSON, to outlive its process (SPEC R6).
 *
 *     { format: "holdfast.breaker", version: 1, name, savedAtMs, state, openings, remainingMs, opening,
 *       consecutiveFailures, averageRate, calls, window: [numbers], rampElapsedMs, isolations: [{ reason, remainingMs
 *       }],
 *       checksum: CRC-32 of the JSON text of all fields before it, keys sorted, as 8 hex digits }
 *
 * Times are remaining durations, so that a host with another clock neither holds a breaker open for a day nor closes
 * it; `savedAtMs` only shortens what remains. A snapshot that cannot be believed never throws and never weakens: the
 * breaker is then open for its whole time, and after that tries with few calls. Trials under way died with their
 * process.
 */

import { crc32, errorText, utf8 } from "../../base/index.ts";
import type { UnderlyingState } from "./machine.ts";
import type { Opening, OpeningRule } from "./state.ts";

export interface BreakerSnapshot {
  readonly format: "holdfast.breaker";
  readonly version: 1;
  readonly name: string;
  /** By the wall clock. */
  readonly savedAtMs: number;
  readonly state: UnderlyingState;
  readonly openings: number;
  /** Until the open period ends; 0 where it is not open. */
  readonly remainingMs: number;
  readonly opening: Opening | null;
  readonly consecutiveFailures: number;
  readonly averageRate: number;
  readonly calls: number;
  readonly window: readonly number[];
  readonly rampElapsedMs: number | null;
  readonly isolations: readonly { readonly reason: string; readonly remainingMs: number | null }[];
  readonly checksum: string;
}

type Fields = Omit<BreakerSnapshot, "format" | "version" | "checksum">;

export function encodeSnapshot(fields: Fields): BreakerSnapshot {
  const unsigned = { format: "holdfast.breaker", version: 1, ...ordered(fields) } as const;
  return { ...unsigned, checksum: checksumOf(unsigned) };
}

/** The fields, or why they cannot be believed. Takes anything and never throws. */
export function decodeSnapshot(value: unknown, name: string): Fields | string {
  try {
    return decode(value, name);
  } catch (error) {
    return `it cannot be read: ${errorText(error)}`;
  }
}

function decode(value: unknown, name: string): Fields | string {
  if (typeof value !== "object" || value === null) return "it is not an object";
  // Read once: what a getter says the second time has not been checked.
  const text = JSON.stringify(value);
  if (text === undefined || text.length > 1_000_000) return "it is no JSON of a size that a snapshot has";
  const fields = JSON.parse(text) as Partial<BreakerSnapshot>;
  if (fields.format !== "holdfast.breaker") return "it is not a breaker's snapshot";
  if (fields.version !== 1) return `its version is ${String(fields.version)}, and 1 is known here`;
  const { format, version } = fields;
  if (checksumOf({ format, version, ...ordered(fields as Fields) }) !== fields.checksum) return "its checksum is wrong";
  const wrong = wrongField(fields as BreakerSnapshot);
  if (wrong !== undefined) return `its ${wrong} is out of range`;
  if (fields.name !== name) return `it is of the breaker ${JSON.stringify(fields.name)}`;
  return fields as Fields;
}

/** The checksum says that nothing was changed by accident; this, that the numbers are ones that a breaker can have. */
function wrongField(fields: BreakerSnapshot): string | undefined {
  const { opening, isolations, window } = fields;
  if (typeof fields.name !== "string") return "name";
  if (!Number.isFinite(fields.savedAtMs)) return "savedAtMs";
  if (!["closed", "open", "half-open"].includes(fields.state)) return "state";
  if (!isCount(fields.openings)) return "openings";
  if (!isDuration(fields.remainingMs)) return "remainingMs";
  if (!isCount(fields.consecutiveFailures)) return "consecutiveFailures";
  if (!(isDuration(fields.averageRate) && fields.averageRate <= 1)) return "averageRate";
  if (!isCount(fields.calls)) return "calls";
  if (!Array.isArray(window) || window.length > 65_536 || !window.every(isCount)) return "window";
  if (fields.rampElapsedMs !== null && !isDuration(fields.rampElapsedMs)) return "rampElapsedMs";
  if (opening !== null && !isOpening(opening)) return "opening";
  if (!Array.isArray(isolations) || isolations.length > 1_000 || !isolations.every(isIsolation)) return "isolations";
  return undefined;
}

const rules: readonly OpeningRule[] = [
  ...(["consecutive-failures", "average-rate", "window-failures", "window-slow-calls"] as const),
  ...(["probe-failed", "probe-expired", "by-hand", "damaged-snapshot"] as const),
];

function isOpening(value: unknown): value is Opening {
  const { rule, numbers, reason } = value as Partial<Opening>;
  if (typeof numbers !== "object" || numbers === null) return false;
  return typeof reason === "string" && rules.includes(rule as OpeningRule) && Object.values(numbers).every(isDuration);
}

function isIsolation(value: unknown): boolean {
  const { reason, remainingMs } = value as Partial<BreakerSnapshot["isolations"][number]>;
  return typeof reason === "string" && (remainingMs === null || isDuration(remainingMs));
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isDuration(value: unknown): boolean {
  return typeof value === "number" && Number.isFinite(value) && value >= 0;
}

function ordered(fields: Fields): Fields {
  const { name, savedAtMs, state, openings, remainingMs, opening, consecutiveFailures, averageRate, calls } = fields;
  const { window, rampElapsedMs, isolations } = fields;
  return {
    ...{ name, savedAtMs, state, openings, remainingMs, opening, consecutiveFailures, averageRate, calls },
    ...{ window, rampElapsedMs, isolations },
  };
}

function checksumOf(unsigned: object): string {
  const checksum = crc32(utf8(JSON.stringify(unsigned, sortedKeys)));
  return checksum.toString(16).padStart(8, "0");
}

/** What keeps JSON may keep the keys of an object in an order of its own. */
function sortedKeys(_: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
