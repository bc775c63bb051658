/**
 * What a Node program would otherwise keep items in. Each acknowledges a write only when it would survive power loss,
 * and has 256 MiB of cache where it has one of its own. The packages are installed apart, so their types cannot be
 * imported where they are not installed; what is used of them is declared here.
 */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { packageNamed } from "../install.ts";
import { type Contender, cacheBytes, inBatches } from "./contender.ts";

type Put = readonly [string, Uint8Array];

interface ClassicLevel {
  open(): Promise<void>;
  put(key: string, value: Uint8Array, options: { sync: boolean }): Promise<void>;
  batch(puts: readonly { type: "put"; key: string; value: Uint8Array }[], options: { sync: boolean }): Promise<void>;
  compactRange(from: string, to: string): Promise<void>;
  get(key: string): Promise<Uint8Array | undefined>;
  getSync(key: string): Uint8Array | undefined;
  getMany(keys: readonly string[]): Promise<(Uint8Array | undefined)[]>;
  iterator(options: object): { nextv(count: number): Promise<[string, Uint8Array][]>; close(): Promise<void> };
  close(): Promise<void>;
}

/** LevelDB takes at most 1 GiB. */
const writeBufferBytes = 2 ** 30;

export const classicLevel: Contender = {
  name: "classic-level",
  isOwn: false,
  async open(folder, options) {
    const { ClassicLevel } = packageNamed("classic-level") as {
      ClassicLevel: new (path: string, options: object) => ClassicLevel;
    };
    const db = new ClassicLevel(join(folder, "db"), {
      valueEncoding: "view",
      cacheSize: cacheBytes,
      ...(options?.keepsInMemory === true ? { writeBufferSize: writeBufferBytes } : {}),
    });
    await db.open();
    const read = async (options: object, limit: number): Promise<number> => {
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
    const getEachNow = (ids: readonly string[]): number => {
      let bytes = 0;
      for (const id of ids) bytes += db.getSync(id)?.length ?? 0;
      return bytes;
    };
    return {
      get: {
        getSync: getEachNow,
        async get(ids) {
          let bytes = 0;
          for (const id of ids) bytes += (await db.get(id))?.length ?? 0;
          return bytes;
        },
      },
      getMany: {
        async getMany(ids) {
          let bytes = 0;
          for (const value of await db.getMany(ids)) bytes += value?.length ?? 0;
          return bytes;
        },
        "getSync each": getEachNow,
      },
      scan: { nextv: () => read({}, Number.POSITIVE_INFINITY) },
      ranges: {
        async nextv(starts, count) {
          let bytes = 0;
          for (const gte of starts) bytes += await read({ gte, limit: count }, count);
          return bytes;
        },
      },
      put: { "sync put": { blocks: false, put: (id, value) => db.put(id, value, { sync: true }) } },
      load: {
        "sync batch": (items) =>
          inBatches(items, (puts) =>
            db.batch(
              puts.map(([key, value]) => ({ type: "put", key, value })),
              { sync: true },
            ),
          ),
      },
      settle: () => db.compactRange("", "~"),
      close: () => db.close(),
    };
  },
};

interface Lmdb {
  put(key: string, value: Uint8Array): Promise<boolean>;
  putSync(key: string, value: Uint8Array): void;
  batch(puts: () => unknown): Promise<boolean>;
  transactionSync(work: () => void): void;
  getBinary(key: string): Uint8Array | undefined;
  getBinaryFast(key: string): Uint8Array | undefined;
  getMany(keys: readonly string[]): Promise<(Uint8Array | undefined)[]>;
  getRange(options: object): Iterable<{ key: string; value: Uint8Array }>;
  readonly flushed: PromiseLike<unknown>;
  close(): Promise<void>;
}

/** It gathers writes into transactions by itself; durable before a commit is told, or with `flushed` after it. */
function lmdbBy(flushedLater: boolean): Contender {
  return {
    name: flushedLater ? "lmdb awaiting flushed" : "lmdb",
    isOwn: false,
    writesOnly: flushedLater,
    async open(folder) {
      const { open } = packageNamed("lmdb") as { open(options: object): Lmdb };
      const db = open({ path: join(folder, "db"), noSubdir: true, encoding: "binary", overlappingSync: flushedLater });
      const durable = async (written: Promise<boolean>): Promise<void> => {
        await written;
        if (flushedLater) await db.flushed;
      };
      const getEach = (method: "getBinary" | "getBinaryFast") => (ids: readonly string[]) => {
        let bytes = 0;
        for (const id of ids) bytes += db[method](id)?.length ?? 0;
        return bytes;
      };
      const read = (options: object): number => {
        let bytes = 0;
        for (const { key, value } of db.getRange(options)) bytes += key.length + value.length;
        return bytes;
      };
      return {
        get: {
          getBinary: getEach("getBinary"),
          // Its value is valid until the next call only.
          getBinaryFast: getEach("getBinaryFast"),
        },
        getMany: {
          async getMany(ids) {
            let bytes = 0;
            for (const value of await db.getMany(ids)) bytes += value?.length ?? 0;
            return bytes;
          },
          "getBinary each": getEach("getBinary"),
        },
        scan: { getRange: () => read({}) },
        ranges: {
          getRange: (starts, limit) => starts.reduce((sum, start) => sum + read({ start, limit }), 0),
        },
        put: { put: { blocks: false, put: (id, value) => durable(db.put(id, asBuffer(value))) } },
        load: {
          batch: (items) =>
            inBatches(items, (puts) => durable(db.batch(() => puts.map(([id, value]) => db.put(id, asBuffer(value)))))),
          transactionSync: (items) =>
            inBatches(items, (puts) => {
              db.transactionSync(() => {
                for (const [id, value] of puts) db.putSync(id, asBuffer(value));
              });
              return flushedLater ? Promise.resolve(db.flushed) : undefined;
            }),
        },
        settle: async () => void (await db.flushed),
        close: () => db.close(),
      };
    },
  };
}

export const lmdb = lmdbBy(false);
export const lmdbFlushed = lmdbBy(true);

/** It blocks. The table is its own index (WITHOUT ROWID), so that a get descends one tree. */
export const sqlite: Contender = {
  name: "node:sqlite",
  isOwn: false,
  async open(folder) {
    const db = new DatabaseSync(join(folder, "db"));
    db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
    db.exec(`PRAGMA cache_size = -${cacheBytes / 1_024}; PRAGMA mmap_size = ${2 ** 30};`);
    db.exec("CREATE TABLE IF NOT EXISTS items (id TEXT PRIMARY KEY, value BLOB) STRICT, WITHOUT ROWID");
    const one = db.prepare("SELECT value FROM items WHERE id = ?");
    const all = db.prepare("SELECT id, value FROM items ORDER BY id");
    const range = db.prepare("SELECT id, value FROM items WHERE id >= ? ORDER BY id LIMIT ?");
    const upsert = db.prepare("INSERT INTO items VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET value = excluded.value");
    for (const statement of [one, all, range]) statement.setReturnArrays(true);
    const getEach = (ids: readonly string[]): number => {
      let bytes = 0;
      for (const id of ids) bytes += bytesIn(one.get(id));
      return bytes;
    };
    const together = (puts: readonly Put[]): void => {
      db.exec("BEGIN");
      for (const [id, value] of puts) upsert.run(id, value);
      db.exec("COMMIT");
    };
    return {
      get: { get: getEach },
      getMany: { "get each": getEach },
      scan: {
        iterate() {
          let bytes = 0;
          for (const row of all.iterate()) bytes += bytesIn(row);
          return bytes;
        },
      },
      ranges: {
        all(starts, count) {
          let bytes = 0;
          for (const start of starts) for (const row of range.all(start, count)) bytes += bytesIn(row);
          return bytes;
        },
      },
      put: { run: { blocks: true, put: (id, value) => void upsert.run(id, value), together } },
      load: { transaction: (items) => inBatches(items, together) },
      settle: async () => db.exec("PRAGMA wal_checkpoint(TRUNCATE)"),
      close: async () => db.close(),
    };
  },
};

/** All of a row: its text and its blob. Rows are arrays here, which the declared type does not know. */
function bytesIn(row: unknown): number {
  if (!Array.isArray(row)) return 0;
  let bytes = 0;
  for (const cell of row as readonly unknown[])
    if (typeof cell === "string" || cell instanceof Uint8Array) bytes += cell.length;
  return bytes;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
