/** The options of a store with their defaults, checked. */

import { consolidationSettings } from "../consolidation/options.ts";
import type { StoreOptions } from "../store.ts";
import { optionError } from "./change-plan.ts";
import type { EngineOptions } from "./engine-parts.ts";

/** Throws STORE_OPTION, and STORE_CONSOLIDATE_OPTION for a schedule of consolidation. */
export function checkedStoreOptions(options: StoreOptions): EngineOptions {
  const { memtableBytes = 64 * 2 ** 20, memtableEntries = 10_000, contentFromBytes = 4_096, manual = false } = options;
  const { maintenanceMs = 60_000, consolidation } = options;
  if (typeof options.folder !== "string" || options.folder === "")
    throw optionError("folder", options.folder, "the path of a folder");
  whole("memtableBytes", memtableBytes, 1_024, 2 ** 31);
  whole("memtableEntries", memtableEntries, 1, 2 ** 24);
  whole("contentFromBytes", contentFromBytes, 32, 256 * 1_024);
  whole("cacheBytes", options.cacheBytes ?? 0, 0, 2 ** 40);
  whole("maintenanceMs", maintenanceMs, 1, Number.MAX_SAFE_INTEGER);
  oneOf("background", options.background ?? "worker", ["worker", "slices"]);
  oneOf("recovery", options.recovery ?? "strict", ["strict", "salvage"]);
  checkConsolidation(consolidation);
  return { memtableBytes, memtableEntries, contentFromBytes, manual, maintenanceMs, consolidation };
}

function checkConsolidation(consolidation: StoreOptions["consolidation"]): void {
  if (consolidation === undefined || consolidation === "manual") return;
  if (typeof consolidation !== "object" || consolidation === null)
    throw optionError("consolidation", consolidation, '"manual", or a schedule such as { everyMs: 3_600_000 }');
  const { everyMs = 1 } = consolidation;
  if (!(typeof everyMs === "number" && everyMs > 0)) throw optionError("everyMs", everyMs, "a number above 0");
  consolidationSettings(consolidation);
}

function whole(option: string, value: unknown, least: number, most: number): void {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= least && value <= most) return;
  throw optionError(option, value, `a whole number from ${least} to ${most}`);
}

function oneOf(option: string, value: unknown, allowed: readonly string[]): void {
  if (typeof value === "string" && allowed.includes(value)) return;
  throw optionError(option, value, `one of ${allowed.join(", ")}`);
}
