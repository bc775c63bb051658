/** A closed store of about a megabyte with something of everything in it, and what it has to answer. */
import { basename } from "node:path";
import { seededRandom, VirtualClock } from "../../src/base/index.ts";
import { decodeHandle } from "../../src/store/content/index.ts";
import { openStore } from "../../src/store/engine/open-store.ts";
import { entryKind } from "../../src/store/entry.ts";
import type { Item } from "../../src/store/item/item.ts";
import { nodeParts, parseKey } from "../../src/store/item/item-key.ts";
import { ItemRecord } from "../../src/store/item/record.ts";
import { BlockCache } from "../../src/store/segment/block-cache.ts";
import { openSegment } from "../../src/store/segment/segment.ts";
import type { Collection, CollectionReader, Store, StoreOptions } from "../../src/store/store.ts";
import { type Files, MemoryDisk } from "../wal/memory-disk.ts";

export const folder = "/store";
export const dimension = 4;

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
  readonly edges: ReadonlyMap<string, string>;
  readonly neighbours: ReadonlyMap<string, string>;
  readonly searches: readonly { readonly query: Float32Array; readonly hits: string }[];
}

export interface FlipStore {
  readonly files: Map<string, Uint8Array>;
  readonly truth: Truth;
  /** What to ask where this byte was changed. */
  near(path: string, at: number): Near;
  /** What the log alone holds. */
  readonly inLog: ReadonlySet<string>;
}

export interface Near {
  readonly ids: readonly Asked[];
  /** The byte is one of what is derived from the entries: the graph, or vectors. */
  readonly isDerived: boolean;
  /** The byte is read by questions alone: a store that is open already, and keeps nothing in memory, sees it. */
  readonly isRecord: boolean;
  /** Edges stand in the block, which only a scan of them reads. */
  readonly hasEdges: boolean;
}

export function storeOptions(disk: MemoryDisk, more: Partial<StoreOptions> = {}): StoreOptions {
  const clock = new VirtualClock();
  return { folder, disk, clock, background: "slices", manual: true, contentFromBytes: 1_024, ...more };
}

/** Rounds of writes, each flushed; the first are merged. `scale` 1 gives about a megabyte. */
export async function makeFlipStore({ scale = 1.8, seed = 1 } = {}): Promise<FlipStore> {
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
    for (const path of disk.files().keys())
      if (!before.has(path) && /\.(segment|content)$/.test(path)) notedIn.set(path, written);
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
  for (const id of ids.filter((_, place) => place % 14 === 3)) await put(people, id, 5);
  await people.delete(ids[3]!);
  note("people", ids[3]!);
  notedIn.set("log", written);
  const inLog = new Set(written.map(({ collection, id }) => `${collection}/${id}`));
  await store.close();
  for (let place = 0; place < 20; place++) note("notes", `never ${place}`);
  const files = new Map([...disk.files()].filter(([path]) => !path.includes("lock")));
  const asked = [...all.values()];
  return { files, truth: await truthOf(files, asked, random), near: await nearness(files, notedIn, asked), inLog };
}

function randomText(random: () => number, length: number): string {
  let text = "";
  while (text.length < length) text += Math.floor(random() * 2 ** 32).toString(36);
  return text;
}

type Nearness = FlipStore["near"];

/**
 * Of a block of a segment: the ids in it and in those beside it. Of anything else that is read for every question: a
 * sample of all that the file can have, another one for each byte.
 */
async function nearness(
  files: Files,
  noted: ReadonlyMap<string, readonly Asked[]>,
  all: readonly Asked[],
): Promise<Nearness> {
  const bySegment = new Map<string, SegmentParts>();
  const byHandle = new Map<string, Asked>();
  for (const path of files.keys())
    if (path.endsWith(".segment")) bySegment.set(path, await partsOf(files, path, byHandle));
  return (path, at) => {
    const record = path.endsWith(".content") ? recordAt(files.get(path)!, at) : undefined;
    const asked = record === undefined ? undefined : byHandle.get(record);
    if (record !== undefined)
      return { ids: asked === undefined ? [] : [asked], isDerived: false, isRecord: true, hasEdges: false };
    const segment = bySegment.get(path);
    const parts = segment?.blocks.findLast(({ offset }) => offset <= at);
    if (segment !== undefined && parts !== undefined && at < segment.dataEnd)
      return { ...parts, isDerived: false, isRecord: true };
    const isDerived = segment !== undefined && at >= segment.derivedFrom && at < segment.derivedTo;
    const ids = path.includes("/log/") ? noted.get("log")! : (noted.get(path) ?? all);
    const sample = isDerived ? 4 : 24;
    const sampled = Array.from({ length: sample }, (_, place) => ids[(at * 7 + place * 13) % ids.length]!);
    return { ids: sampled, isDerived, isRecord: false, hasEdges: false };
  };
}

