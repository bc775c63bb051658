/**
 * Whether a section that follows from the entries of its segment does follow from them. The entries are shown one by
 * one, in the order of the store.
 */

import { HoldfastError, utf8Text } from "../../base/index.ts";
import { type Entry, entryKind } from "../entry.ts";
import type { EdgeChange } from "../graph/index.ts";
import { adoptGraph } from "../graph/index.ts";
import { parseKey } from "../item/item-key.ts";
import { viewOf } from "../little-endian.ts";

export interface SectionCheck {
  see(entry: Entry): void;
  /** After the last entry: why the section does not follow from them; undefined where it does. */
  end(): string | undefined;
}

/** undefined for a type that this does not know. Throws what adopting the bytes throws. */
export type SectionChecks = (type: number, bytes: Uint8Array) => SectionCheck | undefined;

export const graphSection = 256;

/** Of the section with the graph: edges stand in it in the order in which they stand among the entries. */
export const graphCheck: SectionChecks = (type, bytes) => {
  if (type !== graphSection) return undefined;
  const changes = adoptGraph(bytes).all()[Symbol.iterator]();
  let fault: string | undefined;
  return {
    see(entry) {
      const key = fault === undefined ? parseKey(entry.key) : undefined;
      if (key?.kind !== "edge") return;
      const { value: change, done } = changes.next();
      if (done === true) fault = `it lacks an edge of ${utf8Text(entry.key)}`;
      else if (!isSame(change, { ...key, sequence: entry.sequence, weight: weightOf(entry) }))
        fault = `it has another edge in place of ${utf8Text(entry.key)}`;
    },
    end() {
      if (fault === undefined && changes.next().done !== true) return "it has edges that are not among the entries";
      return fault;
    },
  };
};

function weightOf(entry: Entry): number | undefined {
  if (entry.kind === entryKind.tombstone || entry.value.length !== 4) return undefined;
  return viewOf(entry.value).getFloat32(0, true);
}

function isSame(a: EdgeChange, b: EdgeChange): boolean {
  const isSameEdge = a.source === b.source && a.type === b.type && a.target === b.target;
  return isSameEdge && a.sequence === b.sequence && a.weight === b.weight;
}

/** What says that bytes are no section of the kind that they should be. */
export function isSectionDamage(error: unknown): error is HoldfastError {
  return HoldfastError.is(error) && /^STORE_.*_CORRUPT$|^STORE_VERSION$/.test(error.code);
}
