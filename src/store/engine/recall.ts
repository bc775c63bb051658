/**
 * What a query brings to mind: what is near to its embedding, and what activation reaches from the items on one's mind.
 * Both give candidates; each candidate gets all parts of its score, wherever it came from (recall-score.ts).
 */

import type { Item } from "../item/item.ts";
import type { SearchFilters } from "../recall/index.ts";
import { embeddingDistance, type RecallCandidate, scoreRecall } from "../recall/index.ts";
import type { CollectionReader, Recalled, RecallQuery } from "../store.ts";
import type { CollectionFacts } from "./catalog.ts";
import { optionError } from "./change-plan.ts";

/** More candidates than are asked for: one that is less near may be stronger by activation and κ. */
const candidatesPerResult = 4;
const candidatesLeast = 64;

export interface RecallReader extends CollectionReader {
  readonly facts: CollectionFacts;
  readonly filters: SearchFilters;
  embeddingsOf(ids: readonly string[]): Promise<(Float32Array | undefined)[]>;
}

export async function recalled(reader: RecallReader, query: RecallQuery): Promise<Recalled[]> {
  const { embedding, from = [], k = 10, weights, signal } = query;
  if (!(Number.isSafeInteger(k) && k >= 1 && k <= 16_384)) throw optionError("k", k, "a whole number from 1 to 16,384");
  const distances = embedding === undefined ? new Map<string, number>() : await near(reader, embedding, query, k);
  const activations = from.length === 0 ? new Map<string, number>() : await activated(reader, from, query);
  const ids = [...new Set([...distances.keys(), ...activations.keys()])];
  const found = (await reader.getMany(ids)).filter((item): item is Item => item !== undefined);
  const items = new Map(passing(reader, found, query).map((item) => [item.id, item]));
  if (embedding !== undefined) await measure(reader, embedding, items, distances);
  const candidates = [...items.values()].map(
    ({ id, kappa }): RecallCandidate => ({
      ...{ id, kappa, distance: distances.get(id), activation: activations.get(id) ?? 0 },
    }),
  );
  signal?.throwIfAborted();
  const metric = reader.facts.settings.vectors?.metric ?? "cosine";
  const asks = { similarity: embedding !== undefined, activation: from.length > 0 };
  return scoreRecall(candidates, { metric, weights, asks, k }).map(({ id, ...score }) => ({
    item: items.get(id)!,
    ...score,
  }));
}

async function near(
  reader: RecallReader,
  embedding: Float32Array,
  { filter, signal }: RecallQuery,
  k: number,
): Promise<Map<string, number>> {
  const wanted = Math.min(16_384, Math.max(candidatesLeast, k * candidatesPerResult));
  const { hits } = await reader.search(embedding, {
    k: wanted,
    ...(filter === undefined ? {} : { filter }),
    ...(signal === undefined ? {} : { signal }),
  });
  return new Map(hits.map(({ id, distance }) => [id, distance]));
}

/** What is on one's mind already is not brought to it. */
async function activated(
  reader: RecallReader,
  from: readonly string[],
  { signal }: RecallQuery,
): Promise<Map<string, number>> {
  const seeds = new Map(from.map((id) => [id, 1]));
  const spread = await reader.spread(seeds, { direction: "both", ...(signal === undefined ? {} : { signal }) });
  for (const id of seeds.keys()) spread.delete(id);
  return spread;
}

function passing(reader: RecallReader, items: readonly Item[], { filter, from = [] }: RecallQuery): Item[] {
  const rowFilter = filter === undefined ? undefined : reader.filters.of(filter);
  return items.filter(
    ({ id, metadata }) => !from.includes(id) && (rowFilter === undefined || rowFilter.passes(metadata, id)),
  );
}

/** The distances of those that activation alone brought up. */
async function measure(
  reader: RecallReader,
  embedding: Float32Array,
  items: ReadonlyMap<string, Item>,
  distances: Map<string, number>,
): Promise<void> {
  const { metric } = reader.facts.settings.vectors!;
  const rest = [...items.keys()].filter((id) => !distances.has(id));
  const found = await reader.embeddingsOf(rest);
  for (const [place, id] of rest.entries()) {
    const other = found[place];
    if (other !== undefined) distances.set(id, embeddingDistance(metric, embedding, other));
  }
}
