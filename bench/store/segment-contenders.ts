/**
 * Sorted stores of the same items, each used as its users would: what answers at once is called at once, what gives
 * promises is awaited. The peers' types cannot be imported where they are not installed; what is used of them is
 * declared here.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { NodeDisk } from "../../src/disk/index.ts";
import { BlockCache, openSegment, SegmentWriter } from "../../src/store/index.ts";
import { packageNamed } from "../install.ts";

export interface Items {
  /** Ascending. */
  readonly keys: readonly Uint8Array[];
  readonly values: readonly Uint8Array[];
}

/** Each returns how many bytes it was given, so that nobody can leave out the work. */
export interface SortedStore {
  readonly get: (keys: readonly Uint8Array[]) => number | Promise<number>;
  readonly scan: () => number | Promise<number>;
  /** From each key on, `count` items. */
  readonly ranges: (keys: readonly Uint8Array[], count: number) => number | Promise<number>;
  close(): Promise<void>;
}

export interface Contender {
  readonly name: string;
  build(folder: string, items: Items): Promise<void>;
  open(folder: string): Promise<SortedStore>;
}

const cacheBytes = 256 * 2 ** 20;

interface ClassicLevel {
  open(): Promise<void>;
  batch(puts: readonly { type: "put"; key: Uint8Array; value: Uint8Array }[]): Promise<void>;
  compactRange(from: Uint8Array, to: Uint8Array): Promise<void>;
  get(key: Uint8Array): Promise<Uint8Array | undefined>;
  getSync(key: Uint8Array): Uint8Array | undefined;
  iterator(options: object): {
    nextv(count: number): Promise<[Uint8Array, Uint8Array][]>;
    close(): Promise<void>;
  };
  close(): Promise<void>;
}

interface Lmdb {
  transactionSync(work: () => void): void;
  putSync(key: Uint8Array, value: Uint8Array): void;
  getBinary(key: Uint8Array): Uint8Array | undefined;
  getBinaryFast(key: Uint8Array): Uint8Array | undefined;
  getRange(options: object): Iterable<{ key: Uint8Array; value: Uint8Array }>;
  readonly flushed: PromiseLike<unknown>;
  close(): Promise<void>;
}

function holdfastBy(name: string, readsNow: boolean): Contender {
  return {
    name,
    async build(folder, { keys, values }) {
      const disk = new NodeDisk();
      const writer = await SegmentWriter.create({ disk, folder, name: "1.segment", fileId: 1 });
      for (const [place, key] of keys.entries()) {
        const entry = {
          key,
          value: values[place]!,
          sequence: place + 1,
          kind: 1,
          expiryMs: 0,
          flags: 0,
          kappa: 0,
        } as const;
        const writing = writer.add(entry);
        if (writing instanceof Promise) await writing;
      }
      await writer.finish();
    },
    async open(folder) {
      const cache = new BlockCache({ limitBytes: cacheBytes });
      const segment = await openSegment({
        disk: new NodeDisk(),
        folder,
        name: "1.segment",
        fileId: 1,
        cache,
        readsNow,
      });
      return {
        async get(keys) {
          let bytes = 0;
          for (const key of keys) {
            const answer = segment.get(key);
            const entry = answer instanceof Promise ? await answer : answer;
            bytes += entry?.value.length ?? 0;
          }
          return bytes;
        },
        async scan() {
          let bytes = 0;
          for await (const batch of segment.scan())
            for (const { key, value } of batch) bytes += key.length + value.length;
          return bytes;
        },
        async ranges(keys, count) {
          let bytes = 0;
          for (const from of keys)
            for await (const batch of segment.scan({ from, limit: count }))
              for (const { key, value } of batch) bytes += key.length + value.length;
          return bytes;
        },
        close: () => segment.close(),
      };
    },
  };
}

export const holdfast = holdfastBy("holdfast, reads on the thread", true);
export const holdfastWaiting = holdfastBy("holdfast, reads by promise", false);

function classicLevel(
  name: string,
  get: (db: ClassicLevel, keys: readonly Uint8Array[]) => number | Promise<number>,
): Contender {
  const made = (folder: string): ClassicLevel => {
    const { ClassicLevel } = packageNamed("classic-level") as {
      ClassicLevel: new (path: string, options: object) => ClassicLevel;
    };
    const encodings = { keyEncoding: "view", valueEncoding: "view" };
    return new ClassicLevel(join(folder, "db"), { ...encodings, cacheSize: cacheBytes });
  };
  const read = async (db: ClassicLevel, options: object, limit: number): Promise<number> => {
    const iterator = db.iterator(options);
    let bytes = 0;
    for (let left = limit; left > 0; ) {
      const found = await iterator.nextv(Math.min(1_000, left));
      if (found.length === 0) break;
      left -= found.length;
      for (const [key, value] of found) bytes += key.length + value.length;
    }
    await iterator.close();
    return bytes;
  };
  return {
    name,
    async build(folder, { keys, values }) {
      const db = made(folder);
      await db.open();
      for (let from = 0; from < keys.length; from += 1_000) {
        const some = keys.slice(from, from + 1_000);
        await db.batch(some.map((key, place) => ({ type: "put", key, value: values[from + place]! })));
      }
      await db.compactRange(keys[0]!, keys.at(-1)!);
      await db.close();
    },
    async open(folder) {
      const db = made(folder);
      await db.open();
      return {
        get: (keys) => get(db, keys),
        scan: () => read(db, {}, Number.POSITIVE_INFINITY),
        async ranges(keys, count) {
          let bytes = 0;
          for (const from of keys) bytes += await read(db, { gte: from, limit: count }, count);
          return bytes;
        },
        close: () => db.close(),
      };
    },
  };
}

export const level = classicLevel("classic-level, get", async (db, keys) => {
  let bytes = 0;
  for (const key of keys) bytes += (await db.get(key))?.length ?? 0;
  return bytes;
});

export const levelSync = classicLevel("classic-level, getSync", (db, keys) => {
  let bytes = 0;
  for (const key of keys) bytes += db.getSync(key)?.length ?? 0;
  return bytes;
});

function lmdbBy(name: string, method: "getBinary" | "getBinaryFast"): Contender {
  const made = (folder: string): Lmdb => {
    const { open } = packageNamed("lmdb") as { open(options: object): Lmdb };
    mkdirSync(join(folder, "db"), { recursive: true });
    return open({ path: join(folder, "db"), encoding: "binary", keyEncoding: "binary" });
  };
  return {
    name,
    async build(folder, { keys, values }) {
      const db = made(folder);
      for (let from = 0; from < keys.length; from += 1_000)
        db.transactionSync(() => {
          for (let place = from; place < Math.min(from + 1_000, keys.length); place++)
            db.putSync(keys[place]!, Buffer.from(values[place]!));
        });
      await db.flushed;
      await db.close();
    },
    async open(folder) {
      const db = made(folder);
      const read = (options: object): number => {
        let bytes = 0;
        for (const { key, value } of db.getRange(options)) bytes += key.length + value.length;
        return bytes;
      };
      return {
        get(keys) {
          let bytes = 0;
          for (const key of keys) bytes += db[method](key)?.length ?? 0;
          return bytes;
        },
        scan: () => read({}),
        ranges: (keys, count) => keys.reduce((sum, start) => sum + read({ start, limit: count }), 0),
        close: () => db.close(),
      };
    },
  };
}

export const lmdb = lmdbBy("lmdb, getBinary", "getBinary");
/** Its value is valid until the next call only. */
export const lmdbFast = lmdbBy("lmdb, getBinaryFast", "getBinaryFast");
