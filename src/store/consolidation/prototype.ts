/**
 * A prototype: what similar items have in common, as an item of its own beside them.
 *
 * Its id is "prototype/" and a hash of the id its cluster began with (the leader's), so that the same cluster has the
 * same prototype however it grows. Its embedding is the mean of its members', each of length 1 and counted 1 + κ times,
 * brought to length 1 again (where the metric is not cosine, lengths mean something: the plain weighted mean). Its κ is
 * the mean of theirs, unless it has earned more by itself. Edges of type "prototype-of" lead to its members, and weigh
 * how similar each is. Ids that begin with "prototype/" are never members.
 */

import { hexOf, sha256, utf8 } from "../../base/index.ts";
import { compareText } from "../graph/edge.ts";
import type { Change, Item } from "../item/item.ts";
import { edgeTypes } from "./options.ts";
import type { ConsolidationReader, Proposal, StoredEdge } from "./target.ts";

export const prototypePrefix = "prototype/";

/** An item that has an embedding. */
export interface Embedded extends Item {
  readonly embedding: Float32Array;
}

/** Its members in the order of their ids; the first of them need not be the leader. */
export interface Cluster {
  readonly leader: Embedded;
  readonly members: readonly Embedded[];
}

export function prototypeId(leaderId: string): string {
  return prototypePrefix + hexOf(sha256(utf8(leaderId)).subarray(0, 12));
}

export function isPrototype(item: Item): boolean {
  return item.id.startsWith(prototypePrefix) && item.metadata?.["prototype"] === true;
}

export function mayBeMember(item: Item | undefined): item is Embedded {
  return item?.embedding !== undefined && !item.id.startsWith(prototypePrefix);
}

export function clusterOf(leader: Embedded, members: readonly Embedded[]): Cluster {
  return { leader, members: members.toSorted((a, b) => compareText(a.id, b.id)) };
}

/** In double precision and always in the same order, so that it is the same number on every run. */
export function cosine(a: Float32Array, b: Float32Array): number {
  let [product, squaredA, squaredB] = [0, 0, 0];
  for (let place = 0; place < a.length; place++) {
    product += a[place]! * b[place]!;
    squaredA += a[place]! * a[place]!;
    squaredB += b[place]! * b[place]!;
  }
  return squaredA === 0 || squaredB === 0 ? 0 : product / Math.sqrt(squaredA * squaredB);
}

export function meanEmbedding(members: readonly Embedded[], byAngle: boolean): Float32Array {
  const sums = new Float64Array(members[0]!.embedding.length);
  let weights = 0;
  for (const { embedding, kappa } of members) {
    const weight = (1 + kappa) / (byAngle ? lengthOf(embedding) || 1 : 1);
    weights += 1 + kappa;
    for (let place = 0; place < sums.length; place++) sums[place]! += weight * embedding[place]!;
  }
  const scale = byAngle ? lengthOf(sums) || 1 : weights;
  return Float32Array.from(sums, (sum) => sum / scale);
}

/**
 * The write that makes the prototype what its cluster says; undefined where it is so already, and where somebody keeps
 * an item of their own under its id. What others wrote into a prototype (content, metadata) stays in it.
 */
export async function prototypeProposal(
  reader: ConsolidationReader,
  cluster: Cluster,
  nowMs: number,
): Promise<Proposal | undefined> {
  const { members } = cluster;
  const id = prototypeId(cluster.leader.id);
  const [existing] = await reader.itemsOf([id]);
  if (existing !== undefined && !isPrototype(existing)) return undefined;
  const embedding = meanEmbedding(members, reader.settings.vectors?.metric === "cosine");
  const similarities = members.map((member) => cosine(member.embedding, embedding));
  const meanKappa = Math.fround(members.reduce((sum, { kappa }) => sum + kappa, 0) / members.length);
  const kappa = Math.max(meanKappa, existing?.kappa ?? 0);
  const edges = (await reader.edgesFrom(id)).filter((edge) => edge.type === edgeTypes.prototypeOf);
  const edgeChanges = memberEdges(reader.name, id, members, similarities, edges);
  const isSame =
    existing?.embedding !== undefined &&
    existing.kappa === kappa &&
    existing.metadata?.["members"] === members.length &&
    existing.embedding.every((value, place) => value === embedding[place]);
  if (isSame && edgeChanges.length === 0) return undefined;
  const whole = existing === undefined ? undefined : await reader.get(id);
  const put: Change = {
    op: "put",
    collection: reader.name,
    id,
    ifVersion: existing?.version ?? 0,
    content: whole?.content ?? null,
    embedding,
    metadata: { ...whole?.metadata, prototype: true, members: members.length },
    kappa,
    pinned: existing?.pinned ?? false,
    ...(existing?.expiryMs === undefined ? {} : { ttlMs: Math.max(1, existing.expiryMs - nowMs) }),
  };
  const checks = members.map(
    (member): Change => ({ op: "check", collection: reader.name, id: member.id, isThere: true }),
  );
  return {
    pass: "rem",
    collection: reader.name,
    id,
    changes: [...checks, put, ...edgeChanges],
    says: {
      kind: "prototype",
      prototype: {
        change: existing === undefined ? "made" : "updated",
        collection: reader.name,
        id,
        members: members.map((member) => member.id),
        cohesion: similarities.reduce((sum, similarity) => sum + similarity, 0) / members.length,
      },
    },
  };
}

/** Each guarded by the version of the edge: a weight that somebody else gave it is not overwritten. */
function memberEdges(
  collection: string,
  id: string,
  members: readonly Embedded[],
  similarities: readonly number[],
  edges: readonly StoredEdge[],
): Change[] {
  const changes: Change[] = [];
  const left = new Map(edges.map((edge) => [`${edge.targetCollection}\0${edge.target}`, edge]));
  for (const [place, member] of members.entries()) {
    const name = `${collection}\0${member.id}`;
    const edge = left.get(name);
    left.delete(name);
    const weight = Math.fround(similarities[place]!);
    if (edge?.weight === weight) continue;
    const link = { type: edgeTypes.prototypeOf, target: member.id, weight };
    changes.push({ op: "link", collection, id, ifVersion: edge?.version ?? 0, edge: link });
  }
  for (const { type, target, targetCollection, version } of left.values()) {
    const edge = { type, target, collection: targetCollection };
    changes.push({ op: "unlink", collection, id, ifVersion: version, edge });
  }
  return changes;
}

function lengthOf(vector: Float32Array | Float64Array): number {
  let squared = 0;
  for (const value of vector) squared += value * value;
  return Math.sqrt(squared);
}
