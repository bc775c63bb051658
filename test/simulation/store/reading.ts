/** Reads of a script: done on a store or a snapshot, and judged by what a state of the model would have answered. */

import type { Item } from "../../../src/store/item/item.ts";
import type { CollectionReader, SearchOptions } from "../../../src/store/store.ts";
import type { Read, ScanSpec, ScriptSettings } from "./operations.ts";
import { distance, edgeName, itemKey, itemProblem, type State, type StoredItem } from "./state.ts";
import { embeddingOf } from "./values.ts";

/** Says what is wrong with the answer if the store holds this state, or undefined. */
export type Judge = (state: State) => string | undefined;

export interface ReadRules {
  readonly settings: ScriptSettings;
  /** Others write meanwhile. */
  readonly isCrowded?: boolean;
  readonly nowMs: number;
}

const distanceTolerance = 1e-4;

/** What is judged as of one state each: `getMany` asks for one after the other. */
export async function answers(reader: CollectionReader, read: Read, rules: ReadRules): Promise<readonly Judge[]> {
  if (read.op === "recall") return await recall(reader, read, rules);
  if (read.op !== "getMany") return [await answer(reader, read, rules)];
  const { ids, collection } = read;
  const items = await reader.getMany(ids);
  if (items.length !== ids.length) return [() => `${ids.length} ids gave ${items.length} items`];
  return ids.map(
    (id, place) => (state: State) => labelled(id, itemProblem(state.get(collection, id, rules.nowMs), items[place])),
  );
}

async function answer(
  reader: CollectionReader,
  read: Exclude<Read, { op: "getMany" | "recall" }>,
  rules: ReadRules,
): Promise<Judge> {
  const { nowMs } = rules;
  const { collection } = read;
  switch (read.op) {
    case "get":
    case "peek": {
      const item = await (read.op === "get" ? reader.get(read.id) : reader.peek(read.id));
      return (state) => labelled(read.id, itemProblem(state.get(collection, read.id, nowMs), item));
    }
    case "scan": {
      const items: Item[] = [];
      for await (const item of reader.scan(read.options)) items.push(item);
      return (state) => scanProblem(state.scan(collection, read.options, nowMs), items, read.options, rules);
    }
    case "neighbours": {
      const edges = await reader.neighbours(read.id, { direction: read.direction });
      const found = new Map(edges.map((edge) => [edgeName(collection, edge), edge.weight]));
      if (found.size !== edges.length) return () => `an edge of ${read.id} came twice`;
      return (state) => edgesProblem(state.neighbours(collection, read.id, read.direction), found);
    }
    case "within": {
      const found = await reader.within(read.id, read.steps);
      return (state) => withinProblem(state, read, found);
    }
    case "search":
      return await search(reader, read, rules);
  }
}

export function scanProblem(
  wanted: readonly (readonly [id: string, item: StoredItem])[],
  found: readonly Item[],
  options: ScanSpec,
  { settings }: ReadRules,
): string | undefined {
  const [wantedIds, foundIds] = [wanted.map(([id]) => id).join(), found.map(({ id }) => id).join()];
  if (wantedIds !== foundIds) return `a scan gave [${foundIds}], in place of [${wantedIds}]`;
  return first(wanted, ([id, item], place) => {
    const one = found[place]!;
    const isLeftOut =
      options.withContent === false && one.content === null && lengthOf(item) >= settings.contentFromBytes;
    return labelled(id, itemProblem(isLeftOut ? { ...item, content: null } : item, one));
  });
}

/** Edges stay when their ends expire, until consolidation takes them away. */
export function edgesProblem(
  wanted: ReadonlyMap<string, number>,
  found: ReadonlyMap<string, number>,
): string | undefined {
  for (const name of new Set([...wanted.keys(), ...found.keys()]))
    if (wanted.get(name) !== found.get(name))
      return `edge ${name.replaceAll("\0", " ")} is ${found.get(name)}, in place of ${wanted.get(name)}`;
  return undefined;
}

function withinProblem(
  state: State,
  { collection, id, steps }: Extract<Read, { op: "within" }>,
  found: ReadonlyMap<string, number>,
): string | undefined {
  const start = itemKey(collection, id);
  const reached = new Map([[start, 0]]);
  let edge = [start];
  for (let step = 1; step <= steps; step++) {
    const next: string[] = [];
    for (const from of edge) {
      const [itsCollection, itsId] = from.split("\0") as [string, string];
      for (const name of state.neighbours(itsCollection, itsId, "out").keys()) {
        const target = name.split("\0").slice(3).join("\0");
        if (!reached.has(target)) next.push(target);
        reached.set(target, reached.get(target) ?? step);
      }
    }
    edge = next;
  }
  const wanted = [...reached]
    .filter(([key]) => key.startsWith(`${collection}\0`))
    .map(([key, step]) => `${key.split("\0")[1]}:${step}`)
    .sort();
  const got = [...found].map(([key, step]) => `${key}:${step}`).sort();
  return wanted.join() === got.join() ? undefined : `within ${steps} of ${id}: [${got}], in place of [${wanted}]`;
}

