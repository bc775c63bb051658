/** One key over many sources, the newest first: the first source that knows a version has the answer. */

import { type Entry, latestSequence } from "../entry.ts";
import { hashKey } from "../key.ts";

export interface LookupSource {
  get(key: Uint8Array, atSequence?: number, hash?: Uint32Array): Entry | undefined | Promise<Entry | undefined>;
}

const sharedHash = new Uint32Array(2);

/**
 * The newest version of the key that is not newer than `atSequence`, a tombstone or expired one too. Every version in a
 * source must be newer than all versions of the same key in the sources behind it. A promise only where a source has to
 * read.
 */
export function lookUp(
  sources: readonly LookupSource[],
  key: Uint8Array,
  atSequence: number = latestSequence,
): Entry | undefined | Promise<Entry | undefined> {
  hashKey(key, sharedHash);
  for (let place = 0; place < sources.length; place++) {
    const found = sources[place].get(key, atSequence, sharedHash);
    if (found instanceof Promise) return goOn(found, sources, place, key, atSequence);
    if (found !== undefined) return found;
  }
  return undefined;
}

async function goOn(
  reading: Promise<Entry | undefined>,
  sources: readonly LookupSource[],
  place: number,
  key: Uint8Array,
  atSequence: number,
): Promise<Entry | undefined> {
  return (await reading) ?? (await lookUp(sources.slice(place + 1), key, atSequence));
}
