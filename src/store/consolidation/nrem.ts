/**
 * NREM: what was used becomes more consolidated, and what was used shortly after something else becomes easier to
 * reach from there.
 *
 *     κ' = κ + η · (1 − κ) · (1 − exp(−uses / u₀))
 *
 * The first uses count most, a thousand in one day no more than a dozen, and κ never passes 1: so does a habit
 * saturate (Hull 1943), and spread over many nights the same uses add more than in one. κ never falls by itself: what
 * was once of use is not forgotten because it was not needed for a while. PRUNE takes what hardly ever was.
 *
 * Edges of type "used-after" are made and changed by spike-timing (see there), and removed where they have become too
 * weak to matter. Edges of other types change only where the options name them.
 */

import type { Change } from "../item/item.ts";
import { Turns } from "../merge/turns.ts";
import { edgeTypes } from "./options.ts";
import type { KappaChange, NremOptions } from "./report.ts";
import { PairEffects, type WeightLine } from "./spike-timing.ts";
import type { ConsolidationSnapshot, Proposal, StoredEdge } from "./target.ts";
import type { UsedItem, Uses } from "./use-log.ts";

export interface NremPlan {
  /** At most one for each item in the log of uses. */
  readonly kappa: readonly KappaChange[];
  readonly edges: AsyncIterable<Proposal>;
}

export interface NremContext {
  /** Only items of these count. Default: all. */
  readonly collections?: readonly string[] | undefined;
  readonly signal?: AbortSignal | undefined;
}

type Settings = Required<NremOptions>;

/** In single precision, as it is stored. */
export function kappaAfter(kappa: number, uses: number, { rate, usesScale }: Settings): number {
  return Math.fround(kappa + rate * (1 - kappa) * -Math.expm1(-uses / usesScale));
}

/** Reads what was used, and proposes. */
export async function planNrem(
  snapshot: ConsolidationSnapshot,
  uses: Uses,
  settings: Settings,
  { collections, signal }: NremContext = {},
): Promise<NremPlan> {
  const kappa: KappaChange[] = [];
  const present = new Uint8Array(uses.items.length);
  for (const [name, places] of placesByCollection(uses.items, collections)) {
    const reader = snapshot.collection(name);
    if (reader === undefined) continue;
    for (let from = 0; from < places.length; from += pageItems) {
      signal?.throwIfAborted();
      const page = places.slice(from, from + pageItems);
      const items = await reader.itemsOf(page.map((place) => uses.items[place]!.id));
      for (const [at, item] of items.entries()) {
        if (item === undefined) continue;
        const used = uses.items[page[at]!]!;
        present[page[at]!] = 1;
        const to = kappaAfter(item.kappa, used.uses, settings);
        if (to <= item.kappa) continue;
        kappa.push({ collection: name, id: item.id, version: item.version, from: item.kappa, to, uses: used.uses });
      }
    }
  }
  return { kappa, edges: planEdges(snapshot, uses, present, settings, signal) };
}

async function* planEdges(
  snapshot: ConsolidationSnapshot,
  uses: Uses,
  present: Uint8Array,
  settings: Settings,
  signal: AbortSignal | undefined,
): AsyncGenerator<Proposal, void> {
  const effects = new PairEffects(uses.items.length);
  const turns = new Turns();
  for (let use = 0; use < uses.indexes.length; use++) {
    effects.learn(uses, use, settings);
    const turn = turns.walked(settings.pairsPerUse + 1);
    if (turn === undefined) continue;
    await turn;
    signal?.throwIfAborted();
  }
  for (const { source, lines } of effects.bySource()) {
    await turns.walked(lines.size * costOfLine);
    signal?.throwIfAborted();
    if (present[source] === 0) continue;
    const from = uses.items[source]!;
    const edges = await snapshot.collection(from.collection)!.edgesFrom(from.id);
    for (const [target, line] of lines) {
      if (present[target] === 0) continue;
      yield* edgeProposals(from, uses.items[target]!, edges, line, settings);
    }
  }
}

function* edgeProposals(
  source: UsedItem,
  target: UsedItem,
  edges: readonly StoredEdge[],
  line: WeightLine,
  settings: Settings,
): Generator<Proposal, void> {
  const between = edges.filter((edge) => edge.target === target.id && edge.targetCollection === target.collection);
  for (const type of new Set([edgeTypes.usedAfter, ...settings.types])) {
    const edge = between.find((one) => one.type === type);
    const isOurs = type === edgeTypes.usedAfter;
    if (edge === undefined && !isOurs) continue;
    const weight = edge?.weight ?? 0;
    // What a weight outside of 0 to 1 means is for its type to say.
    if (weight < 0 || weight > 1) continue;
    const learned = Math.fround(line.alpha * weight + line.beta);
    const to = isOurs && learned < settings.minimumWeight ? undefined : learned;
    if (to === edge?.weight) continue;
    yield edgeProposal(source, type, target, edge, to);
  }
}

function edgeProposal(
  source: UsedItem,
  type: string,
  target: UsedItem,
  edge: StoredEdge | undefined,
  to: number | undefined,
): Proposal {
  const { collection, id } = source;
  const ends = { type, target: target.id, collection: target.collection };
  const guard = { collection, id, ifVersion: edge?.version ?? 0 };
  const changes: Change[] =
    to === undefined
      ? [{ op: "unlink", ...guard, edge: ends }]
      : [
          { op: "check", collection, id, isThere: true },
          { op: "check", collection: target.collection, id: target.id, isThere: true },
          { op: "link", ...guard, edge: { ...ends, weight: to } },
        ];
  return {
    pass: "nrem",
    collection,
    id,
    changes,
    says: {
      kind: "edge",
      edge: {
        collection,
        source: id,
        type,
        target: target.id,
        targetCollection: target.collection,
        from: edge?.weight,
        to,
      },
    },
  };
}

/** The places in `items` of each collection's. */
function placesByCollection(
  items: readonly UsedItem[],
  collections: readonly string[] | undefined,
): Map<string, number[]> {
  const places = new Map<string, number[]>();
  for (const [place, { collection }] of items.entries()) {
    if (collections !== undefined && !collections.includes(collection)) continue;
    const those = places.get(collection);
    if (those === undefined) places.set(collection, [place]);
    else those.push(place);
  }
  return places;
}

const pageItems = 256;
/** What going through the edges of a pair takes, in entries walked over. */
const costOfLine = 4;
