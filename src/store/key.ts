/** Keys: their order, ranges of them, and the one hash of 64 bits that filters and tables share. */

/** Below 0, 0 or above 0, as `a` stands before, is, or stands after `b`. */
export function compareKeys(a: Uint8Array, b: Uint8Array): number {
  const shorter = Math.min(a.length, b.length);
  for (let place = 0; place < shorter; place++) {
    const difference = a[place] - b[place];
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** As `compareKeys`, with the second key lying in a buffer. */
export function compareKeyWithin(a: Uint8Array, bytes: Uint8Array, from: number, to: number): number {
  const shorter = Math.min(a.length, to - from);
  for (let place = 0; place < shorter; place++) {
    const difference = a[place] - bytes[from + place];
    if (difference !== 0) return difference;
  }
  return a.length - (to - from);
}

/** How many bytes both begin with. */
export function sharedPrefixBytes(a: Uint8Array, b: Uint8Array): number {
  const shorter = Math.min(a.length, b.length);
  let place = 0;
  while (place < shorter && a[place] === b[place]) place++;
  return place;
}

/** Keys from `from` on and before `to`; what is left out has no bound. `prefix` narrows both. */
export interface KeyRange {
  readonly from?: Uint8Array | undefined;
  readonly to?: Uint8Array | undefined;
  readonly prefix?: Uint8Array | undefined;
}

export interface KeyBounds {
  /** The first key that belongs to it. */
  readonly from: Uint8Array;
  /** The first key after it that does not; undefined where there is none. */
  readonly to: Uint8Array | undefined;
}

const firstKey = new Uint8Array(0);

export function boundsOf({ from = firstKey, to, prefix }: KeyRange): KeyBounds {
  if (prefix === undefined) return { from, to };
  const end = afterPrefix(prefix);
  return {
    from: compareKeys(from, prefix) > 0 ? from : prefix,
    to: to === undefined || (end !== undefined && compareKeys(end, to) < 0) ? end : to,
  };
}

/** The first key after this one. */
export function keyAfter(key: Uint8Array): Uint8Array {
  const after = new Uint8Array(key.length + 1);
  after.set(key);
  return after;
}

/** The first key that is after all with this prefix; undefined where all later ones have it. */
export function afterPrefix(prefix: Uint8Array): Uint8Array | undefined {
  let length = prefix.length;
  while (length > 0 && prefix[length - 1] === 0xff) length--;
  if (length === 0) return undefined;
  const after = prefix.slice(0, length);
  after[length - 1]++;
  return after;
}

/**
 * The shortest key that is after `before` and not after `upTo`, so that an index keeps no more than it needs to tell
 * two blocks apart.
 */
export function separatorOf(before: Uint8Array, upTo: Uint8Array): Uint8Array {
  return upTo.slice(0, Math.min(upTo.length, sharedPrefixBytes(before, upTo) + 1));
}

/**
 * The hash of a key: `target[0]` its lower, `target[1]` its upper 32 bits. Part of the segment format: filters on disk
 * are made of it. Two lanes of multiply and rotate, a word of four bytes at a time, each mixed at the end as
 * MurmurHash3 does; not for keys that an adversary chooses to collide, which would cost time and nothing else.
 */
export function hashKey(key: Uint8Array, target: Uint32Array): void {
  const whole = key.length & ~3;
  let low = 0x9e3779b9 ^ key.length;
  let high = 0x7f4a7c15 ^ key.length;
  let place = 0;
  for (; place < whole; place += 4) {
    const word = key[place] | (key[place + 1] << 8) | (key[place + 2] << 16) | (key[place + 3] << 24);
    low = Math.imul(rotated(low ^ Math.imul(word, 0xcc9e2d51), 15), 0x1b873593);
    high = Math.imul(rotated(high ^ Math.imul(word, 0x239b961b), 13), 0xab0e9789) + low;
  }
  let rest = 0;
  for (let shift = 0; place < key.length; place++, shift += 8) rest |= key[place] << shift;
  low = Math.imul(rotated(low ^ Math.imul(rest, 0xcc9e2d51), 15), 0x1b873593);
  high = Math.imul(rotated(high ^ Math.imul(rest, 0x239b961b), 13), 0xab0e9789) + low;
  target[0] = mixed(low ^ high);
  target[1] = mixed(high + 0x52dce729);
}

function rotated(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

function mixed(word: number): number {
  word = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35);
  return word ^ (word >>> 16);
}
