/** Checkpoints in memory: for tests, and for state that has to outlive a component but not the process. */

import type { CheckpointBackend } from "./backend.ts";
import { unreadable } from "./backend.ts";

interface Shelf {
  readonly byVersion: Map<number, Uint8Array>;
  next: number;
}

/** Each call is a place of its own. */
export function memoryCheckpoints(): CheckpointBackend {
  const shelves = new Map<string, Shelf>();
  return {
    name: "memory",
    capabilities: { durability: "memory", exclusive: false },
    async put(id, version, bytes, options) {
      options?.signal?.throwIfAborted();
      const shelf = shelves.get(id) ?? { byVersion: new Map(), next: 1 };
      if (version < shelf.next) return false;
      shelf.byVersion.set(version, bytes.slice());
      shelf.next = version + 1;
      shelves.set(id, shelf);
      return true;
    },
    async get(id, version, { limitBytes, signal }) {
      signal?.throwIfAborted();
      const bytes = shelves.get(id)?.byVersion.get(version);
      if (bytes !== undefined && bytes.length > limitBytes)
        throw unreadable(id, version, `it has ${bytes.length} bytes, the limit is ${limitBytes}`);
      return bytes?.slice();
    },
    async list(id, options) {
      options?.signal?.throwIfAborted();
      const shelf = shelves.get(id);
      const versions = [...(shelf?.byVersion.keys() ?? [])].sort((a, b) => a - b);
      return { versions, next: shelf?.next ?? 1 };
    },
    async delete(id, version, options) {
      options?.signal?.throwIfAborted();
      shelves.get(id)?.byVersion.delete(version);
    },
  };
}
