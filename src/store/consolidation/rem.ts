/**
 * REM: what is similar gets a prototype (see `prototype.ts`).
 *
 * Leader clustering (Hartigan, Clustering Algorithms, 1975, ch. 3): an item that belongs to no cluster begins one, and
 * whatever is similar to it and free joins. What a leader gathers lies within one angle of it, so no chain of small
 * steps leads to a cluster of everything; and a cluster is done when its leader is, so that what has to be held is one
 * cluster and the fingerprints of what is in some cluster.
 *
 * In this order, each over the whole collection:
 *
 *   1. keep     a prototype keeps the members that are there and still similar to its leader; without its leader, or
 *               with too few of them, it keeps none
 *   2. grow     what is free and similar to a leader joins that prototype
 *   3. begin    what is free, in the order of ids, begins a cluster, which counts if it is large enough
 *   4. remove   a prototype that none of this confirmed goes, with all that is in it, unless it is pinned
 *
 * So a second run changes nothing: 1 finds every cluster of the first, and what stayed free in the first has fewer free
 * neighbours than it had then.
 */

import { compareText } from "../graph/edge.ts";
import { Turns } from "../merge/turns.ts";
import { IdSet } from "./id-set.ts";
import { edgeTypes } from "./options.ts";
import {
  type Cluster,
  clusterOf,
  cosine,
  type Embedded,
  isPrototype,
  mayBeMember,
  prototypeId,
  prototypePrefix,
  prototypeProposal,
} from "./prototype.ts";
import { removalOf } from "./removal.ts";
import type { RemOptions } from "./report.ts";
import type { ConsolidationReader, Proposal } from "./target.ts";

export interface RemContext {
  readonly nowMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** Reads one collection, and proposes. */
export async function* planRem(
  reader: ConsolidationReader,
  settings: Required<RemOptions>,
  context: RemContext,
): AsyncGenerator<Proposal, void> {
  if (reader.settings.vectors === undefined) return;
  yield* new Clustering(reader, settings, context).plan();
}

class Clustering {
  readonly #reader: ConsolidationReader;
  readonly #settings: Required<RemOptions>;
  readonly #context: RemContext;
  readonly #turns = new Turns();
  /** In some cluster. */
  readonly #taken = new IdSet();
  /** Prototypes of a cluster of this run. */
  readonly #confirmed = new IdSet();

  constructor(reader: ConsolidationReader, settings: Required<RemOptions>, context: RemContext) {
    this.#reader = reader;
    this.#settings = settings;
    this.#context = context;
  }

