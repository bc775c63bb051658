/**
 * Every byte of a store changed, one at a time: each answer is the right one, or an error that names the file and the
 * place. Never a wrong answer, never "not found" for what was there, nothing that comes back, no crash.
 *
 * Each changed store is opened for reading, and asked for all that the changed file can have to do with; every so often
 * it is also opened for writing, asked everything, salvaged, asked again, merged into one segment, and asked once more.
 */
import { basename } from "node:path";
import { HoldfastError } from "../../src/base/index.ts";
import { openStore } from "../../src/store/engine/open-store.ts";
import type { Collection, Store, StoreOptions } from "../../src/store/store.ts";
import { MemoryDisk } from "../wal/memory-disk.ts";
import {
  type Asked,
  allEdgesOf,
  collectionsOf,
  edgesOf,
  type FlipStore,
  hitsOf,
  scanned,
  shown,
  storeOptions,
} from "./flip-store.ts";

export interface FlipCounts {
  flips: number;
  /** Opened, and everything that was asked was answered rightly. */
  right: number;
  /** Opened, and some of it ended in an error that names the place. */
  partly: number;
  refused: number;
  answers: number;
  typed: Record<string, number>;
  /** Where the byte was: stores that answered all rightly, and others. */
  byPart: Record<string, readonly [number, number]>;
  /** Salvaged and merged. */
  mended: number;
  /** Questions after that which ended in a named loss, and those that were answered. */
  mendedLost: number;
  mendedRight: number;
  /** Stores of which nothing at all was lost after they were mended. */
  mendedWhole: number;
}

export interface FlipOptions {
  readonly stride: number;
  readonly start: number;
  /** One in so many is mended too. */
  readonly mendEach: number;
  /** Every so many flips: told of what came of it so far. */
  readonly onProgress?: (counts: FlipCounts, faults: readonly string[]) => void;
  /** Whether the time is over. */
  readonly isOver?: () => boolean;
}

export function newCounts(): FlipCounts {
  return {
    ...{ flips: 0, right: 0, partly: 0, refused: 0, answers: 0, typed: {}, byPart: {} },
    ...{ mended: 0, mendedLost: 0, mendedRight: 0, mendedWhole: 0 },
  };
}

export async function flipBytes(
  flipped: FlipStore,
  options: FlipOptions,
): Promise<{ readonly counts: FlipCounts; readonly faults: readonly string[] }> {
  const counts = newCounts();
  const faults: string[] = [];
  await using open = await openStore(storeOptions(new MemoryDisk(flipped.files), { readOnly: true, cacheBytes: 0 }));
  let place = 0;
  for (const [path, bytes] of flipped.files) {
    for (let at = 0; at < bytes.length; at++, place++) {
      if (place % options.stride !== options.start) continue;
      const mask = counts.flips % 2 === 0 ? 0xff : 1 << ((counts.flips >> 1) % 8);
      bytes[at]! ^= mask;
      try {
        const flip = new Flip(flipped, path, at, counts, open);
        await flip.read();
        if (counts.flips % options.mendEach === 0) await flip.mend();
        faults.push(...flip.faults.map((fault) => `${path} at ${at}, mask ${mask}: ${fault}`));
      } catch (error) {
        faults.push(`${path} at ${at}, mask ${mask}: ${error instanceof Error ? error.stack : error}`);
      } finally {
        bytes[at]! ^= mask;
      }
      counts.flips++;
      if (counts.flips % 1_000 === 0) options.onProgress?.(counts, faults);
      if (options.isOver?.() === true) return { counts, faults };
    }
  }
  return { counts, faults };
}

class Flip {
  readonly faults: string[] = [];
  readonly #store: FlipStore;
  readonly #path: string;
  readonly #at: number;
  readonly #open: Store;
  readonly #counts: FlipCounts;
  #errors = 0;
  #asked = 0;
  #isMended = false;

