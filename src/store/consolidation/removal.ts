/** Taking an item away together with the edges that would dangle without it. */

import type { Change } from "../item/item.ts";
import type { ConsolidationReader } from "./target.ts";

/**
 * Only as long as this is the item's version. Its edges need no condition of their own: without the item none of them
 * leads from or to anything.
 */
export async function removalOf(
  reader: ConsolidationReader,
  { id, version }: { readonly id: string; readonly version: number },
): Promise<Change[]> {
  const [from, to] = [await reader.edgesFrom(id), await reader.edgesTo(id)];
  const isLoop = (edge: { readonly source: string; readonly collection: string }): boolean =>
    edge.source === id && edge.collection === reader.name;
  return [
    { op: "delete", collection: reader.name, id, ifVersion: version },
    ...[...from, ...to.filter((edge) => !isLoop(edge))].map(
      ({ collection, source, type, target, targetCollection }): Change => ({
        op: "unlink",
        collection,
        id: source,
        edge: { type, target, collection: targetCollection },
      }),
    ),
  ];
}
