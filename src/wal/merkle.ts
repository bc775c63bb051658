/**
 * The Merkle root of a transaction: SHA-256 over its segments in order, the execution context first.
 *
 *     leaf = SHA-256(00 | segment)     node = SHA-256(01 | left | right)     an odd one out moves up as it is
 *
 * The two prefixes keep a node from passing for a leaf.
 */

import { createHash } from "node:crypto";

const leafPrefix = Uint8Array.of(0);
const nodePrefix = Uint8Array.of(1);

export function merkleLeaf(segment: Uint8Array): Uint8Array {
  return hashOf(leafPrefix, segment);
}

export function merkleRoot(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return hashOf(leafPrefix);
  let level = leaves;
  while (level.length > 1) {
    const above: Uint8Array[] = [];
    for (let place = 0; place < level.length; place += 2) {
      const left = level[place] as Uint8Array;
      const right = level[place + 1];
      above.push(right === undefined ? left : hashOf(nodePrefix, left, right));
    }
    level = above;
  }
  return level[0] as Uint8Array;
}

function hashOf(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
}
