/**
 * Edges as entries: the key names the edge (item-key.ts), the value is its weight, f32 little-endian; a tombstone takes
 * it away.
 */

import { HoldfastError } from "../../base/index.ts";
import { type Entry, entryKind, noBytes } from "../entry.ts";
import { viewOf } from "../little-endian.ts";
import { type EdgeParts, edgeKey } from "./item-key.ts";

/** Throws STORE_EDGE where the weight is no finite number that 32 bits can hold, STORE_ID for a part that is none. */
export function edgeEntry(parts: EdgeParts, weight: number | undefined): Omit<Entry, "sequence"> {
  const key = edgeKey(parts);
  const common = { key, expiryMs: 0, flags: 0, kappa: 0 };
  if (weight === undefined) return { ...common, kind: entryKind.tombstone, value: noBytes };
  if (typeof weight !== "number" || !Number.isFinite(Math.fround(weight))) {
    throw new HoldfastError("STORE_EDGE", `the weight of an edge is ${String(weight)}`, {
      hint: "A weight is a finite number that 32 bits can hold.",
    });
  }
  const value = new Uint8Array(4);
  viewOf(value).setFloat32(0, weight, true);
  return { ...common, kind: entryKind.value, value };
}
