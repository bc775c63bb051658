/**
 * What a segment carries besides its entries, so that it can be asked for more than keys: each such section is made of
 * the entries of the same segment while these are written, and can be made of them again.
 *
 * A builder sees every entry of the segment once, in the order of the store. Entries are views of what is being read:
 * a builder copies what it keeps.
 */

import { HoldfastError, hexOf } from "../../base/index.ts";
import { type Entry, entryKind } from "../entry.ts";
import { checkChange, type EdgeChange } from "../graph/edge.ts";
import { encodeGraph } from "../graph/graph-segment.ts";
import { isEdgeKey, parseKey } from "../item/item-key.ts";
import { viewOf } from "../little-endian.ts";
import type { Segment } from "../segment/segment.ts";
import type { CollectionSettings } from "../store.ts";

export interface DerivedSection {
  /** From 256 on; no other section of the segment has it. */
  readonly type: number;
  readonly parts: readonly Uint8Array[];
}

export interface SectionBuilder {
  /** A promise where it wants to be waited for. */
  add(entry: Entry): void | Promise<void>;
  /** Called once, after the last entry; none where the entries give no cause for one. */
  finish(signal?: AbortSignal): Promise<readonly DerivedSection[]>;
  /** In place of `finish`, where the segment comes to nothing: lets go of what it holds outside of itself. */
  abandon?(): void;
}

/** A collection as far as builders have to know it. Plain data: it crosses to the worker with the job. */
export interface SectionCollection {
  readonly name: string;
  /** Given out by the manifest, 0 to 99: the types of the collection's sections come from it. */
  readonly number: number;
  readonly vectors?: CollectionSettings["vectors"];
}

/** What builders are told of the segment that they are for. */
export interface SectionContext {
  readonly fileId: number;
  readonly collections: readonly SectionCollection[];
  /** The segments that are merged into it: what was derived of them may be of use. Default: none. */
  readonly inputs?: readonly Segment[];
  /** Up to so many vectors no graph is made. Default: as a search goes by. */
  readonly exactBelow?: number;
}

/** New builders for one segment. */
export type SectionBuilders = (context: SectionContext) => readonly SectionBuilder[];

export const graphSectionType = 256;

/** The edges among the entries as compressed sparse rows; no section where there are none. */
export function graphSectionBuilder(): SectionBuilder {
  const changes: EdgeChange[] = [];
  return {
    add(entry) {
      const change = edgeChangeOf(entry);
      if (change !== undefined) changes.push(change);
    },
    async finish(signal) {
      signal?.throwIfAborted();
      return changes.length === 0 ? [] : [{ type: graphSectionType, parts: [encodeGraph(changes)] }];
    },
  };
}

/**
 * The change of an edge that an entry is; undefined where it is none. Throws STORE_GRAPH_EDGE where something else than
 * a finite weight in four bytes stands under the key of an edge.
 */
export function edgeChangeOf({ key, kind, value, sequence }: Entry): EdgeChange | undefined {
  if (!isEdgeKey(key)) return undefined;
  const parsed = parseKey(key);
  if (parsed?.kind !== "edge") return undefined;
  const { source, type, target } = parsed;
  const weight = kind === entryKind.tombstone ? undefined : weightOf(key, value);
  const change: EdgeChange = { source, type, target, weight, sequence };
  checkChange(change);
  return change;
}

function weightOf(key: Uint8Array, value: Uint8Array): number {
  if (value.length === 4) return viewOf(value).getFloat32(0, true);
  throw new HoldfastError("STORE_GRAPH_EDGE", `an edge has a weight of ${value.length} bytes instead of 4`, {
    hint: "What stands under its key was not written by the store: verify it.",
    details: { key: hexOf(key) },
  });
}
