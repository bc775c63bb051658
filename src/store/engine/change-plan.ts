/**
 * From what a caller wants changed to the entries of one commit.
 *
 * Checking input needs nothing of the store and comes first. Making the entries looks at what is there (which edges an
 * item has) and happens in the very turn of the commit, so that nothing can come in between. Of several changes of one
 * key in a batch the last counts.
 */

import { HoldfastError } from "../../base/index.ts";
import { entryKind, noBytes } from "../entry.ts";
import { GraphView } from "../graph/index.ts";
import { edgeEntry } from "../item/edge-entry.ts";
import type { Change, ItemInput } from "../item/item.ts";
import { checkCollectionName, checkId, type EdgeParts, itemKey, nodeName } from "../item/item-key.ts";
import { encodeRecord } from "../item/record.ts";
import { checkEmbedding } from "../recall/index.ts";
import { type Catalog, type CollectionFacts, vectorsOf } from "./catalog.ts";
import type { NewEntry } from "./commit-codec.ts";
import { pinnedFlag } from "./stored-item.ts";
import type { View } from "./view.ts";

/** A batch has at most this many changes. */
export const changesLimit = 100_000;

export interface PlannedItem {
  readonly kind: "item";
  readonly key: Uint8Array;
  readonly name: string;
  readonly ifVersion: number | undefined;
  readonly entry: NewEntry;
  readonly isDelete: boolean;
  /** Exactly these leave the item afterwards; undefined where its edges stay. */
  readonly edges: readonly PlannedEdge[] | undefined;
}

interface PlannedEdge {
  readonly kind: "edge";
  readonly key: Uint8Array;
  readonly parts: EdgeParts;
  readonly ifVersion: number | undefined;
  readonly entry: NewEntry;
}

interface PlannedCheck {
  readonly kind: "check";
  readonly key: Uint8Array;
  readonly name: string;
  readonly isThere: boolean;
}

export type Planned = PlannedItem | PlannedEdge | PlannedCheck;

export interface PlanOptions {
  readonly catalog: Catalog;
  readonly nowMs: number;
  /** When the item was first written, where it is known; for updates. */
  readonly createdMs?: number | undefined;
}

/** Throws STORE_ID, STORE_COLLECTION, STORE_CONTENT, STORE_EDGE, STORE_OPTION, STORE_TOO_LARGE. */
export function planChange(change: Change, { catalog, nowMs, createdMs = nowMs }: PlanOptions): Planned {
  const facts = catalog.need(change.collection);
  const { id, op } = change;
  checkId(id);
  const name = nodeName(facts.name, id);
  if (op === "link" || op === "unlink") {
    const { type, target, collection = facts.name } = change.edge;
    const weight = op === "link" ? (change.edge.weight ?? 1) : undefined;
    return plannedEdge(name, { type, target, collection }, weight, change.ifVersion);
  }
  const key = itemKey(facts.prefix, id);
  if (op === "check") {
    const { isThere } = change;
    if (typeof isThere !== "boolean") throw optionError("isThere", isThere, "true or false");
    return { kind: "check", key, name, isThere };
  }
  const common = { kind: "item", key, name, ifVersion: checkedVersion(change.ifVersion) } as const;
  if (op === "delete") {
    const entry = { key, kind: entryKind.tombstone, value: noBytes, expiryMs: 0, flags: 0, kappa: 0 };
    return { ...common, entry, isDelete: true, edges: undefined };
  }
  if (op !== "put") throw optionError("op", op, "put, delete, link, unlink or check");
  const { edges } = change;
  return {
    ...common,
    entry: itemEntry(key, facts, change, nowMs, createdMs),
    isDelete: false,
    edges: edges?.map(({ weight = 1, collection = facts.name, ...edge }) =>
      plannedEdge(name, { ...edge, collection }, weight),
    ),
  };
}

function plannedEdge(
  source: string,
  { type, target, collection }: { readonly type: string; readonly target: string; readonly collection: string },
  weight: number | undefined,
  ifVersion?: number,
): PlannedEdge {
  checkCollectionName(collection);
  checkId(target);
  const parts = { source, type, target: nodeName(collection, target) };
  const entry = edgeEntry(parts, weight);
  return { kind: "edge", key: entry.key, parts, ifVersion: checkedVersion(ifVersion), entry };
}

