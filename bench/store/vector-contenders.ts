/**
 * Searches for near vectors: the store's own, the vector libraries through the same index (M 16, efConstruction 200,
 * squared Euclidean distance, one thread), and sqlite-vec, which compares all.
 *
 * Every item has a slot, a number from 0 to 9,999 that has nothing to do with its vector; a filter keeps the slots
 * below a number. The libraries of vectors have no metadata: where one has filters at all, its caller looks the slot
 * up.
 */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Change } from "../../src/store/item/item.ts";
import type { Collection, SearchHit } from "../../src/store/store.ts";
import { packageNamed } from "../install.ts";
import { contenders as indexes, type Contender as VectorIndexContender } from "../vector/contenders.ts";
import type { DataSet } from "../vector/data.ts";
import { batchItems } from "./contender.ts";
import { openStoreLater } from "./holdfast.ts";

export const k = 10;
export const slots = 10_000;
export const slotOf = (id: number): number => (id * 7_919) % slots;

/** What was found stays until the next query: whoever only measures does not look. */
export interface Search {
  run(query: number): void | Promise<void>;
  found(): readonly number[];
}

export interface OpenVectors {
  search(ef: number): Search;
  /** Among the items whose slot is below that; left out by what cannot. */
  readonly filtered?: (ef: number, belowSlot: number) => Search;
  close(): Promise<void>;
}

export interface VectorContender {
  readonly name: string;
  readonly isOwn: boolean;
  /** It compares all, whatever `ef` says. */
  readonly isExact?: boolean;
  /** In a folder of its own. */
  build(data: DataSet, folder: string): Promise<void>;
  open(data: DataSet, folder: string): Promise<OpenVectors>;
}

const collectionName = "vectors";

function holdfast(quantisation: "none" | "int8"): VectorContender {
  const openIn = async (folder: string, dimension: number) => {
    const store = await openStoreLater({ folder });
    const settings = { vectors: { dimension, metric: "l2", quantisation } } as const;
    return { store, collection: await store.collection(collectionName, settings) };
  };
  return {
    name: quantisation === "none" ? "holdfast f32" : "holdfast int8",
    isOwn: true,
    async build({ vectors }, folder) {
      const { store } = await openIn(folder, vectors[0]!.length);
      for (let from = 0; from < vectors.length; from += batchItems) {
        const some = vectors.slice(from, from + batchItems);
        await store.write(
          some.map((embedding, place): Change => {
            const id = from + place;
            const metadata = { slot: slotOf(id) };
            return { op: "put", collection: collectionName, id: String(id), embedding, metadata };
          }),
        );
      }
      await store.flush();
      await store.compact();
      await store.close();
    },
    async open({ queries }, folder) {
      const { store, collection } = await openIn(folder, queries[0]!.length);
      return {
        search: (ef) => searchIn(collection, queries, ef),
        filtered: (ef, belowSlot) => searchIn(collection, queries, ef, `slot < ${belowSlot}`),
        close: () => store.close(),
      };
    },
  };
}

function searchIn(collection: Collection, queries: readonly Float32Array[], ef: number, filter?: string): Search {
  const options = { k, ef, ...(filter === undefined ? {} : { filter }) };
  let last: readonly SearchHit[] = [];
  return {
    async run(query) {
      last = (await collection.search(queries[query]!, options)).hits;
    },
    found: () => last.map(({ id }) => Number(id)),
  };
}

function library(index: VectorIndexContender): VectorContender {
  const fileIn = (folder: string): string => join(folder, "index");
  const remembering = (search: (query: number) => ArrayLike<number | bigint>): Search => {
    let last: ArrayLike<number | bigint> = [];
    return {
      run(query) {
        last = search(query);
      },
      found: () => Array.from(last, Number),
    };
  };
  return {
    name: index.name,
    isOwn: false,
    build: async (data, folder) => index.build(data, fileIn(folder)),
    async open(data, folder) {
      const searchBy = index.open(data, fileIn(folder), k);
      const filteredBy = index.openFiltered?.(data, fileIn(folder), k);
      const keepsBelow = (belowSlot: number) => (id: number) => slotOf(id) < belowSlot;
      return {
        search: (ef) => remembering(searchBy(ef)),
        ...(filteredBy === undefined
          ? {}
          : { filtered: (ef: number, below: number) => remembering(filteredBy(ef, keepsBelow(below))) }),
        close: async () => {},
      };
    },
  };
}

function sqliteVec(): VectorContender {
  const { getLoadablePath } = packageNamed("sqlite-vec") as { getLoadablePath(): string };
  const openIn = (folder: string): DatabaseSync => {
    const db = new DatabaseSync(join(folder, "db"), { allowExtension: true });
    db.loadExtension(getLoadablePath());
    db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -262144;");
    return db;
  };
  // Found out now where it cannot be loaded at all.
  new DatabaseSync(":memory:", { allowExtension: true }).loadExtension(getLoadablePath());
  const bytesOf = (vector: Float32Array): Uint8Array =>
    new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength);
  return {
    name: "sqlite-vec",
    isOwn: false,
    isExact: true,
    async build({ vectors }, folder) {
      const db = openIn(folder);
      db.exec(`CREATE VIRTUAL TABLE items USING vec0 (embedding float[${vectors[0]!.length}], slot integer)`);
      const insert = db.prepare("INSERT INTO items (rowid, embedding, slot) VALUES (?, ?, ?)");
      for (let from = 0; from < vectors.length; from += batchItems) {
        db.exec("BEGIN");
        for (const [place, vector] of vectors.slice(from, from + batchItems).entries())
          insert.run(BigInt(from + place), bytesOf(vector), BigInt(slotOf(from + place)));
        db.exec("COMMIT");
      }
      db.close();
    },
    async open({ queries }, folder) {
      const db = openIn(folder);
      const all = db.prepare("SELECT rowid, distance FROM items WHERE embedding MATCH ? AND k = ?");
      const some = db.prepare("SELECT rowid, distance FROM items WHERE embedding MATCH ? AND k = ? AND slot < ?");
      const searching = (search: (vector: Uint8Array) => readonly Record<string, unknown>[]): Search => {
        let last: readonly Record<string, unknown>[] = [];
        return {
          run(query) {
            last = search(bytesOf(queries[query]!));
          },
          found: () => last.map(({ rowid }) => Number(rowid)),
        };
      };
      return {
        search: () => searching((vector) => all.all(vector, BigInt(k))),
        filtered: (_, belowSlot) => searching((vector) => some.all(vector, BigInt(k), BigInt(belowSlot))),
        close: async () => db.close(),
      };
    },
  };
}

/** All that can be loaded here, and a line for each that cannot. */
export function vectorContenders(): { readonly found: VectorContender[]; readonly missing: readonly string[] } {
  const { found, missing } = indexes();
  const peers = found.filter(({ kind }) => kind !== "holdfast").map(library);
  try {
    peers.push(sqliteVec());
  } catch (error) {
    missing.push(`sqlite-vec is left out: its extension cannot be loaded (${String(error)}).`);
  }
  return { found: [holdfast("none"), holdfast("int8"), ...peers], missing };
}
