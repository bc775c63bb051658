/**
 * PRUNE: what nobody will miss.
 *
 *   expired         its time to live is over. Readers do not see it any more; once it is deleted, no clock that is set
 *                   back brings it to light again.
 *   forgotten       κ below a floor, not written for long, and not used: only where the options name a floor.
 *   dangling edge   its source or its target is not there.
 *
 * Never what is pinned, nor a prototype one of whose members is there, nor anything that was used: not since the last
 * consolidation, and not up to the moment of the write. What was written meanwhile has another version, and stays. What
 * was deleted takes no proposal: merges drop it.
 */

import type { Item } from "../item/item.ts";
import { Turns } from "../merge/turns.ts";
import { edgeTypes } from "./options.ts";
import { isPrototype } from "./prototype.ts";
import { removalOf } from "./removal.ts";
import type { Pruned, PruneOptions } from "./report.ts";
import type { ConsolidationReader, ConsolidationSnapshot, Proposal, StoredEdge } from "./target.ts";

export interface PruneContext {
  readonly nowMs: number;
  /** Since the last consolidation, and up to now. */
  readonly isUsed: (collection: string, id: string) => boolean;
  readonly signal?: AbortSignal | undefined;
}

type Settings = Required<PruneOptions>;

/** Reads one collection, and proposes. */
export async function* planPrune(
  snapshot: ConsolidationSnapshot,
  collection: string,
  settings: Settings,
  context: PruneContext,
): AsyncGenerator<Proposal, void> {
  const reader = snapshot.collection(collection);
  if (reader === undefined) return;
  yield* expired(reader, context);
  // Before what is forgotten, which takes its edges with it: those that dangle already would be taken twice.
  if (settings.danglingEdges) yield* danglingEdges(snapshot, reader, context);
  if (settings.kappaBelow > 0) yield* forgotten(snapshot, reader, settings, context);
}

async function* expired(reader: ConsolidationReader, { signal }: PruneContext): AsyncGenerator<Proposal, void> {
  const turns = new Turns();
  for await (const item of reader.expired({ signal })) {
    await turns.walked(1);
    signal?.throwIfAborted();
    if (item.pinned) continue;
    const { id, version, kappa, expiryMs } = item;
    // For every reader there is no such item, and so its version is 0: one that is written anew has another.
    const changes = [{ op: "delete", collection: reader.name, id, ifVersion: 0 }] as const;
    const pruned: Pruned = { reason: "expired", collection: reader.name, id, kappa, version, expiryMs };
    yield { pass: "prune", collection: reader.name, id, changes, says: { kind: "pruned", pruned } };
  }
}

async function* forgotten(
  snapshot: ConsolidationSnapshot,
  reader: ConsolidationReader,
  settings: Settings,
  { nowMs, isUsed, signal }: PruneContext,
): AsyncGenerator<Proposal, void> {
  const turns = new Turns();
  for await (const item of reader.scan({ withContent: false, ...(signal && { signal }) })) {
    await turns.walked(1);
    signal?.throwIfAborted();
    const { id, version, kappa } = item;
    const ageMs = nowMs - item.updatedMs;
    if (item.pinned || kappa >= settings.kappaBelow || ageMs < settings.minimumAgeMs) continue;
    if (isUsed(reader.name, id) || (isPrototype(item) && (await hasMembers(snapshot, reader, item)))) continue;
    const pruned: Pruned = { reason: "forgotten", collection: reader.name, id, kappa, version, ageMs };
    yield {
      pass: "prune",
      collection: reader.name,
      id,
      changes: await removalOf(reader, item),
      says: { kind: "pruned", pruned },
      isUsed: () => isUsed(reader.name, id),
    };
  }
}

async function hasMembers(snapshot: ConsolidationSnapshot, reader: ConsolidationReader, item: Item): Promise<boolean> {
  const members = (await reader.edgesFrom(item.id)).filter((edge) => edge.type === edgeTypes.prototypeOf);
  for (const { targetCollection, target } of members) {
    const found = await snapshot.collection(targetCollection)?.itemsOf([target]);
    if (found?.[0] !== undefined) return true;
  }
  return false;
}

async function* danglingEdges(
  snapshot: ConsolidationSnapshot,
  reader: ConsolidationReader,
  { signal }: PruneContext,
): AsyncGenerator<Proposal, void> {
  const turns = new Turns();
  let page: StoredEdge[] = [];
  for await (const edge of reader.edges({ signal })) {
    page.push(edge);
    if (page.length < pageEdges) continue;
    await turns.walked(page.length);
    signal?.throwIfAborted();
    yield* danglingOf(snapshot, page);
    page = [];
  }
  yield* danglingOf(snapshot, page);
}

async function* danglingOf(
  snapshot: ConsolidationSnapshot,
  page: readonly StoredEdge[],
): AsyncGenerator<Proposal, void> {
  const isThere = await presence(snapshot, page);
  for (const { collection, source, type, target, targetCollection, version } of page) {
    const hasSource = isThere(collection, source);
    if (hasSource && isThere(targetCollection, target)) continue;
    const missing = hasSource ? "target" : "source";
    const absent = hasSource ? { collection: targetCollection, id: target } : { collection, id: source };
    const at = { collection, id: source };
    yield {
      pass: "prune",
      ...at,
      changes: [
        { op: "check", ...absent, isThere: false },
        { op: "unlink", ...at, ifVersion: version, edge: { type, target, collection: targetCollection } },
      ],
      says: {
        kind: "pruned",
        pruned: { reason: "dangling-edge", ...at, type, target, targetCollection, missing, version },
      },
    };
  }
}

/** Which ends of these edges are there. */
async function presence(
  snapshot: ConsolidationSnapshot,
  edges: readonly StoredEdge[],
): Promise<(collection: string, id: string) => boolean> {
  const ids = new Map<string, Set<string>>();
  const wanted = (collection: string, id: string): void => {
    const those = ids.get(collection);
    if (those === undefined) ids.set(collection, new Set([id]));
    else those.add(id);
  };
  for (const { collection, source, target, targetCollection } of edges) {
    wanted(collection, source);
    wanted(targetCollection, target);
  }
  const present = new Map<string, Set<string>>();
  for (const [collection, those] of ids) {
    const items = (await snapshot.collection(collection)?.itemsOf([...those])) ?? [];
    present.set(collection, new Set(items.flatMap((item) => (item === undefined ? [] : [item.id]))));
  }
  return (collection, id) => present.get(collection)?.has(id) ?? false;
}

const pageEdges = 256;
