/** The vectors of one layer in memory, by collection. */

import type { Entry } from "../entry.ts";

export class VectorLayers {
  note(_entries: readonly Entry[]): void {}
}
