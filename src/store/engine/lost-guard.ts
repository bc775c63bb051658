/** What was lost, for answers that are not looked up key by key. */

import type { CursorSource } from "../cursor.ts";
import { lostError } from "../damage/lost-ranges.ts";
import { withoutLost } from "../damage/without-lost.ts";
import type { KeyRange } from "../key.ts";
import type { Hold } from "./read-scope.ts";
import type { View } from "./view.ts";

/** Throws STORE_LOST where something was lost between these keys: what is made of all of them may be wrong. */
export function refuseLost({ lost }: View, range: KeyRange): void {
  if (lost.isEmpty) return;
  const [run] = lost.within(range);
  if (run !== undefined) throw lostError(run);
}

/** Sources that show only what is certain. */
export function certainSources({ view, atSequence }: Hold): readonly CursorSource[] {
  const layers = view.layers.map(({ unguarded, lost }) => ({ layer: unguarded, lost }));
  return withoutLost(layers, atSequence);
}
