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
import type { LogHolder } from "../degradation/log-holder.ts";
import type { StorageGuard } from "../degradation/storage-guard.ts";
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
import type { View, Views } from "./view.ts";

export interface WritePort extends ReadPort {
  readonly catalog: Catalog;
  readonly views: Views;
  readonly log: LogHolder;
  readonly guard: StorageGuard;
  readonly memory: MemoryLayer;
  readonly large: LargeContent;
  /** Resolves when there is room for more; undefined while there is. */
  room(): Promise<void> | undefined;
  /** The memory layer has taken something, which is durable when this resolves. */
  wrote(durable: Promise<unknown>): void;
}

/** Of what was queued, so many go out with one sync (SPEC R13). */
const replayedTogether = 100;

export class WritePath {
  readonly #port: WritePort;
  /** Writes that have no place among the others yet. */
  readonly #preparing = new Set<Promise<unknown>>();
  #replayed = 0;

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
    if (port.guard.isDegraded) return await this.#queued(planned);
    using large = port.large.isNeededFor(planned) ? await this.#prepare(this.#moved(planned, signal)) : undefined;
    const taken = await this.#commit(large?.planned ?? planned, signal);
    // As it was planned first: until it is written, nobody holds a content file for it.
    if (taken === undefined) return await this.#queued(planned);
    large?.taken();
    const { sequence, durable } = taken;
    if (durability === "durable") {
      try {
        await durable;
      } catch (error) {
        port.guard.logFailed();
        if (!HoldfastError.is(error) || error.code !== "WAL_FAILED") throw error;
        // The memory layer has it, and recovery brings it to the disk.
        return { version: sequence, durability: "queued", level: port.level };
      }
    }
    return { version: sequence, durability, level: port.level };
  }

  /** Resolves when nothing more is written for commits that have not taken their place. */
  async prepared(): Promise<void> {
    await Promise.allSettled(this.#preparing);
  }

  async #prepare<T>(work: Promise<T>): Promise<T> {
    this.#preparing.add(work);
    try {
      return await work;
    } finally {
      this.#preparing.delete(work);
      this.#port.refuseClosed();
    }
  }

  /** Writes what was queued: in its place among all writes when this resolves, and on the disk soon after. */
  async replay(planned: readonly Planned[]): Promise<void> {
    const { large, log, views } = this.#port;
    using moved = large.isNeededFor(planned) ? await large.moved(planned, undefined) : undefined;
    for (;;) {
      if (log.failure !== undefined) throw log.failure;
      const room = this.#port.room();
      if (room !== undefined) await room;
      else if (planned.some(needsGraphOf) && views.current.graph === undefined) await loadedGraph(views.current);
      else break;
    }
    const { durable } = this.#take(moved?.planned ?? planned);
    moved?.taken();
    // So many at a time share a sync; between them everybody else has a turn.
    if (++this.#replayed % replayedTogether === 0) await durable.catch(() => undefined);
  }

  /** It waits until the store can write. Throws STORE_QUEUE_FULL, and STORE_DEGRADED for what depends on a version. */
  async #queued(planned: readonly Planned[]): Promise<WriteResult> {
    const { guard } = this.#port;
    if (planned.some(isConditional)) guard.refuseDegraded("a write that depends on a version is not queued");
    await guard.enqueue(planned);
    return { version: 0, durability: "queued", level: guard.level };
  }

  async #moved(planned: readonly Planned[], signal: AbortSignal | undefined) {
    try {
      return await this.#port.large.moved(planned, signal);
    } catch (error) {
      this.#port.guard.writeFailed(error);
      throw error;
    }
  }

  /** undefined where the store can no longer write: then nothing has happened. */
  async #commit(planned: readonly Planned[], signal: AbortSignal | undefined) {
    const port = this.#port;
    const { guard } = port;
    const needsVersions = planned.some(isConditional);
    const needsGraph = planned.some(needsGraphOf);
    for (;;) {
      if (guard.isDegraded) return undefined;
      // Whether a flush succeeds is for the guard: who waits learns of it by the level.
      const room = guard.draining ?? port.room()?.catch(() => undefined);
      const { current } = port.views;
      if (room !== undefined) await untilAborted(room, signal);
      else if (needsVersions && !current.isLoaded) await current.whileHeld(() => current.load());
      else if (needsGraph && current.graph === undefined) await loadedGraph(current);
      else return this.#take(planned);
      port.refuseClosed();
      signal?.throwIfAborted();
    }
  }

  /** One turn. */
  #take(planned: readonly Planned[]): { readonly sequence: number; readonly durable: Promise<void> } {
    const { views, log, memory, vectors, fallback } = this.#port;
    for (const change of planned) this.#refuseConflict(change); // mutant: conflict
    const entries = entriesOf(planned, views.current);
    const { sequence, durable } = submitted(log.current, encodeCommit(entries));
    const commit = numbered(entries, sequence);
    memory.apply(commit);
    vectors.note(memory.vectors, commit);
    if (fallback.size > 0) for (const change of planned) if (change.kind === "item") fallback.forget(change.name);
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

function loadedGraph(view: View): Promise<void> {
  return view.whileHeld(() => view.loadGraph());
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
