/** What is left of all keys beside some ranges of them. */

import { compareKeys, type KeyBounds } from "../key.ts";

/** The ranges may come in any order, and overlap. What comes back is in order, and does neither touch nor overlap. */
export function rangesBeside(ranges: readonly KeyBounds[]): KeyBounds[] {
  const sorted = [...ranges].sort((a, b) => compareKeys(a.from, b.from));
  const beside: KeyBounds[] = [];
  let from: Uint8Array | undefined = new Uint8Array(0);
  for (const range of sorted) {
    if (from === undefined) break;
    if (compareKeys(from, range.from) < 0) beside.push({ from, to: range.from });
    if (range.to === undefined || compareKeys(range.to, from) > 0) from = range.to;
  }
  if (from !== undefined) beside.push({ from, to: undefined });
  return beside;
}