  constructor(store: FlipStore, path: string, at: number, counts: FlipCounts, open: Store) {
    this.#store = store;
    this.#path = path;
    this.#at = at;
    this.#open = open;
    this.#counts = counts;
  }

  /** For reading, what the file can have to do with. */
  async read(): Promise<void> {
    const counts = this.#counts;
    const { flips } = counts;
    const { ids, isDerived, isRecord, hasEdges } = this.#store.near(this.#path, this.#at);
    const store = isRecord && flips % 32 !== 0 ? this.#open : await this.#opened({ readOnly: true });
    if (store === undefined) {
      counts.refused++;
      return;
    }
    const { truth } = this.#store;
    const collections = await collectionsOf(store);
    for (const asked of ids) await this.#get(collections, asked);
    for (let place = 0; place < 8; place++)
      await this.#get(collections, truth.asked[(flips * 8 + place) % truth.asked.length]!);
    if (isDerived || (!isRecord && flips % 8 === 0)) {
      await this.#neighbours(collections, ids[flips % ids.length] ?? truth.asked[0]!);
      await this.#search(collections, flips % truth.searches.length);
    }
    if (hasEdges) await this.#edges(collections);
    if (flips % 64 === 0) await this.#scans(collections);
    if (store !== this.#open) await store.close();
    counts.answers += this.#asked;
    if (this.#errors === 0) counts.right++;
    else counts.partly++;
    const what = `${kindOf(this.#path)}${isRecord ? " record" : isDerived ? " derived" : ""}`;
    const [right, partly] = counts.byPart[what] ?? [0, 0];
    counts.byPart[what] = this.#errors === 0 ? [right + 1, partly] : [right, partly + 1];
  }

  /** For writing, everything: as it is, salvaged, merged, and opened anew. */
  async mend(): Promise<void> {
    const disk = new MemoryDisk(this.#store.files);
    const store = await this.#opened({}, disk);
    if (store === undefined) return await this.#salvageLog();
    this.#counts.mended++;
    await this.#everything(store);
    const isSeen = this.#errors > 0;
    await store.maintain();
    this.#isMended = true;
    await this.#everything(store, "salvaged");
    const { findings } = await store.verify();
    // What nobody reads (a content that is garbage) nobody finds damaged.
    for (const { severity, part, reason } of findings)
      if (isSeen && severity !== "known" && severity !== "harmless" && part !== "handle")
        this.faults.push(`salvaged: ${part}: ${reason}`);
    await store.compact();
    await this.#everything(store, "merged");
    await store.compactContent({ minimumGarbage: 0 });
    await store.close();
    this.#errors = 0;
    this.#asked = 0;
    const again = await this.#opened({ readOnly: true }, disk);
    if (again === undefined) this.faults.push("it cannot be opened again");
    else {
      await this.#everything(again, "opened again");
      await again.close();
    }
    this.#counts.mendedLost += this.#errors;
    this.#counts.mendedRight += this.#asked - this.#errors;
    if (this.#errors === 0) this.#counts.mendedWhole++;
  }

  /** Of a log of which something was lost nobody knows what it was about: what never stood in it is right. */
  async #salvageLog(): Promise<void> {
    if (kindOf(this.#path) !== "log") return;
    const store = await this.#opened({ recovery: "salvage" });
    if (store === undefined) return void this.faults.push("the log cannot be salvaged");
    this.#counts.mended++;
    const { lost } = store.statistics();
    if (!lost.some(({ path }) => kindOf(path) === "log")) this.faults.push("the loss is not named");
    const collections = await collectionsOf(store);
    for (const asked of this.#store.truth.asked)
      if (!this.#store.inLog.has(`${asked.collection}/${asked.id}`))
        await this.#get(collections, asked, "salvaged log");
    await store.close();
  }

  async #opened(more: Partial<StoreOptions>, disk = new MemoryDisk(this.#store.files)): Promise<Store | undefined> {
    try {
      return await openStore(storeOptions(disk, more));
    } catch (error) {
      this.#judged("opening", error);
      return undefined;
    }
  }

  async #everything(store: Store, when = "damaged"): Promise<void> {
    const collections = await collectionsOf(store);
    const { truth } = this.#store;
    for (const asked of truth.asked) await this.#get(collections, asked, when);
    for (const asked of truth.asked) await this.#neighbours(collections, asked, when);
    for (const place of truth.searches.keys()) await this.#search(collections, place, when);
    await this.#scans(collections, when);
    await this.#edges(collections, when);
  }

  async #edges(collections: ReadonlyMap<string, Collection>, when = "damaged"): Promise<void> {
    for (const [name, expected] of this.#store.truth.edges)
      await this.#compare(`${when}: all edges of ${name}`, expected, () => allEdgesOf(collections.get(name)!));
  }

  async #get(collections: ReadonlyMap<string, Collection>, { collection, id }: Asked, when = "damaged"): Promise<void> {
    const { items } = this.#store.truth;
    const name = `${collection}/${id}`;
    await this.#compare(`${when}: ${name}`, items.get(name), () => {
      const found = collections.get(collection)!.peek(id);
      return found instanceof Promise ? found.then(shown) : shown(found);
    });
  }

  async #neighbours(
    collections: ReadonlyMap<string, Collection>,
    { collection, id }: Asked,
    when = "damaged",
  ): Promise<void> {
    const name = `${collection}/${id}`;
    const expected = this.#store.truth.neighbours.get(name);
    await this.#compare(`${when}: edges of ${name}`, expected, () => edgesOf(collections.get(collection)!, id));
  }

  async #search(collections: ReadonlyMap<string, Collection>, place: number, when = "damaged"): Promise<void> {
    const { query, hits } = this.#store.truth.searches[place]!;
    await this.#compare(`${when}: search ${place}`, hits, () => hitsOf(collections.get("notes")!, query));
  }

