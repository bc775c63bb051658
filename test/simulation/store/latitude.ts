/**
 * What consolidation may have changed: it says in a report what it did, or in a dry run what it would do, and decides
 * by itself what a prototype is made of. Nothing that is not in one of these may differ.
 */

import { edgeTypes } from "../../../src/store/consolidation/options.ts";
import { prototypePrefix } from "../../../src/store/consolidation/prototype.ts";
import type { ConsolidationReport, EdgeWeightChange, Pruned } from "../../../src/store/consolidation/report.ts";
import { itemKey, type State } from "./state.ts";

export class Latitude {
  readonly kappa = new Map<string, Set<number>>();
  /** By `${source}\0${type}\0${target}`; weights that it may have now, undefined where it may be gone. */
  readonly edges = new Map<string, Set<number | undefined>>();
  readonly prototypes = new Set<string>();
  readonly pruned = new Set<string>();
  /**
   * Others write and read beside a consolidation that has not said yet what it does: then κ may rise, prototypes may be
   * of other clusters and edges of uses of other weights than was planned.
   */
  isOpen = false;

  get isEmpty(): boolean {
    return !this.isOpen && this.kappa.size + this.edges.size + this.prototypes.size + this.pruned.size === 0;
  }

  add(report: ConsolidationReport): void {
    for (const { collection, id, to } of report.kappa) gather(this.kappa, itemKey(collection, id), Math.fround(to));
    for (const change of report.edges)
      gather(this.edges, changedEdge(change), change.to === undefined ? undefined : Math.fround(change.to));
    for (const { collection, id } of report.prototypes) this.prototypes.add(itemKey(collection, id));
    for (const one of report.pruned)
      if (one.reason === "dangling-edge") gather(this.edges, danglingEdge(one), undefined);
      else this.pruned.add(itemKey(one.collection, one.id));
  }

  clear(): void {
    for (const part of [this.kappa, this.edges, this.prototypes, this.pruned]) part.clear();
    this.isOpen = false;
  }

  mayBePrototype(key: string): boolean {
    return this.prototypes.has(key) || (this.isOpen && key.includes(`\0${prototypePrefix}`));
  }

  mayHaveKappa(key: string, from: number, to: number): boolean {
    return this.kappa.get(key)?.has(to) === true || (this.isOpen && to >= from && to <= 1);
  }

  mayHaveEdge(name: string, weight: number | undefined): boolean {
    const [fromCollection, fromId, type, toCollection, toId] = name.split("\0") as [
      string,
      string,
      string,
      string,
      string,
    ];
    const ends = [itemKey(fromCollection, fromId), itemKey(toCollection, toId)];
    if (ends.some((end) => this.mayBePrototype(end)) || (this.isOpen && type === edgeTypes.usedAfter)) return true;
    if (this.edges.get(name)?.has(weight) === true) return true;
    return weight === undefined && ends.some((end) => this.pruned.has(end));
  }
}

/** The edge's name as the model has it. */
export function changedEdge({ collection, source, type, target, targetCollection }: EdgeWeightChange): string {
  return `${itemKey(collection, source)}\0${type}\0${itemKey(targetCollection, target)}`;
}

export function danglingEdge({
  collection,
  id,
  type,
  target,
  targetCollection,
}: Extract<Pruned, { reason: "dangling-edge" }>): string {
  return `${itemKey(collection, id)}\0${type}\0${itemKey(targetCollection, target)}`;
}

function gather<T>(map: Map<string, Set<T>>, key: string, value: T): void {
  const set = map.get(key) ?? new Set<T>();
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
  for (const { collection, id, members, change } of report.prototypes) {
    if (change === "removed") continue;
    const missing = members.find((member) => state.get(collection, member, nowMs) === undefined);
    if (missing !== undefined) return `${id} is said to be made of ${missing}, which is not there`;
  }
  return undefined;
}
