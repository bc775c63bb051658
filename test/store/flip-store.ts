/** A closed store of about a megabyte with something of everything in it, and what it has to answer. */
import { seededRandom, VirtualClock } from "../../src/base/index.ts";
import { openStore } from "../../src/store/engine/open-store.ts";
import type { Collection, CollectionReader, Item, Store, StoreOptions } from "../../src/store/store.ts";
import { type Files, MemoryDisk } from "../wal/memory-disk.ts";

export const folder = "/store";
export const dimension = 8;

export interface Asked {
  readonly collection: string;
  readonly id: string;
}

/** What a whole store answers, by question. */
export interface Truth {
  /** Items that are there and items that are not, each with its text; undefined for those that are not. */
  readonly items: ReadonlyMap<string, string | undefined>;
  readonly asked: readonly Asked[];
  readonly scans: ReadonlyMap<string, readonly string[]>;
  readonly neighbours: ReadonlyMap<string, string>;
  readonly searches: readonly { readonly query: Float32Array; readonly hits: string }[];
}

export interface FlipStore {
  readonly files: Map<string, Uint8Array>;
  readonly truth: Truth;
  /** The ids that stand in each segment and each content file, and in the log. */
  readonly idsIn: ReadonlyMap<string, readonly Asked[]>;
}

export function storeOptions(disk: MemoryDisk, more: Partial<StoreOptions> = {}): StoreOptions {
  const clock = new VirtualClock();
  return { folder, disk, clock, background: "slices", manual: true, contentFromBytes: 1_024, ...more };
}

/** Rounds of writes, each flushed; the first are merged. `scale` 1 gives about a megabyte. */
export async function makeFlipStore({ scale = 1, seed = 1 } = {}): Promise<FlipStore> {
  const disk = new MemoryDisk();
  const random = seededRandom(seed);
  const notedIn = new Map<string, Asked[]>();
  const all = new Map<string, Asked>();
  const store = await openStore(storeOptions(disk));
  const notes = await store.collection("notes", { vectors: { dimension, metric: "l2" } });
  const people = await store.collection("people");
  const ids = Array.from({ length: Math.ceil(420 * scale) }, (_, place) => `n${String(place).padStart(5, "0")}`);
  let written: Asked[] = [];
  const put = async (collection: Collection, id: string, round: number): Promise<void> => {
    const isLong = collection === notes && random() < 0.2;
    const text = `${id} of round ${round} ${randomText(random, isLong ? 1_400 : 260)}`;
    const embedding = Float32Array.from({ length: dimension }, () => random() * 2 - 1);
    const target = ids[Math.floor(random() * ids.length)]!;
    await collection.put(
      id,
      {
        content: text,
        metadata: { round, topic: `t${Math.floor(random() * 5)}` },
        kappa: Math.round(random() * 8) / 8,
        ...(collection === notes ? { embedding } : {}),
        ...(random() < 0.5 ? { edges: [{ type: "next", target, weight: 0.25 + round }] } : {}),
      },
      { durability: "visible" },
    );
    note(collection.name, id);
  };
  const note = (collection: string, id: string): void => {
    const asked = { collection, id };
    written.push(asked);
    all.set(`${collection}/${id}`, asked);
  };
  const flushed = async (merge: boolean): Promise<void> => {
    const before = new Set(disk.files().keys());
    await store.flush();
    if (merge) await store.compact();
    for (const path of disk.files().keys()) if (!before.has(path) && /\.(segment|content)$/.test(path)) notedIn.set(path, written);
    if (!merge) written = [];
  };
  for (const [place, id] of ids.entries()) await put(place % 4 === 3 ? people : notes, id, 1);
  await flushed(true);
  const first = written;
  written = [];
  for (let round = 2; round <= 4; round++) {
    for (const id of ids) {
      const chance = random();
      if (chance < 0.25) await put(notes, id, round);
      else if (chance < 0.31) {
        await notes.delete(id, { durability: "visible" });
        note("notes", id);
      }
    }
    if (round === 2) {
      written.push(...first);
      await flushed(true);
      written = [];
    } else await flushed(false);
  }
  for (const id of ids.filter((_, place) => place % 14 === 0)) await put(notes, id, 5);
  await notes.delete(ids[1]!);
  note("notes", ids[1]!);
  notedIn.set("log", written);
  await store.close();
  for (let place = 0; place < 20; place++) note("notes", `never ${place}`);
  const files = new Map([...disk.files()].filter(([path]) => !path.includes("lock")));
  const asked = [...all.values()];
  return { files, truth: await truthOf(files, asked, random), idsIn: idsIn(files, notedIn, asked) };
}

function randomText(random: () => number, length: number): string {
  let text = "";
  while (text.length < length) text += Math.floor(random() * 2 ** 32).toString(36);
  return text;
}

/** A file that a merge made holds what all had that it was made of: all that were written before it. */
function idsIn(files: Files, noted: ReadonlyMap<string, readonly Asked[]>, all: readonly Asked[]) {
  return new Map([...files.keys()].map((path) => [path, path.includes("/log/") ? noted.get("log")! : (noted.get(path) ?? all)]));
}

export function shown(item: Item | undefined): string | undefined {
  if (item === undefined) return undefined;
  const { id, version, content, metadata, kappa, embedding } = item;
  return JSON.stringify([id, version, content, metadata, kappa, embedding === undefined ? null : [...embedding]]);
}

async function truthOf(files: Files, asked: readonly Asked[], random: () => number): Promise<Truth> {
  await using store = await openStore(storeOptions(new MemoryDisk(files), { readOnly: true }));
  const items = new Map<string, string | undefined>();
  const neighbours = new Map<string, string>();
  const scans = new Map<string, readonly string[]>();
  for (const { collection, id } of asked) {
    const reader = await store.collection(collection);
    items.set(`${collection}/${id}`, shown(await reader.get(id)));
    neighbours.set(`${collection}/${id}`, await edgesOf(reader, id));
  }
  for (const { name } of store.collections()) scans.set(name, await scanned(await store.collection(name)));
  const notes = await store.collection("notes");
  const searches: { readonly query: Float32Array; readonly hits: string }[] = [];
  for (let place = 0; place < 3; place++) {
    const query = Float32Array.from({ length: dimension }, () => random() * 2 - 1);
    searches.push({ query, hits: await hitsOf(notes, query) });
  }
  return { items, asked, scans, neighbours, searches };
}

export async function scanned(reader: CollectionReader): Promise<string[]> {
  const found: string[] = [];
  for await (const item of reader.scan()) found.push(shown(item) ?? "");
  return found;
}

export async function edgesOf(reader: CollectionReader, id: string): Promise<string> {
  return JSON.stringify(await reader.neighbours(id, { direction: "out" }));
}

/** By vectors of one segment or another, ties aside, the nearest are the same ones. */
export async function hitsOf(reader: CollectionReader, query: Float32Array): Promise<string> {
  const { hits } = await reader.search(query, { k: 8, ef: 512 });
  return JSON.stringify(hits.map(({ id, version }) => [id, version]));
}

export async function collectionsOf(store: Store): Promise<ReadonlyMap<string, Collection>> {
  const found = new Map<string, Collection>();
  for (const { name } of store.collections()) found.set(name, await store.collection(name));
  return found;
}
