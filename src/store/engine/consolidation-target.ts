/**
 * The store as consolidation sees it: snapshots to read, batches with conditions, and merges that change κ.
 *
 * κ is written by merging exactly the segments that hold the versions that are meant. What is in memory is flushed
 * first, for nothing in memory is ever changed. Whatever was written meanwhile is newer than the version that was
 * changed, and hides it.
 */

import type { KappaChange as MergedKappa } from "../compaction/kappa-changes.ts";
import type { KappaChange } from "../consolidation/report.ts";
import type { ConsolidationSnapshot, ConsolidationTarget, WriteControl } from "../consolidation/target.ts";
import type { UseLog } from "../consolidation/use-log.ts";
import type { Change, WriteOptions, WriteResult } from "../item/item.ts";
import { itemKey } from "../item/item-key.ts";
import { compareKeys } from "../key.ts";
import { type ConsolidationReadPort, consolidationSnapshot } from "./consolidation-reader.ts";
import { MemoryLayer } from "./memory-layer.ts";
import { eachNewestVersion } from "./newest-version.ts";

export interface ConsolidationTargetPort {
  readonly reading: ConsolidationReadPort;
  write(changes: readonly Change[], options: WriteOptions): Promise<WriteResult>;
  flush(): Promise<void>;
  mergeWithKappa(changes: readonly MergedKappa[], signal: AbortSignal | undefined): Promise<void>;
}

export class EngineTarget implements ConsolidationTarget {
  readonly uses: UseLog;
  readonly #port: ConsolidationTargetPort;

  constructor(port: ConsolidationTargetPort, uses: UseLog) {
    this.#port = port;
    this.uses = uses;
  }

  get clock(): ConsolidationTarget["clock"] {
    return this.#port.reading.clock;
  }

  snapshot(): ConsolidationSnapshot {
    return consolidationSnapshot(this.#port.reading);
  }

  async write(changes: readonly Change[], { signal }: WriteControl): Promise<{ readonly isQueued: boolean }> {
    const { durability } = await this.#port.write(changes, signal === undefined ? {} : { signal });
    return { isQueued: durability === "queued" };
  }

  async applyKappa(changes: readonly KappaChange[], { signal }: WriteControl): Promise<readonly KappaChange[]> {
    const { catalog } = this.#port.reading;
    const wanted = changes
      .map((change) => ({ change, key: itemKey(catalog.need(change.collection).prefix, change.id) }))
      .sort((a, b) => compareKeys(a.key, b.key));
    if (await this.#isAnyInMemory(wanted, signal)) await this.#port.flush();
    await this.#port.mergeWithKappa(
      wanted.map(({ change, key }) => ({ key, kappa: change.to, sequence: change.version })),
      signal,
    );
    return await this.#leftAlone(wanted, signal);
  }

  async #isAnyInMemory(wanted: readonly Wanted[], signal: AbortSignal | undefined): Promise<boolean> {
    let isAny = false;
    using hold = this.#port.reading.holds.snapshot();
    await eachNewestVersion(
      hold,
      wanted.map(({ key }) => key),
      (newest, place) => {
        isAny ||= newest?.layer instanceof MemoryLayer && newest.entry.sequence === wanted[place]!.change.version;
      },
      signal,
    );
    return isAny;
  }

  async #leftAlone(wanted: readonly Wanted[], signal: AbortSignal | undefined): Promise<KappaChange[]> {
    const left: KappaChange[] = [];
    using hold = this.#port.reading.holds.snapshot();
    await eachNewestVersion(
      hold,
      wanted.map(({ key }) => key),
      (newest, place) => {
        const { change } = wanted[place]!;
        const isApplied = newest?.entry.sequence === change.version && newest.entry.kappa === Math.fround(change.to);
        if (!isApplied) left.push(change);
      },
      signal,
    );
    return left;
  }
}

interface Wanted {
  readonly change: KappaChange;
  readonly key: Uint8Array;
}