/** Which content lies there: its file and row; undefined outside of all. */
function recordAt(bytes: Uint8Array, at: number): string | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const end = Number(view.getBigUint64(bytes.length - 40, true));
  for (let offset = 32; offset < end && offset <= at; ) {
    const next = offset + Math.ceil((24 + view.getUint32(offset + 4, true)) / 8) * 8;
    if (at < next) return `${view.getBigUint64(offset + 8, true)}:${view.getUint32(offset + 16, true)}`;
    offset = next;
  }
  return undefined;
}

interface SegmentParts {
  readonly blocks: readonly { readonly offset: number; readonly ids: readonly Asked[]; readonly hasEdges: boolean }[];
  readonly dataEnd: number;
  readonly derivedFrom: number;
  readonly derivedTo: number;
}

async function partsOf(files: Files, path: string, byHandle: Map<string, Asked>): Promise<SegmentParts> {
  const name = basename(path);
  const cache = new BlockCache({ limitBytes: 2 ** 20 });
  await using segment = await openSegment({
    disk: new MemoryDisk(files),
    folder,
    name,
    fileId: Number.parseInt(name, 10),
    cache,
  });
  const { data } = await segment.parts();
  const { index } = data;
  const edges = new Set<number>();
  const own: Asked[][] = Array.from({ length: index.blocks }, () => []);
  for await (const batch of segment.scan({ withGone: true }))
    for (const { key, sequence, kind, value } of batch) {
      const parsed = parseKey(key);
      if (parsed === undefined) continue;
      if (parsed.kind === "edge") edges.add(index.blockFor(key, sequence));
      if (parsed.kind === "item" && kind === entryKind.value && new ItemRecord(value).isInContentLog) {
        const { file, row } = decodeHandle(new ItemRecord(value).contentBytes);
        byHandle.set(`${file}:${row}`, { collection: parsed.collection, id: parsed.id });
      }
      const node = parsed.kind === "item" ? parsed : nodeParts(parsed.source);
      own[index.blockFor(key, sequence)]!.push({ collection: node.collection, id: node.id });
    }
  const blocks = own.map((_, place) => ({
    offset: index.offsets[place]!,
    ids: [0, -1, 1].flatMap((step) => own[place + step] ?? []).slice(0, 24),
    hasEdges: edges.has(place),
  }));
  const sections = segment.file.sections;
  const derived = sections.filter(({ type }) => type >= 256);
  const dataSection = sections.find(({ type }) => type === 1)!;
  return {
    blocks,
    dataEnd: dataSection.offset + dataSection.lengthBytes,
    derivedFrom: Math.min(...derived.map(({ offset }) => offset)),
    derivedTo: Math.max(...derived.map(({ offset, lengthBytes }) => offset + lengthBytes)),
  };
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
  const edges = new Map<string, string>();
  for (const { name } of store.collections()) {
    scans.set(name, await scanned(await store.collection(name)));
    edges.set(name, await allEdgesOf(await store.collection(name)));
  }
  const notes = await store.collection("notes");
  const searches: { readonly query: Float32Array; readonly hits: string }[] = [];
  for (let place = 0; place < 3; place++) {
    const query = Float32Array.from({ length: dimension }, () => random() * 2 - 1);
    searches.push({ query, hits: await hitsOf(notes, query) });
  }
  return { items, asked, scans, edges, neighbours, searches };
}

export async function scanned(reader: CollectionReader): Promise<string[]> {
  const found: string[] = [];
  for await (const item of reader.scan()) found.push(shown(item) ?? "");
  return found;
}

export async function edgesOf(reader: CollectionReader, id: string): Promise<string> {
  return JSON.stringify(await reader.neighbours(id, { direction: "out" }));
}

export async function allEdgesOf(reader: CollectionReader): Promise<string> {
  let text = "";
  for await (const { source, type, target, weight } of reader.scanEdges())
    text += `${source} ${type} ${target} ${weight}\n`;
  return text;
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