  async #scans(collections: ReadonlyMap<string, Collection>, when = "damaged"): Promise<void> {
    for (const [name, expected] of this.#store.truth.scans)
      await this.#compare(`${when}: scan of ${name}`, expected.join("\n"), async () =>
        (await scanned(collections.get(name)!)).join("\n"),
      );
  }

  async #compare(what: string, expected: string | undefined, ask: () => unknown): Promise<void> {
    this.#asked++;
    try {
      const answer = ask();
      const found = answer instanceof Promise ? await answer : answer;
      if (found !== expected)
        this.faults.push(`${what}: ${String(found).slice(0, 160)} instead of ${String(expected).slice(0, 160)}`);
    } catch (error) {
      this.#errors++;
      this.#judged(what, error);
    }
  }

  /** An error is right where it names a place, and until the file was written anew one of the file that was changed. */
  #judged(what: string, error: unknown): void {
    if (!HoldfastError.is(error))
      return void this.faults.push(`${what}: ${error instanceof Error ? error.stack : error}`);
    const { path, offset } = error.details;
    const name = `${error.code} of a ${kindOf(this.#path)}`;
    this.#counts.typed[name] = (this.#counts.typed[name] ?? 0) + 1;
    if (typeof path !== "string" || typeof offset !== "number")
      this.faults.push(`${what}: ${error.code} names no place: ${error.message}`);
    else if (path !== this.#path && !this.#isMended && !isNextOf(path, this.#path))
      this.faults.push(`${what}: ${error.code} blames ${path}`);
  }
}

/** A log is a chain: that a file does not go on as it should may be seen in the next one. Two are the manifest. */
function isNextOf(path: string, changed: string): boolean {
  const both = [path, changed].map(kindOf);
  return both[0] === both[1] && (both[0] === "log" || both[0] === "manifest");
}

function kindOf(path: string): string {
  if (path.includes("/log/")) return "log";
  return /\.(segment|content)$/.exec(basename(path))?.[1] ?? "manifest";
}
