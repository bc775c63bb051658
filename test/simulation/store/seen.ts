/** Everything that a store shows, asked for in several ways that must agree, and compared with a state of the model. */

import type { Item } from "../../../src/store/item/item.ts";
import type { CollectionReader } from "../../../src/store/store.ts";
import type { Latitude } from "./latitude.ts";
import { edgesProblem } from "./reading.ts";
import {
  compareIds,
  edgeName,
  itemKey,
  itemProblem,
  type State,
  type StoredItem,
  sameContent,
  shown,
} from "./state.ts";

export interface Seen {
  readonly items: ReadonlyMap<string, Item>;
  readonly edges: ReadonlyMap<string, number>;
  /** Where two ways of asking had different answers. */
  readonly problem: string | undefined;
}

export async function seeAll(readers: readonly CollectionReader[], ids: readonly string[]): Promise<Seen> {
  const items = new Map<string, Item>();
  const edges = new Map<string, number>();
  const entering = new Map<string, number>();
  let problem: string | undefined;
  for (const reader of readers) {
    const { name } = reader;
    const order: string[] = [];
    for await (const item of reader.scan()) {
      if (order.length > 0 && compareIds(order.at(-1)!, item.id) >= 0)
        problem ??= `a scan gave ${item.id} out of order`;
      order.push(item.id);
      items.set(itemKey(name, item.id), item);
    }
    const back: string[] = [];
    for await (const { id } of reader.scan({ reverse: true })) back.push(id);
    if (back.reverse().join() !== order.join()) problem ??= `forwards [${order}], backwards [${back}]`;
    const all = [...new Set([...ids, ...order])];
    for (const [place, item] of (await reader.getMany(all)).entries()) {
      const scanned = items.get(itemKey(name, all[place]!));
      const difference = itemProblem(scanned, item);
      if (difference !== undefined) problem ??= `${all[place]} by id and in a scan: ${difference}`;
    }
    for (const id of all) {
      for (const edge of await reader.neighbours(id)) edges.set(edgeName(name, edge), edge.weight);
      for (const edge of await reader.neighbours(id, { direction: "in" }))
        entering.set(edgeName(name, edge), edge.weight);
    }
  }
  for (const [edge, weight] of entering)
    if (edges.get(edge) !== weight && edges.has(edge)) problem ??= `edge ${edge} has two weights`;
  return { items, edges, problem };
}

export type Match = { readonly problem: string } | { readonly problem?: undefined; readonly state: State };

/** The state with what it left open filled in from what was seen. */
export function matched(seen: Seen, state: State, latitude: Latitude, nowMs: number): Match {
  const settled = state.copy();
  const versions = new Map<number, number>();
  const keys = new Set([...seen.items.keys(), ...state.items().keys()]);
  for (const key of keys) {
    const [collection, id] = key.split("\0") as [string, string];
    const found = seen.items.get(key);
    const wanted = state.get(collection, id, nowMs);
    // What has expired is not seen, and may be collected at any time.
    if (wanted === undefined && found === undefined) continue;
    const problem = itemProblem(wanted, found);
    if (problem !== undefined && !mayDiffer(key, wanted, found, latitude))
      return { problem: `${collection}/${id.slice(0, 20)}: ${problem}` };
    if (found === undefined) {
      settled.setItem(key, undefined);
      continue;
    }
    if (wanted !== undefined && wanted.version < 0) {
      const before = versions.get(wanted.version);
      if (before !== undefined && before !== found.version)
        return { problem: `${id}: two parts of one write have the versions ${before} and ${found.version}` };
      versions.set(wanted.version, found.version);
    }
    settled.setItem(key, storedOf(found));
  }
  const edges = edgesMatch(seen, state, latitude, settled);
  return edges === undefined ? { state: settled } : { problem: edges };
}

function edgesMatch(seen: Seen, state: State, latitude: Latitude, settled: State): string | undefined {
  const wanted = new Map(state.edges());
  for (const name of new Set([...wanted.keys(), ...seen.edges.keys()])) {
    const weight = seen.edges.get(name);
    if (wanted.get(name) === weight || !latitude.mayHaveEdge(name, weight)) continue;
    if (weight === undefined) wanted.delete(name);
    else wanted.set(name, weight);
    settled.setEdge(name, weight);
  }
  return edgesProblem(wanted, seen.edges);
}

function mayDiffer(key: string, wanted: StoredItem | undefined, found: Item | undefined, latitude: Latitude): boolean {
  if (latitude.mayBePrototype(key)) return true;
  if (found === undefined) return latitude.pruned.has(key);
  if (wanted === undefined) return false;
  // Written anew after it was pruned, it begins as a new item does.
  const isReborn = latitude.pruned.has(key) && sameContent(wanted.content, found.content);
  const mayHaveKappa = latitude.mayHaveKappa(key, wanted.kappa, found.kappa) || isReborn;
  const { kappa, pinned, createdMs } = isReborn ? found : { ...wanted, kappa: found.kappa };
  return mayHaveKappa && itemProblem({ ...wanted, kappa, pinned, createdMs }, found) === undefined;
}

function storedOf(item: Item): StoredItem {
  const { version, content, embedding, metadata, kappa, pinned, createdMs, updatedMs, expiryMs } = item;
  return { version, content, embedding, metadata, kappa, pinned, createdMs, updatedMs, expiryMs };
}

/** For a report of what went wrong. */
export function shownSeen({ items }: Seen): string {
  return [...items].map(([key, item]) => `    ${key.replace("\0", "/").slice(0, 30)}: ${shown(item)}`).join("\n");
}
