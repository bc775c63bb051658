/** Where the newest version of a key stands: not only what it says, but which layer holds it. */

import type { Entry } from "../entry.ts";
import { hashKey } from "../key.ts";
import { Turns } from "../merge/turns.ts";
import type { Hold } from "./read-scope.ts";
import type { Layer } from "./view.ts";

export interface NewestVersion {
  readonly layer: Layer;
  readonly entry: Entry;
}

const hash = new Uint32Array(2);

/**
 * For each of the keys, one after the other: a tombstone too; undefined where no layer knows the key. Lets others run
 * in between. Keys in their order are quickest: neighbours share a block.
 */
export async function eachNewestVersion(
  { view, atSequence }: Hold,
  keys: readonly Uint8Array[],
  visit: (newest: NewestVersion | undefined, place: number) => void,
  signal?: AbortSignal,
): Promise<void> {
  const turns = new Turns();
  for (const [place, key] of keys.entries()) {
    const newest = newestVersion(view.layers, key, atSequence);
    visit(newest instanceof Promise ? await newest : newest, place);
    const turn = turns.walked(costOfLookup);
    if (turn === undefined) continue;
    await turn;
    signal?.throwIfAborted();
  }
}

/** What finding a key takes, in entries walked over. */
const costOfLookup = 16;

function newestVersion(
  layers: readonly Layer[],
  key: Uint8Array,
  atSequence: number,
): NewestVersion | undefined | Promise<NewestVersion | undefined> {
  hashKey(key, hash);
  for (const [place, layer] of layers.entries()) {
    const entry = layer.source.get(key, atSequence, hash);
    if (entry instanceof Promise) return goOn(entry, layers.slice(place), key, atSequence);
    if (entry !== undefined) return { layer, entry };
  }
  return undefined;
}

async function goOn(
  reading: Promise<Entry | undefined>,
  layers: readonly Layer[],
  key: Uint8Array,
  atSequence: number,
): Promise<NewestVersion | undefined> {
  let entry = await reading;
  for (const [place, layer] of layers.entries()) {
    if (place > 0) entry = await layer.source.get(key, atSequence);
    if (entry !== undefined) return { layer, entry };
  }
  return undefined;
}