function itemEntry(key: Uint8Array, facts: CollectionFacts, input: ItemInput, nowMs: number, madeMs: number): NewEntry {
  const { content = null, embedding, metadata, kappa = 0, pinned = false, ttlMs, createdMs = madeMs } = input;
  if (embedding !== undefined) checkEmbedding(embedding, vectorsOf(facts));
  if (typeof kappa !== "number" || !(kappa >= 0 && kappa <= 1))
    throw optionError("kappa", kappa, "a number from 0 to 1");
  if (ttlMs !== undefined && !(ttlMs > 0 && Number.isSafeInteger(Math.ceil(nowMs + ttlMs))))
    throw optionError("ttlMs", ttlMs, "a number above 0");
  if (!(Number.isSafeInteger(createdMs) && createdMs >= 0))
    throw optionError("createdMs", createdMs, "milliseconds since 1970");
  if (metadata !== undefined && (typeof metadata !== "object" || metadata === null || Array.isArray(metadata)))
    throw optionError("metadata", metadata, "an object");
  return {
    key,
    kind: entryKind.value,
    value: encodeRecord({ content, embedding, metadata, createdMs, updatedMs: nowMs }),
    expiryMs: ttlMs === undefined ? 0 : Math.ceil(nowMs + ttlMs),
    flags: pinned ? pinnedFlag : 0,
    kappa: Math.fround(kappa),
  };
}

/** The entries of the commit, each key once, in the order of their keys' last changes. */
export function entriesOf(planned: readonly Planned[], view: View): NewEntry[] {
  const writing = planned.filter((change) => change.kind !== "check");
  const [only] = writing;
  if (writing.length === 1 && needsGraphOf(only!) === false) return [only!.entry];
  const graph = planned.some(needsGraphOf) ? new GraphView(view.graph ?? []) : undefined;
  const batch = new BatchEntries();
  for (const change of writing) {
    if (change.kind === "edge") {
      batch.putEdge(change.parts, change.entry);
      continue;
    }
    const { name, entry, isDelete, edges } = change;
    batch.put(name, entry);
    if (isDelete && graph !== undefined) {
      batch.removeEdges(name, graph.neighbours(name, { direction: "both" }), "all");
    } else if (edges !== undefined) {
      batch.removeEdges(name, graph?.neighbours(name) ?? [], "outgoing");
      for (const edge of edges) batch.putEdge(edge.parts, edge.entry);
    }
  }
  return batch.entries();
}

/** By what they are of: an item's name has one zero in it, an edge's more. */
class BatchEntries {
  readonly #entries = new Map<string, NewEntry>();
  /** Edges of this batch, by the items at both ends. */
  readonly #edgesAt = new Map<string, EdgeParts[]>();

  put(name: string, entry: NewEntry): void {
    this.#entries.delete(name);
    this.#entries.set(name, entry);
  }

  putEdge(parts: EdgeParts, entry: NewEntry): void {
    const { source, type, target } = parts;
    this.put(`${source}\0${type}\0${target}`, entry);
    for (const end of new Set([source, target])) {
      const edges = this.#edgesAt.get(end);
      if (edges === undefined) this.#edgesAt.set(end, [parts]);
      else edges.push(parts);
    }
  }

  /** Those that are there, and those that came earlier in the batch. */
  removeEdges(name: string, edges: readonly EdgeParts[], which: "all" | "outgoing"): void {
    for (const parts of [...edges, ...(this.#edgesAt.get(name) ?? [])])
      if (which === "all" || parts.source === name) this.putEdge(parts, edgeEntry(parts, undefined));
  }

  entries(): NewEntry[] {
    return [...this.#entries.values()];
  }
}

/** For people. */
export function nameOf(change: Planned): string {
  const shown = (name: string): string => name.replace("\0", "/");
  if (change.kind !== "edge") return shown(change.name);
  const { source, type, target } = change.parts;
  return `the edge ${type} from ${shown(source)} to ${shown(target)}`;
}

/** Whether it is written only if something is as it says. */
export function isConditional(change: Planned): boolean {
  return change.kind === "check" || change.ifVersion !== undefined;
}

/** Whether its entries depend on the edges that are there. */
export function needsGraphOf(change: Planned): boolean {
  return change.kind === "item" && (change.isDelete || change.edges !== undefined);
}

function checkedVersion(version: unknown): number | undefined {
  if (version === undefined) return undefined;
  if (typeof version === "number" && Number.isSafeInteger(version) && version >= 0) return version;
  throw optionError("ifVersion", version, "the version of an item or an edge, or 0 for none");
}

export function optionError(option: string, value: unknown, hint: string): HoldfastError {
  const shown = (JSON.stringify(value) ?? String(value)).slice(0, 80);
  return new HoldfastError("STORE_OPTION", `${option} is ${shown}`, { hint, details: { option } });
}
