/**
 * What a store holds, for those who do not own it: no lock is taken and nothing is changed, so that it can be asked
 * while another process writes, and after one that was killed.
 *
 * What is read is the store at one instant. The log is read first and the manifest after it: what the log no longer has
 * by then is in the segments that the manifest names. Where a merge has taken a file away meanwhile, it begins again.
 */

import { join } from "node:path";
import { type Clock, HoldfastError, systemClock } from "../../base/index.ts";
import type { Disk } from "../../disk/index.ts";
import { readWal, type WalEntry } from "../../wal/index.ts";
import { segmentsByAge } from "../compaction/pick.ts";
import { ContentFile } from "../content/content-file.ts";
import { decodeHandle } from "../content/index.ts";
import { decodeLost, lostValueName } from "../damage/lost-codec.ts";
import type { LostRanges } from "../damage/lost-ranges.ts";
import type { Entry } from "../entry.ts";
import type { Item } from "../item/item.ts";
import { idIn, itemPrefix } from "../item/item-key.ts";
import { ItemRecord } from "../item/record.ts";
import { fileName } from "../manifest/names.ts";
import { readManifest } from "../manifest/open-manifest.ts";
import type { ManifestFile, ManifestState } from "../manifest/state.ts";
import { Memtable } from "../memtable/memtable.ts";
import { scanEntries } from "../merge/scan.ts";
import { BlockCache } from "../segment/block-cache.ts";
import { decodeCommit } from "./commit-codec.ts";
import { contentFacts } from "./content-catalog.ts";
import { SegmentLayer } from "./segment-layer.ts";
import { StoredItem } from "./stored-item.ts";

export interface ReadItemsOptions {
  readonly disk: Disk;
  readonly folder: string;
  readonly collections: readonly string[];
  readonly clock?: Clock;
  readonly signal?: AbortSignal;
}

const triesLimit = 5;
const cacheBytes = 4 * 2 ** 20;

/**
 * The items of these collections, each in the order of its ids; none where there is no such collection, or no store.
 * Throws what `openStore` throws of damage; all of it is in memory afterwards.
 */
export async function readItems(options: ReadItemsOptions): Promise<ReadonlyMap<string, readonly Item[]>> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await readOnce(options);
    } catch (error) {
      if (!HoldfastError.is(error) || attempt === triesLimit) throw error;
    }
  }
}

async function readOnce({ disk, folder, collections, clock = systemClock, signal }: ReadItemsOptions) {
  const items = new Map<string, Item[]>(collections.map((name) => [name, []]));
  const logged = await loggedIn(disk, join(folder, "log"), signal);
  const read = await readManifest({ disk, folder });
  if (read === undefined) return items;
  const { state } = read;
  const memory = new Memtable();
  for (const { sequence, payload } of logged)
    if (sequence > state.flushedPosition) for (const entry of decodeCommit(payload, sequence)) memory.put(entry);
  const segments: SegmentLayer[] = [];
  try {
    const cache = new BlockCache({ limitBytes: cacheBytes });
    for (const file of segmentsByAge(state.files.values()))
      segments.push(await SegmentLayer.open({ disk, folder, cache, file, lost: lostOf(file, state) }));
    const sources = [memory, ...segments.map(({ source }) => source)];
    for (const [collection, found] of items) {
      const prefix = itemPrefix(collection);
      const range = { prefix, nowMs: clock.nowMs(), ...(signal === undefined ? {} : { signal }) };
      for await (const batch of scanEntries(sources, range))
        for (const entry of batch) found.push(await itemOf(collection, prefix, entry, { disk, folder, state }));
    }
    return items;
  } finally {
    for (const segment of segments) await segment.close();
  }
}

function lostOf({ id }: ManifestFile, { values }: ManifestState): LostRanges {
  return decodeLost(values.get(lostValueName(id)));
}

async function loggedIn(disk: Disk, folder: string, signal: AbortSignal | undefined): Promise<WalEntry[]> {
  const entries: WalEntry[] = [];
  if ((await disk.stat(folder)) === undefined) return entries;
  for await (const entry of readWal(disk, folder, { signal })) entries.push(entry);
  return entries;
}

async function itemOf(
  collection: string,
  prefix: Uint8Array,
  entry: Entry,
  { disk, folder, state }: { readonly disk: Disk; readonly folder: string; readonly state: ManifestState },
): Promise<Item> {
  const id = idIn(entry.key, prefix.length);
  const record = new ItemRecord(entry.value);
  const withContent = (fetched?: Uint8Array) => new StoredItem(collection, id, "normal", entry, record, fetched);
  if (!record.isInContentLog) return withContent();
  const handle = decodeHandle(record.contentBytes);
  const held = [...state.files.values()].find(
    (file) => file.kind === "content" && contentFacts(file, state.values).sources.includes(handle.file),
  );
  if (held === undefined) {
    throw new HoldfastError("STORE_CONTENT_MISSING", `no file has the content of ${collection}/${id}`, {
      hint: "A file of the store is gone: verify the store, restore it from a backup.",
      details: { file: handle.file, row: handle.row },
    });
  }
  const file = await ContentFile.open(disk, join(folder, fileName(held)), held.id);
  try {
    return withContent(await file.read(handle));
  } finally {
    await file.close();
  }
}
