/**
 * What is measured: stores of items under ids, each used in the ways its users would use it.
 *
 * What answers at once is called at once, what gives promises is awaited. A store that offers both is measured both
 * ways, each a line of its own. Reading returns how many bytes of content it was given, so that nobody can leave out
 * the work; a put resolves once it would survive power loss.
 */
import { seededRandom } from "../../src/base/index.ts";
import { makeRecords } from "../wal/contender.ts";

export interface Items {
  /** In the order they are loaded: shuffled, the same in every run. */
  readonly ids: readonly string[];
  /** The item at a place has the value at that place. */
  readonly valueAt: (place: number) => Uint8Array;
  /** As many ids again, of which every second is stored and none is in order: what puts are given. */
  readonly writtenIds: readonly string[];
}

export type Answer = number | Promise<number>;
/** By name: one line of a table each. */
export type Ways<Run> = Readonly<Record<string, Run>>;

/** One that blocks is alone on its thread: it has no writers side by side, each put is a transaction of its own. */
export type PutWay =
  | {
      readonly blocks: true;
      put(id: string, value: Uint8Array): void;
      /** All in one transaction: what a program could make of a blocking store; not the same promise to each writer. */
      together(puts: readonly (readonly [string, Uint8Array])[]): void;
    }
  | { readonly blocks: false; put(id: string, value: Uint8Array): Promise<unknown> };

export interface KeyValueStore {
  readonly get: Ways<(ids: readonly string[]) => Answer>;
  readonly getMany: Ways<(ids: readonly string[]) => Answer>;
  readonly scan: Ways<() => Answer>;
  /** From each id on, `count` items. */
  readonly ranges: Ways<(starts: readonly string[], count: number) => Answer>;
  readonly put: Ways<PutWay>;
  /** In batches of 1,000, each one atomic and durable before the next begins. */
  readonly load: Ways<(items: Items) => Promise<void>>;
  /** Everything into its files, and these merged, where the store has such a thing. */
  settle(): Promise<void>;
  close(): Promise<void>;
}

export interface OpenOptions {
  /** What is loaded stays in the table in memory, where the store has one. */
  readonly keepsInMemory?: boolean;
}

export interface Contender {
  readonly name: string;
  readonly isOwn: boolean;
  /** A second set of options for the same store that differs in writing alone. */
  readonly writesOnly?: boolean;
  /** In a folder that exists and is its own. */
  open(folder: string, options?: OpenOptions): Promise<KeyValueStore>;
}

export const batchItems = 1_000;
export const valueBytes = 400;
/** Of every store that has a cache to set. */
export const cacheBytes = 256 * 2 ** 20;

export function makeItems(count: number): Items {
  const random = seededRandom(1);
  const records = makeRecords(4_096, random);
  const digits = Math.max(6, String(2 * count - 1).length);
  const numbered = (number: number): string => `item-${String(number).padStart(digits, "0")}`;
  const shuffled = (length: number): number[] => {
    const list = Array.from({ length }, (_, place) => place);
    for (let left = length - 1; left > 0; left--) {
      const other = Math.floor(random() * (left + 1));
      [list[left], list[other]] = [list[other]!, list[left]!];
    }
    return list;
  };
  return {
    // Even numbers are loaded, odd ones are not.
    ids: shuffled(count).map((number) => numbered(2 * number)),
    valueAt: (place) => records[place % records.length]!,
    writtenIds: shuffled(2 * count).map(numbered),
  };
}

/** The loads of all stores: `batch` makes one batch durable. */
export async function inBatches(
  items: Items,
  batch: (puts: readonly (readonly [string, Uint8Array])[]) => void | Promise<unknown>,
): Promise<void> {
  for (let from = 0; from < items.ids.length; from += batchItems) {
    const ids = items.ids.slice(from, from + batchItems);
    const writing = batch(ids.map((id, place) => [id, items.valueAt(from + place)] as const));
    if (writing instanceof Promise) await writing;
  }
}
