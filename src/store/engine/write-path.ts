/**
 * How a write gets into the store.
 *
 *     check and plan  →  [ conditions, entries, log, memory: one turn ]  →  durable, or visible at once
 *
 * What stands in the brackets happens without anybody else running: a condition that held when it was looked at holds
 * when the write takes its place in the order of all writes. Readers see it from then on; the caller is told when it is
 * on the disk, together with all who wrote meanwhile (group commit, W3).
 */

import { assert, HoldfastError, untilAborted } from "../../base/index.ts";
import type { Wal } from "../../wal/index.ts";
import { type Entry, isGone } from "../entry.ts";
import type { Change, WriteOptions, WriteResult } from "../item/item.ts";
import { lookUp } from "../merge/lookup.ts";
import type { Catalog } from "./catalog.ts";
import {
  changesLimit,
  entriesOf,
  isConditional,
  nameOf,
  needsGraphOf,
  optionError,
  type Planned,
  planChange,
} from "./change-plan.ts";
import { encodeCommit, type NewEntry } from "./commit-codec.ts";
import type { LargeContent } from "./large-content.ts";
import type { MemoryLayer } from "./memory-layer.ts";
import type { ReadPort } from "./read-scope.ts";
import type { Views } from "./view.ts";

export interface WritePort extends ReadPort {
  readonly catalog: Catalog;
  readonly views: Views;
  readonly log: Wal;
  readonly memory: MemoryLayer;
  readonly large: LargeContent;
  /** Resolves when there is room for more; undefined while there is. */
  room(signal: AbortSignal | undefined): Promise<void> | undefined;
  /** The memory layer has taken something, which is durable when this resolves. */
  wrote(durable: Promise<unknown>): void;
  /** The log failed with this. */
  logFailed(error: unknown): void;
}

export class WritePath {
  readonly #port: WritePort;

  constructor(port: WritePort) {
    this.#port = port;
  }

  async write(changes: readonly Change[], options: WriteOptions = {}, createdMs?: number): Promise<WriteResult> {
    const port = this.#port;
    port.refuseClosed();
    const { durability = "durable", signal } = options;
    if (durability !== "durable" && durability !== "visible")
      throw optionError("durability", durability, '"durable" or "visible"');
    if (changes.length === 0 || changes.length > changesLimit)
      throw optionError("the number of changes", changes.length, `1 to ${changesLimit}`);
    signal?.throwIfAborted();
    const nowMs = port.clock.nowMs();
    const planned = changes.map((change) => planChange(change, { catalog: port.catalog, nowMs, createdMs }));
    // What writes nothing has no place among the writes: nobody could say when its conditions held.
    if (planned.every(({ kind }) => kind === "check"))
      throw optionError("op", "check", "beside it a change that writes");
    using large = port.large.isNeededFor(planned) ? await port.large.moved(planned, signal) : undefined;
    const { sequence, durable } = await this.#commit(large?.planned ?? planned, signal);
    const level = port.level;
    if (durability === "visible") {
      durable.catch((error: unknown) => port.logFailed(error));
      return { version: sequence, durability, level };
    }
    try {
      await durable;
    } catch (error) {
      port.logFailed(error);
      throw error;
    }
    return { version: sequence, durability, level };
  }

  async #commit(planned: readonly Planned[], signal: AbortSignal | undefined) {
    const port = this.#port;
    const needsVersions = planned.some(isConditional);
    const needsGraph = planned.some(needsGraphOf);
    for (;;) {
      const room = port.room(signal);
      const { current } = port.views;
      if (room !== undefined) await untilAborted(room, signal);
      else if (needsVersions && !current.isLoaded) await current.load();
      else if (needsGraph && current.graph === undefined)
        await current.loadGraph();
      else return this.#take(planned);
      port.refuseClosed();
      signal?.throwIfAborted();
    }
  }

  /** One turn. */
  #take(planned: readonly Planned[]): { readonly sequence: number; readonly durable: Promise<void> } {
    const { views, log, memory, vectors } = this.#port;
    for (const change of planned) this.#refuseConflict(change); // mutant: conflict
    const entries = entriesOf(planned, views.current);
    const { sequence, durable } = submitted(log, encodeCommit(entries));
    const commit = numbered(entries, sequence);
    memory.apply(commit);
    vectors.note(memory.vectors, commit);
    this.#port.wrote(durable);
    return { sequence, durable };
  }

  #refuseConflict(change: Planned): void {
    if (!isConditional(change)) return;
    const found = lookUp(this.#port.views.current.sources, change.key);
    assert(!(found instanceof Promise), "what is loaded answers at once");
    const isThere = found !== undefined && !isGone(found, this.#port.clock.nowMs());
    const version = isThere ? found.sequence : 0;
    if (change.kind === "check" ? isThere === change.isThere : version === change.ifVersion) return;
    const what = nameOf(change);
    const now = version === 0 ? "is not there" : `is of version ${version}`;
    const wanted = change.kind === "check" ? "" : `, not of version ${change.ifVersion}`;
    throw new HoldfastError("STORE_CONFLICT", `${what} ${now}${wanted}`, {
      hint: "Read it again, and decide anew.",
      retryable: true,
      details: { what, version, ...(change.kind === "check" ? {} : { ifVersion: change.ifVersion ?? null }) },
    });
  }
}

function numbered(entries: readonly NewEntry[], sequence: number): Entry[] {
  return entries.map((entry) => ({ ...entry, sequence }));
}

function submitted(log: Wal, payload: Uint8Array): ReturnType<Wal["submitEntry"]> {
  try {
    return log.submitEntry(payload);
  } catch (cause) {
    if (!HoldfastError.is(cause) || cause.code !== "WAL_TOO_LARGE") throw cause;
    throw new HoldfastError("STORE_TOO_LARGE", `a batch of ${payload.length} bytes is larger than one may be`, {
      cause,
      hint: "Write it in several batches of at most 16 MiB.",
    });
  }
}
