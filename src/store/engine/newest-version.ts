/** Where the newest version of a key stands: not only what it says, but which layer holds it. */

import type { Entry } from "../entry.ts";
import { hashKey } from "../key.ts";
import type { Layer, View } from "./view.ts";

export interface NewestVersion {
  readonly layer: Layer;
  readonly entry: Entry;
}

const hash = new Uint32Array(2);

/** A tombstone too; undefined where no layer knows the key. A promise only where a segment has to be read first. */
export function newestVersion(
  { layers }: View,
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
