/** Backends that are wrong on purpose: each is found out by the conformance cases. */
import { describe, expect, it } from "vitest";
import type { BackendOptions, CheckpointBackend, StoredVersions } from "./backend.ts";
import { type ConformancePlace, checkpointBackendConformance } from "./conformance.ts";
import { memoryCheckpoints } from "./memory.ts";

const pause = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** The names of the cases that a place fails. */
async function failures(placeOf: () => ConformancePlace): Promise<string[]> {
  const failed: string[] = [];
  for (const { name, run } of checkpointBackendConformance()) {
    const failure = await run(placeOf()).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (failure !== undefined) failed.push(name);
  }
  return failed;
}

/** One place in memory behind handles that are all wrong in the same way. */
function wrong(change: (good: CheckpointBackend) => Partial<CheckpointBackend>): () => ConformancePlace {
  return () => {
    const good = memoryCheckpoints();
    return { open: () => ({ ...good, ...change(good) }) };
  };
}

/** A plain map under the rules of nobody. */
function looseMap() {
  const kept = new Map<string, Uint8Array>();
  const versionsOf = (id: string): number[] =>
    [...kept.keys()].flatMap((key) => (key.startsWith(`${id} `) ? [Number(key.split(" ")[1])] : []));
  return { kept, versionsOf };
}

