/**
 * Consolidation in a script: first asked what it would do, then let do it. Nothing is changed but what one of the two
 * reports says, whether it ends, is cut off, or has others write beside it.
 */

import type { ConsolidationReport } from "../../../src/store/consolidation/report.ts";
import { changedEdge, reportProblem } from "./latitude.ts";
import type { Consolidate } from "./operations.ts";
import type { Seen } from "./seen.ts";
import { matched, seeAll } from "./seen.ts";
import { Violation } from "./session.ts";
import { itemKey } from "./state.ts";
import type { World } from "./world.ts";

/** `isCrowded`: others write meanwhile. */
export async function consolidate(world: World, { passes }: Consolidate, isCrowded: boolean): Promise<void> {
  const { session, latitude, model } = world;
  const { store, clock } = session;
  const plan = await store.consolidate({ passes, dryRun: true });
  latitude.add(plan);
  const problemOf = (report: ConsolidationReport): string | undefined =>
    isCrowded || model.doubts > 0 ? undefined : reportProblem(report, model.known(), clock.nowMs());
  const planned = problemOf(plan);
  if (planned !== undefined) throw new Violation(`a dry run: ${planned}`);
  latitude.isOpen = isCrowded;
  const report = await store.consolidate({ passes });
  latitude.add(report);
  latitude.isOpen = false;
  const done = problemOf(report);
  if (done !== undefined) throw new Violation(`consolidation: ${done}`);
  if (!isCrowded) world.lastReport = report;
}

/** Takes over what consolidation has changed, once all of it is durable. */
export async function adoptConsolidation(world: World): Promise<void> {
  const { session, model, latitude, settings } = world;
  await session.store.flush();
  const seen = await seeAll(session.readers, settings.ids);
  if (session.disk.hasCrashed) return;
  if (seen.problem !== undefined) throw new Violation(`after consolidation: ${seen.problem}`);
  const report = world.lastReport;
  const missing = report === undefined ? undefined : undone(report, seen);
  if (missing !== undefined) throw new Violation(`consolidation: ${missing}`);
  let problem: string | undefined;
  for (const state of model.live()) {
    const match = matched(seen, state, latitude, session.clock.nowMs());
    problem = match.problem;
    if (match.problem !== undefined) continue;
    model.settleOn(match.state, session.store.statistics().version);
    latitude.clear();
    world.lastReport = undefined;
    return;
  }
  throw new Violation(`after consolidation: ${problem}`);
}

/** What a report says was done, and was not. */
function undone(report: ConsolidationReport, { items, edges }: Seen): string | undefined {
  const written = new Set(report.prototypes.map(({ collection, id }) => itemKey(collection, id)));
  const conflicts = new Set(report.conflicts.map(({ collection, id }) => itemKey(collection, id)));
  const pruned = new Set(
    report.pruned
      .filter(({ reason }) => reason !== "dangling-edge")
      .map(({ collection, id }) => itemKey(collection, id)),
  );
  for (const { collection, id, to } of report.kappa) {
    const key = itemKey(collection, id);
    const item = items.get(key);
    // A prototype that was made anew has a κ of its members too.
    if (written.has(key) || conflicts.has(key)) continue;
    if (item !== undefined && item.kappa !== Math.fround(to))
      return `κ of ${id} is ${item.kappa} and was said to become ${to}`;
  }
  for (const { collection, id, reason } of report.pruned)
    if (reason !== "dangling-edge" && items.has(itemKey(collection, id)))
      return `${id} was said to be pruned, and is there`;
  for (const { collection, id, change } of report.prototypes) {
    const key = itemKey(collection, id);
    const isThere = items.has(key);
    if (conflicts.has(key) || pruned.has(key) || isThere === (change !== "removed")) continue;
    return `prototype ${id} was said to be ${change}, and is ${isThere ? "" : "not "}there`;
  }
  const last = new Map(report.edges.map((one) => [changedEdge(one), one.to]));
  for (const [name, to] of last) {
    const weight = edges.get(name);
    if (weight !== undefined && to !== undefined && weight !== Math.fround(to))
      return `edge ${name.replaceAll("\0", " ")} is ${weight}, not ${to}`;
  }
  return undefined;
}
