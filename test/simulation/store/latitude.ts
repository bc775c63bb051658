/**
 * What consolidation may have changed: it says in a report what it did, or in a dry run what it would do, and decides
 * by itself what a prototype is made of. Nothing that is not in one of these may differ.
 */

import type { ConsolidationReport, EdgeWeightChange } from "../../../src/store/consolidation/report.ts";
import { itemKey, type State } from "./state.ts";

export class Latitude {
  readonly kappa = new Map<string, Set<number>>();
  /** Weights that each may have now; undefined where it may be gone. */
  readonly edges = new Map<string, Set<number | undefined>>();
  readonly prototypes = new Set<string>();
  readonly pruned = new Set<string>();

  get isEmpty(): boolean {
    return this.kappa.size + this.edges.size + this.prototypes.size + this.pruned.size === 0;
  }

  add(report: ConsolidationReport): void {
    for (const { collection, id, to } of report.kappa) gather(this.kappa, itemKey(collection, id), Math.fround(to));
    for (const edge of report.edges) gather(this.edges, nameOf(edge), edge.to && Math.fround(edge.to));
    for (const { collection, id } of report.prototypes) this.prototypes.add(itemKey(collection, id));
    for (const { collection, id } of report.pruned) this.pruned.add(itemKey(collection, id));
  }

  clear(): void {
    for (const part of [this.kappa, this.edges, this.prototypes, this.pruned]) part.clear();
  }

  mayHaveEdge(name: string, weight: number | undefined): boolean {
    const [fromCollection, fromId, , toCollection, toId] = name.split("\0") as [string, string, string, string, string];
    const ends = [itemKey(fromCollection, fromId), itemKey(toCollection, toId)];
    if (ends.some((end) => this.prototypes.has(end))) return true;
    if (weight === undefined && ends.some((end) => this.pruned.has(end))) return true;
    return this.edges.get(name)?.has(weight) === true;
  }
}

/** As the model calls it. */
export function nameOf({ collection, source, type, targetCollection, target }: EdgeWeightChange): string {
  return [collection, source, type, targetCollection, target].join("\0");
}

function gather<T>(map: Map<string, Set<T>>, key: string, value: T): void {
  const set = map.get(key) ?? new Set();
  map.set(key, set.add(value));
}

/** What is wrong with a report of work on this state, which nobody else changed meanwhile; or undefined. */
export function reportProblem(report: ConsolidationReport, state: State, nowMs: number): string | undefined {
  for (const { collection, id, from, to } of report.kappa) {
    const item = state.get(collection, id, nowMs);
    if (item === undefined) return `κ of ${id} is said to change, and there is no such item`;
    if (Math.fround(from) !== item.kappa) return `κ of ${id} is said to have been ${from}, and was ${item.kappa}`;
    if (!(to >= 0 && to <= 1)) return `κ of ${id} is said to become ${to}`;
  }
  for (const { collection, id, reason } of report.pruned) {
    const item = state.items().get(itemKey(collection, id));
    const isExpired = item !== undefined && state.get(collection, id, nowMs) === undefined;
    if (reason === "forgotten" && (item === undefined || isExpired))
      return `${id} is said to be forgotten, and is not there`;
    if (reason === "forgotten" && item!.pinned) return `${id} is said to be forgotten, and is pinned`;
    if (reason === "expired" && item !== undefined && !isExpired) return `${id} is said to have expired, and has not`;
  }
  for (const { collection, id, members } of report.prototypes) {
    const missing = members.find((member) => state.get(collection, member, nowMs) === undefined);
    if (missing !== undefined) return `${id} is said to be made of ${missing}, which is not there`;
  }
  return undefined;
}