async function search(
  reader: CollectionReader,
  read: Extract<Read, { op: "search" }>,
  { settings, nowMs }: ReadRules,
): Promise<Judge> {
  const { collection, group, rule, k } = read;
  const query = embeddingOf(read.tag);
  const isOfGroup = (metadata: unknown): boolean => (metadata as { group?: number } | undefined)?.group === group;
  const filter = rule === "text" ? `group == ${group}` : isOfGroup;
  const options: SearchOptions = { k, ef: Math.max(k, 64), ...(group === undefined ? {} : { filter }) };
  const { hits, exact } = await reader.search(query, options);
  const metric = settings.collections.find(({ name }) => name === collection)?.metric ?? "cosine";
  const passes = group === undefined ? () => true : isOfGroup;
  return (state) => {
    const wanted = state.search(collection, query, { metric, passes, nowMs });
    const byId = new Map(wanted.map((one) => [one.id, one]));
    if (hits.length !== Math.min(k, wanted.length))
      return `a search for ${k} found ${hits.length} of the ${wanted.length} that match`;
    if (new Set(hits.map(({ id }) => id)).size !== hits.length) return "a search found something twice";
    return first(hits, (hit, place) => {
      const one = byId.get(hit.id);
      if (one === undefined) return `a search found ${hit.id}, which is not there or does not match`;
      if (one.version >= 0 && one.version !== hit.version) return `${hit.id} was found at version ${hit.version}`;
      const beside = exact ? wanted[place]! : one;
      const isOff = Math.abs(one.distance - hit.distance) > distanceTolerance;
      const isNearer = Math.abs(beside.distance - hit.distance) > distanceTolerance;
      if (isOff) return `${hit.id} was found at ${hit.distance}, in place of ${one.distance}`;
      if (isNearer) return `a search that says it is exact has ${hit.id} in place of ${beside.id}`;
      if (place > 0 && hits[place - 1]!.distance > hit.distance + distanceTolerance) return "hits are out of order";
      return undefined;
    });
  };
}

/**
 * Recall asks for one thing after the other: what is near, what activation reaches, then the items. Each item is judged
 * by itself; how near it is, and that none was overlooked, where nobody wrote meanwhile.
 */
async function recall(
  reader: CollectionReader,
  read: Extract<Read, { op: "recall" }>,
  { settings, nowMs, isCrowded = false }: ReadRules,
): Promise<readonly Judge[]> {
  const { collection, tag, from, k, use } = read;
  const query = tag === undefined ? undefined : embeddingOf(tag);
  const found = await reader.recall({ ...(query === undefined ? {} : { embedding: query }), from, k, use });
  const metric = settings.collections.find(({ name }) => name === collection)?.metric ?? "cosine";
  const ids = found.map(({ item }) => item.id);
  const isUnsorted = found.some(({ score }, place) => place > 0 && found[place - 1]!.score < score);
  if (new Set(ids).size !== ids.length || isUnsorted || ids.length > k || ids.some((id) => from.includes(id)))
    return [() => `recall gave ${found.map(({ item, score }) => `${item.id}: ${score}`)}`];
  const judges = found.map(({ item, similarity, kappa }): Judge => {
    const apart = query && item.embedding && distance(metric, query, item.embedding);
    const near = apart === undefined ? 0 : similarityOf(metric, apart);
    return (state) => {
      const problem = itemProblem(state.get(collection, item.id, nowMs), item);
      if (problem !== undefined) return labelled(item.id, `recalled: ${problem}`);
      if (kappa !== item.kappa) return `${item.id} was recalled by the κ ${kappa}, and has ${item.kappa}`;
      const isOff = !isCrowded && Math.abs(near - similarity) > distanceTolerance;
      return isOff ? `${item.id} was recalled at a similarity of ${similarity}, not ${near}` : undefined;
    };
  });
  if (isCrowded || query === undefined || k < recallAll) return judges;
  const isWanted = ([id, { embedding }]: readonly [string, StoredItem]): boolean =>
    embedding !== undefined && !ids.includes(id) && !from.includes(id);
  const missing = (state: State): string | undefined => state.scan(collection, {}, nowMs).find(isWanted)?.[0];
  const complete: Judge = (state) => {
    const id = missing(state);
    return id === undefined ? undefined : `${id} was not recalled`;
  };
  return [...judges, complete];
}

/** More than there are. */
const recallAll = 100;

function similarityOf(metric: "cosine" | "dot" | "l2", apart: number): number {
  if (metric === "cosine") return 1 - apart / 2;
  return metric === "l2" ? 1 / (1 + Math.sqrt(apart)) : (1 - apart / (1 + Math.abs(apart))) / 2;
}

/** In any of these states each answer is right; else what is wrong in the last of them. */
export function verdict(judges: readonly Judge[], states: readonly State[]): string | undefined {
  return first(judges, (judge) => problemIn(judge, states));
}

function problemIn(judge: Judge, states: readonly State[]): string | undefined {
  let problem: string | undefined = "no state of the model is possible";
  for (const state of states) if ((problem = judge(state)) === undefined) return undefined;
  return problem;
}

function first<T>(list: readonly T[], problem: (one: T, place: number) => string | undefined): string | undefined {
  for (const [place, one] of list.entries()) {
    const found = problem(one, place);
    if (found !== undefined) return found;
  }
  return undefined;
}

function labelled(id: string, problem: string | undefined): string | undefined {
  return problem === undefined ? undefined : `${id.slice(0, 20)}: ${problem}`;
}

function lengthOf({ content }: StoredItem): number {
  if (content instanceof Uint8Array) return content.length;
  return Buffer.byteLength(typeof content === "string" ? content : JSON.stringify(content));
}
