/** What the store should answer, kept in the plainest way: all versions of all keys in a list. */

import { hexOf, type Random } from "../../base/index.ts";
import { type Entry, entryKind, isGone, latestSequence } from "../entry.ts";
import { boundsOf, compareKeys, type KeyRange } from "../key.ts";

export class VersionModel {
  /** In the order of the store. */
  readonly entries: Entry[] = [];

  put(entry: Entry): void {
    const place = this.entries.findIndex((other) => compareEntries(entry, other) < 0);
    this.entries.splice(place === -1 ? this.entries.length : place, 0, entry);
  }

  get(key: Uint8Array, atSequence: number = latestSequence): Entry | undefined {
    return this.entries.find((entry) => entry.sequence <= atSequence && compareKeys(entry.key, key) === 0);
  }

  /** All versions of a range. */
  walk(range: KeyRange & { readonly reverse?: boolean | undefined }): Entry[] {
    const { from, to } = boundsOf(range);
    const found = this.entries.filter(
      ({ key }) => compareKeys(key, from) >= 0 && (to === undefined || compareKeys(key, to) < 0),
    );
    return range.reverse === true ? found.toReversed() : found;
  }

  /** What a reader sees. */
  scan(
    range: KeyRange & { readonly reverse?: boolean | undefined },
    { atSequence = latestSequence, nowMs = 0 }: { readonly atSequence?: number; readonly nowMs?: number } = {},
  ): Entry[] {
    const { reverse, ...bounds } = range;
    const newest = new Map<string, Entry>();
    for (const entry of this.walk(bounds)) {
      const name = hexOf(entry.key);
      if (entry.sequence <= atSequence && !newest.has(name)) newest.set(name, entry);
    }
    const seen = [...newest.values()].filter((entry) => !isGone(entry, nowMs));
    return reverse === true ? seen.reverse() : seen;
  }
}

export function compareEntries(a: Entry, b: Entry): number {
  return compareKeys(a.key, b.key) || b.sequence - a.sequence;
}

/** With strange lengths, shared beginnings and bytes at both ends of the alphabet, few enough to meet again. */
export function randomKey(random: Random, distinct: number): Uint8Array {
  const which = Math.floor(random() * distinct);
  const alphabet = [0, 1, 0x61, 0x62, 0xfe, 0xff] as const;
  const key: number[] = [];
  for (let rest = which; rest > 0; rest = Math.floor(rest / alphabet.length))
    key.push(alphabet[rest % alphabet.length]);
  return Uint8Array.from(which % 3 === 0 ? [0x61, 0x61, 0x61, ...key] : key);
}

export function randomEntry(random: Random, key: Uint8Array, sequence: number): Entry {
  const chance = random();
  const kind = chance < 0.2 ? entryKind.tombstone : chance < 0.3 ? entryKind.handle : entryKind.value;
  const length = kind === entryKind.tombstone ? 0 : kind === entryKind.handle ? 24 : Math.floor(random() * 90);
  return {
    key,
    sequence,
    kind,
    value: Uint8Array.from({ length }, () => Math.floor(random() * 256)),
    expiryMs: random() < 0.2 ? 1 + Math.floor(random() * 1_000) : 0,
    flags: random() < 0.2 ? Math.floor(random() * 2 ** 32) : 0,
    kappa: random() < 0.3 ? Math.fround(random()) : 0,
  };
}

export function plainEntry(key: Uint8Array, sequence: number, value: Uint8Array = new Uint8Array(0)): Entry {
  return { key, sequence, kind: entryKind.value, value, expiryMs: 0, flags: 0, kappa: 0 };
}

export function tombstone(key: Uint8Array, sequence: number): Entry {
  return { ...plainEntry(key, sequence), kind: entryKind.tombstone };
}

/** Free of views into larger buffers, for comparisons. */
export function copyOf(entry: Entry): Entry {
  return { ...entry, key: entry.key.slice(), value: entry.value.slice() };
}
