/** What consolidation reads of a store: one snapshot, and in it edges with their versions and what has expired. */

import { edgeChangeOf } from "../compaction/derived-sections.ts";
import type { ConsolidationReader, ConsolidationSnapshot, ExpiredItem, StoredEdge } from "../consolidation/target.ts";
import { entryKind } from "../entry.ts";
import type { Direction } from "../graph/index.ts";
import type { Item } from "../item/item.ts";
import { checkId, edgePrefix, idIn, nodeName, nodeParts } from "../item/item-key.ts";
import { scanEntries } from "../merge/scan.ts";
import type { CollectionSettings } from "../store.ts";
import type { Catalog } from "./catalog.ts";
import { EngineReader, graphOf } from "./collection-reader.ts";
import type { Holds, ReadPort } from "./read-scope.ts";
import { pinnedFlag } from "./stored-item.ts";

export interface ConsolidationReadPort extends ReadPort {
  readonly catalog: Catalog;
  readonly holds: Holds;
}

/** The store as it is now, for as long as it is not disposed of. */
export function consolidationSnapshot(port: ConsolidationReadPort): ConsolidationSnapshot {
  port.refuseClosed();
  const scope = port.holds.snapshot();
  return {
    version: scope.atSequence,
    collections: () => port.catalog.all.map(({ name }) => name),
    collection: (name) => {
      const facts = port.catalog.get(name);
      return facts === undefined ? undefined : new SnapshotReader(facts, port, scope);
    },
    [Symbol.dispose]: () => scope[Symbol.dispose](),
  };
}

class SnapshotReader extends EngineReader implements ConsolidationReader {
  get settings(): CollectionSettings {
    return this.facts.settings;
  }

  async itemsOf(ids: readonly string[]): Promise<(Item | undefined)[]> {
    const items: (Item | undefined)[] = [];
    for (const id of ids) {
      const item = this.find(id, false);
      items.push(item instanceof Promise ? await item : item);
    }
    return items;
  }

  async *edges({ signal }: { readonly signal: AbortSignal | undefined }): AsyncGenerator<StoredEdge, void> {
    this.port.refuseClosed();
    using hold = this.scope.hold();
    // The prefix of an item's edges, without the item: all that leave this collection.
    const range = { prefix: edgePrefix(this.name), atSequence: hold.atSequence, signal };
    for await (const batch of scanEntries(hold.view.sources, range)) {
      for (const entry of batch) {
        const change = edgeChangeOf(entry);
        if (change?.weight !== undefined) yield storedEdge({ ...change, weight: change.weight });
      }
      this.port.refuseClosed();
    }
  }

  edgesFrom(id: string): Promise<readonly StoredEdge[]> {
    return this.#edgesAt(id, "out");
  }

  edgesTo(id: string): Promise<readonly StoredEdge[]> {
    return this.#edgesAt(id, "in");
  }

  /** By the clock as it is now: whoever writes upon it says under which condition. */
  async *expired({ signal }: { readonly signal: AbortSignal | undefined }): AsyncGenerator<ExpiredItem, void> {
    this.port.refuseClosed();
    const { prefix } = this.facts;
    const nowMs = this.port.clock.nowMs();
    using hold = this.scope.hold();
    const range = { prefix, atSequence: hold.atSequence, withGone: true, signal };
    for await (const batch of scanEntries(hold.view.sources, range)) {
      for (const { key, kind, expiryMs, sequence, kappa, flags } of batch) {
        if (kind === entryKind.tombstone || expiryMs === 0 || expiryMs > nowMs) continue;
        const pinned = (flags & pinnedFlag) !== 0;
        yield { id: idIn(key, prefix.length), version: sequence, kappa, pinned, expiryMs };
      }
      this.port.refuseClosed();
    }
  }

  async #edgesAt(id: string, direction: Direction): Promise<readonly StoredEdge[]> {
    this.port.refuseClosed();
    checkId(id);
    using hold = this.scope.hold();
    const graph = await graphOf(hold);
    return graph.withSequences(nodeName(this.name, id), direction).map(storedEdge);
  }
}

function storedEdge(edge: {
  readonly source: string;
  readonly type: string;
  readonly target: string;
  readonly weight: number;
  readonly sequence: number;
}): StoredEdge {
  const [from, to] = [nodeParts(edge.source), nodeParts(edge.target)];
  return {
    collection: from.collection,
    source: from.id,
    type: edge.type,
    target: to.id,
    targetCollection: to.collection,
    weight: edge.weight,
    version: edge.sequence,
  };
}