  async *plan(): AsyncGenerator<Proposal, void> {
    for await (const { members } of this.#kept()) for (const { id } of members) this.#taken.add(id);
    // The same clusters once more, so that not all have to be held: what joins now was in none of them.
    for await (const cluster of this.#kept()) yield* this.#confirm(await this.#grown(cluster));
    for await (const item of this.#reader.scan(this.#scanOptions())) {
      await this.#turns.walked(1);
      if (!mayBeMember(item) || this.#taken.has(item.id)) continue;
      const cluster = await this.#grown({ leader: item, members: [item] });
      if (cluster.members.length >= this.#settings.minimumMembers) yield* this.#confirm(cluster);
    }
    for await (const prototype of this.#reader.scan(this.#scanOptions(prototypePrefix))) {
      await this.#turns.walked(1);
      if (!isPrototype(prototype) || this.#confirmed.has(prototype.id) || prototype.pinned) continue;
      yield await this.#removal(prototype);
    }
  }

  /** The clusters of the last run, as far as they still are. */
  async *#kept(): AsyncGenerator<Cluster, void> {
    const own = new IdSet();
    for await (const prototype of this.#reader.scan(this.#scanOptions(prototypePrefix))) {
      if (!isPrototype(prototype)) continue;
      const edges = await this.#reader.edgesFrom(prototype.id);
      const ids = edges
        .filter((edge) => edge.type === edgeTypes.prototypeOf && edge.targetCollection === this.#reader.name)
        .map((edge) => edge.target);
      await this.#turns.walked(ids.length * costOfMember);
      const items = (await this.#reader.itemsOf(ids)).filter(mayBeMember);
      const leader = items.find((item) => prototypeId(item.id) === prototype.id);
      if (leader === undefined || own.has(leader.id)) continue;
      const others = items.filter((item) => item !== leader && !own.has(item.id));
      const cluster = clusterOf(leader, [leader, ...this.#nearest(leader, others, this.#settings.memberLimit - 1)]);
      if (cluster.members.length < this.#settings.minimumMembers) continue;
      for (const { id } of cluster.members) own.add(id);
      yield cluster;
    }
  }

  /** With what is free and similar to its leader, up to the limit. */
  async #grown(cluster: Cluster): Promise<Cluster> {
    const { leader, members } = cluster;
    const room = this.#settings.memberLimit - members.length;
    if (room === 0) return cluster;
    const ids = await this.#similarTo(leader);
    await this.#turns.walked(ids.length * costOfMember);
    const items = (await this.#reader.itemsOf(ids)).filter(mayBeMember);
    return clusterOf(leader, [...members, ...this.#nearest(leader, items, room)]);
  }

  /** Those that are similar enough, the most similar first. */
  #nearest(leader: Embedded, items: readonly Embedded[], limit: number): Embedded[] {
    return items
      .map((item) => ({ item, similarity: cosine(leader.embedding, item.embedding) }))
      .filter(({ similarity }) => similarity >= this.#settings.similarity)
      .sort((a, b) => b.similarity - a.similarity || compareText(a.item.id, b.item.id))
      .slice(0, limit)
      .map(({ item }) => item);
  }

  /**
   * Ids of what may be similar and is free. A few nearest are asked for first, for most items have hardly any that are
   * similar, and more only where all of those were. In the last step the search leaves out itself what is not free:
   * dear, but only in a crowd, and each such search empties it by a whole cluster.
   */
  async #similarTo(leader: Embedded): Promise<string[]> {
    const isFree = (id: string): boolean => id !== leader.id && !this.#taken.has(id) && !id.startsWith(prototypePrefix);
    const byAngle = this.#reader.settings.vectors?.metric === "cosine";
    const farthest = byAngle ? 1 - this.#settings.similarity + roundingMargin : Number.POSITIVE_INFINITY;
    const search = async (k: number, filter?: (metadata: unknown, id: string) => boolean) => {
      const options = { k, ef: Math.max(64, k), ...(filter && { filter }), ...this.#signal };
      const { hits } = await this.#reader.search(leader.embedding, options);
      const ids = hits.filter((hit) => hit.distance <= farthest).map((hit) => hit.id);
      return { isAll: hits.length < k || ids.length < hits.length, ids: ids.filter(isFree) };
    };
    // By another metric than the angle no distance says that the similar ones are over: the nearest few hundred count.
    if (!byAngle) return (await search(manyNearest)).ids;
    for (const k of [fewNearest, manyNearest]) {
      const { isAll, ids } = await search(k);
      if (isAll) return ids;
    }
    return (await search(this.#settings.memberLimit, (_, id) => isFree(id))).ids;
  }

  async *#confirm(cluster: Cluster): AsyncGenerator<Proposal, void> {
    for (const { id } of cluster.members) this.#taken.add(id);
    this.#confirmed.add(prototypeId(cluster.leader.id));
    const proposal = await prototypeProposal(this.#reader, cluster, this.#context.nowMs);
    if (proposal !== undefined) yield proposal;
  }

  async #removal(prototype: { readonly id: string; readonly version: number }): Promise<Proposal> {
    const { name: collection } = this.#reader;
    const { id } = prototype;
    const says = { change: "removed", collection, id, members: [], cohesion: 0 } as const;
    return {
      pass: "rem",
      collection,
      id,
      changes: await removalOf(this.#reader, prototype),
      says: { kind: "prototype", prototype: says },
    };
  }

  #scanOptions(prefix?: string) {
    return { withContent: false, ...(prefix === undefined ? {} : { prefix }), ...this.#signal };
  }

  get #signal() {
    this.#context.signal?.throwIfAborted();
    return this.#context.signal === undefined ? {} : { signal: this.#context.signal };
  }
}

const fewNearest = 32;
const manyNearest = 512;
/** A search measures in single precision; the members are measured again. */
const roundingMargin = 1e-4;
/** What comparing with a member takes, in entries walked over. */
const costOfMember = 8;