const mutants: Readonly<Record<string, () => ConformancePlace>> = {
  "a put that overwrites": () => {
    const { kept, versionsOf } = looseMap();
    const list = async (id: string, options?: BackendOptions): Promise<StoredVersions> => {
      options?.signal?.throwIfAborted();
      const versions = versionsOf(id).sort((a, b) => a - b);
      return { versions, next: (versions.at(-1) ?? 0) + 1 };
    };
    const backend: CheckpointBackend = {
      ...memoryCheckpoints(),
      list,
      put: async (id, version, bytes) => kept.set(`${id} ${version}`, bytes.slice()) !== undefined,
      get: async (id, version) => kept.get(`${id} ${version}`)?.slice(),
    };
    return { open: () => backend };
  },
  "a put that is seen half done": () => {
    const halves = new Map<string, Uint8Array>();
    const good = memoryCheckpoints();
    const backend: CheckpointBackend = {
      ...good,
      async put(id, version, bytes, options) {
        halves.set(`${id} ${version}`, bytes.slice(0, bytes.length / 2));
        await pause();
        await pause();
        halves.delete(`${id} ${version}`);
        return await good.put(id, version, bytes, options);
      },
      get: async (id, version, options) => halves.get(`${id} ${version}`) ?? (await good.get(id, version, options)),
    };
    return { open: () => backend };
  },
  "a look and a put with a gap between them": wrong((good) => {
    const kept = new Map<string, Uint8Array>();
    return {
      async put(id, version, bytes, options) {
        if ((await good.list(id, options)).next > version) return false;
        await pause();
        kept.set(`${id} ${version}`, bytes.slice());
        await good.put(id, version, bytes);
        return true;
      },
    };
  }),
  "a list that loses an entry": wrong((good) => ({
    async list(id, options) {
      const { versions, next } = await good.list(id, options);
      return { versions: versions.filter((version) => version !== 7), next };
    },
  })),
  "a list that ends with its first page": wrong((good) => ({
    async list(id, options) {
      const { versions, next } = await good.list(id, options);
      return { versions: versions.slice(0, 30), next };
    },
  })),
  "a list in the order of letters": wrong((good) => ({
    async list(id, options) {
      const { versions, next } = await good.list(id, options);
      return { versions: versions.toSorted(), next };
    },
  })),
  "a list that is stale at another handle": wrong((good) => {
    const seen = new Map<string, StoredVersions>();
    return {
      async list(id, options) {
        options?.signal?.throwIfAborted();
        const cached = seen.get(id) ?? (await good.list(id));
        seen.set(id, cached);
        return cached;
      },
      async put(id, version, bytes, options) {
        seen.delete(id);
        return await good.put(id, version, bytes, options);
      },
      async delete(id, version, options) {
        seen.delete(id);
        await good.delete(id, version, options);
      },
    };
  }),
  "a read that is stale": wrong((good) => {
    const seen = new Map<string, Uint8Array | undefined>();
    return {
      async get(id, version, options) {
        const key = `${id} ${version}`;
        if (!seen.has(key)) seen.set(key, await good.get(id, version, options));
        options.signal?.throwIfAborted();
        return seen.get(key)?.slice();
      },
    };
  }),
  "bytes that are cut off": wrong((good) => ({
    put: (id, version, bytes, options) => good.put(id, version, bytes.subarray(0, 65_536), options),
  })),
  "bytes that are text on their way": wrong((good) => ({
    put: (id, version, bytes, options) =>
      good.put(id, version, Buffer.from(Buffer.from(bytes).toString("utf8")), options),
  })),
  "bytes that are shared with the caller": () => {
    const kept = new Map<string, Uint8Array>();
    const good = memoryCheckpoints();
    const backend: CheckpointBackend = {
      ...good,
      async put(id, version, bytes, options) {
        const isPut = await good.put(id, version, bytes, options);
        if (isPut) kept.set(`${id} ${version}`, bytes);
        return isPut;
      },
      async get(id, version, options) {
        return (await good.get(id, version, options)) && kept.get(`${id} ${version}`);
      },
    };
    return { open: () => backend };
  },
  "ids that lose their case": wrong((good) => ({
    put: (id, ...words) => good.put(id.toLowerCase(), ...words),
    get: (id, ...words) => good.get(id.toLowerCase(), ...words),
    list: (id, ...words) => good.list(id.toLowerCase(), ...words),
    delete: (id, ...words) => good.delete(id.toLowerCase(), ...words),
  })),
  "ids that lose their end": wrong((good) => ({
    put: (id, ...words) => good.put(id.slice(0, 63), ...words),
    get: (id, ...words) => good.get(id.slice(0, 63), ...words),
    list: (id, ...words) => good.list(id.slice(0, 63), ...words),
  })),
  "a removal that takes the neighbour too": wrong((good) => ({
    async delete(id, version, options) {
      await good.delete(id, version, options);
      if (version === 1) await good.delete(id, 10, options);
    },
  })),
  "a removal that does nothing": wrong(() => ({
    delete: async (_id, _version, options) => options?.signal?.throwIfAborted(),
  })),
  "a version that is used again after it was removed": wrong((good) => {
    const removed = new Set<string>();
    return {
      async delete(id, version, options) {
        await good.delete(id, version, options);
        removed.add(`${id} ${version}`);
      },
      put: async (id, version, bytes, options) =>
        (await good.put(id, version, bytes, options)) || removed.delete(`${id} ${version}`),
    };
  }),
  "a reader's limit that is not minded": wrong((good) => ({
    get: (id, version, options) => good.get(id, version, { ...options, limitBytes: Number.POSITIVE_INFINITY }),
  })),
  "an abort that is not minded": wrong((good) => ({
    put: (id, version, bytes) => good.put(id, version, bytes),
  })),
};

describe("the conformance cases", () => {
  it("R11: are passed by what is right", async () => {
    expect(await failures(wrong(() => ({})))).toEqual([]);
  });

  const failed = new Set<string>();

  it.each(Object.keys(mutants))("R11: find out %s", async (name) => {
    const found = await failures(mutants[name]!);
    expect(found.length).toBeGreaterThan(0);
    for (const one of found) failed.add(one);
  });

  it("R11: are each failed by some mutant, but for the plainest", () => {
    const idle = checkpointBackendConformance().filter(({ name }) => !failed.has(name));
    expect(idle.map(({ name }) => name)).toEqual(["an empty place lists nothing and begins with version 1"]);
  });
});
