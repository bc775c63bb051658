/**
 * Checkpoints in a store, beside everything else that it keeps (SPEC R11).
 *
 *     ID/next                which version was never used
 *     ID/v/0000000000000007  the bytes of version 7
 *
 * A version and the number after it are written in one batch, under the condition that nobody was faster: of two who
 * put one version exactly one gets it. An id ends where its slash is, so no other id begins with what stands before a
 * version.
 */

import { HoldfastError } from "../../base/index.ts";
import { type CheckpointBackend, checkpointUncertain, checkpointUnreadable } from "../../resilience/index.ts";
import type { Collection, Store } from "../store.ts";

export interface StoreCheckpointsOptions {
  readonly store: Store;
  /** Made where it is not there. Default "checkpoints". */
  readonly collection?: string;
}

/** The store stays open when the backend is closed. */
export async function storeCheckpoints(options: StoreCheckpointsOptions): Promise<CheckpointBackend> {
  const { store, collection: name = "checkpoints" } = options;
  const kept = await store.collection(name);
  const backend: CheckpointBackend = {
    name: "store",
    capabilities: { durability: "disk", exclusive: false },
    async put(id, version, bytes, { signal } = {}) {
      signal?.throwIfAborted();
      const next = await nextOf(kept, id);
      if (version < next.number) return false;
      const result = await store
        .write([
          { op: "put", collection: name, id: versionId(id, version), content: bytes },
          { op: "put", collection: name, id: nextId(id), content: version + 1, ifVersion: next.version },
        ])
        .catch((error: unknown) => {
          if (HoldfastError.is(error) && error.code === "STORE_CONFLICT") return undefined;
          throw error;
        });
      if (result?.durability === "queued")
        throw checkpointUncertain(id, version, "the store is degraded, and has queued it");
      // Somebody was faster; with another version perhaps.
      return result === undefined ? await backend.put(id, version, bytes, { signal }) : true;
    },
    async get(id, version, { limitBytes, signal }) {
      signal?.throwIfAborted();
      const content = await contentOf(kept, id, version);
      if (content !== undefined && content.length > limitBytes)
        throw checkpointUnreadable(id, version, `it has ${content.length} bytes, the limit is ${limitBytes}`);
      return content;
    },
    async list(id, { signal } = {}) {
      const prefix = `${id}/v/`;
      const versions: number[] = [];
      // What is read first may be older than what comes then, never newer.
      const { number: next } = await nextOf(kept, id);
      for await (const item of kept.scan({ prefix, withContent: false, ...(signal === undefined ? {} : { signal }) }))
        versions.push(Number(item.id.slice(prefix.length)));
      return { versions, next: Math.max(next, (versions.at(-1) ?? 0) + 1) };
    },
    async delete(id, version, { signal } = {}) {
      signal?.throwIfAborted();
      await kept.delete(versionId(id, version));
    },
  };
  return backend;
}

function nextId(id: string): string {
  return `${id}/next`;
}

function versionId(id: string, version: number): string {
  return `${id}/v/${String(version).padStart(16, "0")}`;
}

async function nextOf(kept: Collection, id: string): Promise<{ readonly number: number; readonly version: number }> {
  const item = await kept.get(nextId(id));
  return { number: typeof item?.content === "number" ? item.content : 1, version: item?.version ?? 0 };
}

const damaged: ReadonlySet<string> = new Set(["STORE_LOST", "STORE_CONTENT_CORRUPT", "STORE_CONTENT_MISSING"]);

/** One that is damaged can be passed over; a store that is not there cannot. */
async function contentOf(kept: Collection, id: string, version: number): Promise<Uint8Array | undefined> {
  try {
    const content = (await kept.get(versionId(id, version)))?.content;
    return content instanceof Uint8Array ? content : undefined;
  } catch (error) {
    if (HoldfastError.is(error) && damaged.has(error.code))
      throw checkpointUnreadable(id, version, error.rawMessage, error);
    throw error;
  }
}
