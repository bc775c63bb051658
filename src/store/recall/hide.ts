/**
 * What is newer tells what is older which of its rows are no longer to be seen.
 *
 * A write tells all older layers at once, row by row (`hide`). Layers that come to be otherwise are told here: those of
 * a store that is opened, and what a merge made of several while there was writing. Being told twice changes nothing,
 * so that a layer in which there is still writing may be walked in slices, and what came meanwhile told by the writes.
 */

import { type Clock, systemClock } from "../../base/index.ts";
import { Slices } from "./slices.ts";
import type { VectorLayer } from "./vector-layer.ts";

/** At once: for a layer in memory, of some thousand versions. */
export function hideOlderNow(newer: VectorLayer, older: readonly VectorLayer[]): void {
  for (const [id, sequence] of newer.versions()) for (const layer of older) layer.hide(id, sequence);
}

/**
 * In slices: for a layer that is no longer written to. Rejects with the signal's reason; what was hidden until then
 * stays so, which is right.
 */
export async function hideOlder(
  newer: VectorLayer,
  older: readonly VectorLayer[],
  options: { readonly clock?: Clock; readonly signal?: AbortSignal | undefined } = {},
): Promise<void> {
  const { clock = systemClock, signal } = options;
  signal?.throwIfAborted();
  if (older.length === 0) return;
  const slices = new Slices(clock);
  for (const [id, sequence] of newer.versions()) {
    for (const layer of older) layer.hide(id, sequence);
    if (slices.isSpent()) await slices.pause(signal);
  }
}
