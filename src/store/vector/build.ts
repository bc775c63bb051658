/** The work of building a graph, as pieces of well under a millisecond each, with a pause after every one. */
import type { IndexCore } from "./index-core.ts";
import { restoreReach } from "./reach.ts";

/** Links what has no links yet until all live rows can be reached. `before` runs first. */
export function* buildWork(core: IndexCore, before?: Generator<void, void, void>): Generator<void, void, void> {
  if (before !== undefined) yield* before;
  core.searchable = true;
  if (!core.wantsGraph) return;
  do {
    while (core.graph.count < core.column.count) {
      core.linker.insertNext(core.ids, core.isLive(core.graph.count));
      yield;
    }
    yield* restoreReach(core);
  } while (core.graph.count < core.column.count);
}
