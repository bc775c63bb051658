/** What bytes are called: their SHA-256. */

import { createHash } from "node:crypto";

export function hashHex(...parts: readonly (Uint8Array | string)[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
}
